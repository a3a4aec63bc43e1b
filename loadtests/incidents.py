"""What happens while the load runs: tokens are revoked a third of the way, keys rotate after two thirds."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import gevent
from ask import request, token
from population import Member, Population


def during_the_run(setup: dict[str, Any], population: Population) -> None:
    """Revoke, then rotate.  Runs in a greenlet beside the users."""
    third = setup["seconds"] / 3
    gevent.sleep(third)
    for member in [member for member in population.members if member.kind == "revoked mid-run"]:
        revoke(setup, member)
    gevent.sleep(third)
    rotate(setup, population)


def revoke(setup: dict[str, Any], member: Member) -> None:
    """Revoke one token through the admin API."""
    kind = {"Content-Type": "application/json", "Authorization": f"Bearer {setup['admin_token']}"}
    body = json.dumps({"kind": "token", "issuer": setup["issuer"], "value": jti(member.token), "ack": "stored"})
    member.good_until = time.time()  # from now on it may be refused, from the acknowledgement on it must
    answer = request(setup["admin_port"], "POST", "/v1/revocations", kind, body)
    if answer.status not in (201, 202):
        raise RuntimeError(f"revocation refused: {answer.status} {answer.body.decode()}")


def rotate(setup: dict[str, Any], population: Population) -> None:
    """The issuer signs with a new key from now on; the old one stays in its set."""
    request(setup["issuer_port"], "POST", "/rotate", {})
    for number in range(20):
        new = token(setup["issuer_port"], f"late-{number}", setup["audience"], "api orders:read")
        population.add(Member(new, "signed by the new key"))


def jti(jwt: str) -> str:
    """The token's own name."""
    payload = jwt.split(".")[1]
    return str(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["jti"])
