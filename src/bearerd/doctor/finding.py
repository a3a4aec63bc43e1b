"""A finding: what was looked at, what was found there, and what helps."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


class Severity(StrEnum):
    """How bad it is.  The first two make the command end with 1."""

    ERROR = "error"  # something is open that must not be, or does not work
    WARNING = "warning"  # it works, and will hurt
    NOTE = "note"  # worth knowing; nothing has to be done
    OK = "ok"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    severity: Severity
    subject: str  # "issuer NAME", "store", "gateway", …
    check: str  # a name of the closed list in docs/doctor.md
    found: str
    remedy: str = ""

    def as_dict(self) -> dict[str, str]:
        """For JSON."""
        return {
            "severity": self.severity.value,
            "subject": self.subject,
            "check": self.check,
            "found": self.found,
            "remedy": self.remedy,
        }


class Notebook:
    """Findings about one subject, as they are made."""

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.findings: list[Finding] = []

    def error(self, check: str, found: str, remedy: str) -> None:
        """Something is open, or does not work."""
        self._add(Severity.ERROR, check, found, remedy)

    def warning(self, check: str, found: str, remedy: str) -> None:
        """It works, and will hurt."""
        self._add(Severity.WARNING, check, found, remedy)

    def note(self, check: str, found: str, remedy: str = "") -> None:
        """Worth knowing."""
        self._add(Severity.NOTE, check, found, remedy)

    def ok(self, check: str, found: str) -> None:
        """As it should be."""
        self._add(Severity.OK, check, found, "")

    def _add(self, severity: Severity, check: str, found: str, remedy: str) -> None:
        self.findings.append(Finding(severity, self.subject, check, found, remedy))


def healthy(findings: Iterable[Finding]) -> bool:
    """Whether there is nothing to do."""
    return all(finding.severity in (Severity.NOTE, Severity.OK) for finding in findings)


def as_dict(findings: Iterable[Finding]) -> dict[str, Any]:
    """The whole report for programs."""
    findings = list(findings)
    counts = {severity.value: sum(one.severity is severity for one in findings) for severity in Severity}
    return {"well": healthy(findings), "counts": counts, "findings": [one.as_dict() for one in findings]}
