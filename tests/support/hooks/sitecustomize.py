"""Put into a bearerd by PYTHONPATH (``support.bearerd.hooked``): what no configuration can do, for tests only.

``TEST_HOSTS_FILE``     a JSON file of names and addresses, read at each look-up: the DNS of the process.  Null: no such name.
``TEST_SPIN_SIGNAL``    the number of a signal upon which a worker's loop never turns again, and the CPU burns.
"""

import json
import os
import signal
import socket
from pathlib import Path

_hosts = os.environ.get("TEST_HOSTS_FILE")
_spin = os.environ.get("TEST_SPIN_SIGNAL")

if _hosts:
    _really = socket.getaddrinfo

    def _look_up(host, *rest, **more):  # type: ignore[no-untyped-def]
        known = json.loads(Path(_hosts).read_text())
        name = host.decode() if isinstance(host, bytes) else host
        if name in known and known[name] is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return _really(known.get(name, host), *rest, **more)

    socket.getaddrinfo = _look_up

if _spin:

    def _forever(*_):  # type: ignore[no-untyped-def]
        while True:
            pass

    signal.signal(int(_spin), _forever)
