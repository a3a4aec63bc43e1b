"""The Lua scripts: each change of the store is one of them, so that nobody sees it half done."""

from __future__ import annotations

import hashlib
from importlib import resources
from typing import Final


class Script:
    """A script's text and the SHA-1 by which the server knows it (EVALSHA)."""

    def __init__(self, name: str, *, log: bool = True) -> None:
        folder = resources.files("bearerd.store") / "scripts"
        common = (folder / "common.lua").read_text() if log else ""
        self.name = name
        self.text = common + (folder / f"{name}.lua").read_text()
        self.sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()


BEAT: Final = Script("beat")
WRITE: Final = Script("write")
PUTBACK: Final = Script("putback")
ENFORCED: Final = Script("enforced")
RELEASE: Final = Script("release", log=False)
PUBLISH: Final = Script("publish", log=False)
APIKEY_READ: Final = Script("apikey_read", log=False)
APIKEY_WRITE: Final = Script("apikey_write", log=False)
APIKEY_USED: Final = Script("apikey_used", log=False)
RATE: Final = Script("rate", log=False)
MARK: Final = Script("mark", log=False)
APPROVAL_OPEN: Final = Script("approval_open", log=False)
APPROVAL_DECIDE: Final = Script("approval_decide", log=False)
APPROVAL_USE: Final = Script("approval_use", log=False)
APPROVAL_LIST: Final = Script("approval_list", log=False)
APPROVAL_SWEEP: Final = Script("approval_sweep", log=False)
AUDIT_HEAD: Final = Script("audit_head", log=False)
AUDIT_RECORDS: Final = Script("audit_records", log=False)
