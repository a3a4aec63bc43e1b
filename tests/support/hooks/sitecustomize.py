"""Put into a bearerd by PYTHONPATH (``support.bearerd.hooked``): what no configuration can do, for tests only.

``TEST_HOSTS_FILE``     a JSON file of names and addresses, read at each look-up: the DNS of the process.  Null: no such name.
``TEST_SPIN_SIGNAL``    the number of a signal upon which a worker's loop never turns again, and the CPU burns.
``TEST_DEBUG``          the root logger tells everything.
``TEST_FAULTS``         ``module:function,module:Class.method``: fails whenever its arguments or its result hold ``BOOM``, and
                        repeats them in the exception.
"""

import functools
import importlib.abc
import importlib.machinery
import json
import logging
import os
import signal
import socket
import sys
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

if os.environ.get("TEST_DEBUG"):
    _set_level = logging.Logger.setLevel
    logging.Logger.setLevel = lambda self, level: _set_level(self, "DEBUG" if self is logging.root else level)

_FAULTS = [place.split(":") for place in os.environ.get("TEST_FAULTS", "").split(",") if place]


def _faulty(function):  # type: ignore[no-untyped-def]
    """The same, but it fails with all that it was given, and gave, as its words, where that holds the marker."""

    @functools.wraps(function)
    def call(*args, **more):  # type: ignore[no-untyped-def]
        said = repr((args[-4:], more))
        if "BOOM" in said:
            raise RuntimeError(said)
        result = function(*args, **more)
        if "BOOM" in repr(result):
            raise ValueError(f"{said} {result!r}")
        return result

    return call


class _Faults(importlib.abc.MetaPathFinder):
    """Puts the faults into modules as they are loaded."""

    def find_spec(self, name, path, target=None):  # type: ignore[no-untyped-def]
        wanted = [place for module, place in _FAULTS if module == name]
        spec = importlib.machinery.PathFinder.find_spec(name, path) if wanted else None
        if spec is None or spec.loader is None:
            return None
        really = spec.loader.exec_module

        def exec_module(module):  # type: ignore[no-untyped-def]
            really(module)
            for place in wanted:
                *owners, last = place.split(".")
                owner = functools.reduce(getattr, owners, module)
                setattr(owner, last, _faulty(getattr(owner, last)))

        spec.loader.exec_module = exec_module
        return spec


if _FAULTS:
    sys.meta_path.insert(0, _Faults())
