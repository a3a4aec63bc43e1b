"""The last refusals, by request id: a bounded memory for "why was this refused?"."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from bearerd.audit.record import Record


class Ring:
    """Holds at most ``size`` records; the oldest goes first."""

    def __init__(self, size: int, subject: Callable[[str], str] = str) -> None:
        self._size = size
        self._subject = subject
        self._records: OrderedDict[str, Record] = OrderedDict()
        self.elsewhere: Callable[[str], Record | None] = lambda request_id: None  # who else keeps refusals

    def add(self, record: Record) -> None:
        """Remember one more."""
        self._records[record.request_id] = _kept(record)
        while len(self._records) > self._size:
            self._records.popitem(last=False)

    def find(self, request_id: str) -> dict[str, Any] | None:
        """What was decided, JSON-able and without the token; None where it is not (or no longer) known here."""
        record = self._records.get(request_id) or self.elsewhere(request_id)
        return None if record is None else record.as_dict(self._subject)

    def last(self, count: int) -> list[dict[str, Any]]:
        """The newest records, newest first."""
        names = list(self._records)[-count:] if count > 0 else []
        return [self._records[name].as_dict(self._subject) for name in reversed(names)]

    def __len__(self) -> int:
        return len(self._records)


def _kept(record: Record) -> Record:
    """Without what was in the message: nobody is told it from here, and a thousand of a megabyte each are a gigabyte."""
    operation, misread = record.operation, record.misread
    if operation is None and misread is None:
        return record
    return replace(
        record,
        operation=None if operation is None else operation._replace(arguments=None, capabilities=None, id=None),
        misread=None if misread is None else misread._replace(id=None),
    )
