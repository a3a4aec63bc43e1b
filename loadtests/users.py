"""Locust users that behave as bearerd's users do: gateways that ask about every request, API servers that introspect.

Started by run.py, which hands over addresses and the population in a file named by BEARERD_LOAD.
"""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import gevent
from incidents import during_the_run
from locust import FastHttpUser, constant, events, task
from population import Member, Population

SETUP = json.loads(Path(os.environ["BEARERD_LOAD"]).read_text())
POPULATION = Population([Member(**member) for member in SETUP["population"]])
CALLER = base64.b64encode(f"api-server:{SETUP['caller_secret']}".encode()).decode()


@events.test_start.add_listener
def start_events(**_: Any) -> None:
    """Revocations and a key rotation happen while the load runs."""
    gevent.spawn(during_the_run, SETUP, POPULATION)


class Gateway(FastHttpUser):  # type: ignore[misc]
    """nginx with kept-alive connections: one question a request, no pause."""

    weight = 4
    wait_time = constant(0)
    host = SETUP["bearerd"]

    @task
    def ask(self) -> None:
        """Ask about one request."""
        member = POPULATION.pick()
        headers = {
            "Authorization": f"Bearer {member.token}",
            "X-Original-Method": "GET",
            "X-Original-URI": "/orders/7",
        }
        with self.client.get(
            "/auth/api", headers=headers, name=f"/auth/api, {member.kind}", catch_response=True
        ) as answer:
            if answer.status_code in member.expected():
                answer.success()
            else:
                answer.failure(f"{answer.status_code} for a token that is {member.kind}")


class ApiServer(FastHttpUser):  # type: ignore[misc]
    """An API server that introspects what it was given, ten times a second."""

    weight = 1
    wait_time = constant(0.1)
    host = SETUP["bearerd"]

    @task
    def introspect(self) -> None:
        """Introspect one token (RFC 7662)."""
        member = POPULATION.pick()
        headers = {"Authorization": f"Basic {CALLER}", "Content-Type": "application/x-www-form-urlencoded"}
        body = f"token={member.token}"
        with self.client.post(
            "/introspect", data=body, headers=headers, name=f"/introspect, {member.kind}", catch_response=True
        ) as answer:
            if answer.status_code != 200:
                answer.failure(f"status {answer.status_code}")
                return
            verdict = 200 if answer.json()["active"] else 401
            if verdict in member.expected():
                answer.success()
            else:
                answer.failure(f"active={verdict == 200} for a token that is {member.kind}")
