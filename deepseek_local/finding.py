"""What a check of this host found: something that stops a start, or something worth knowing."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

_log = logging.getLogger(__name__)

Subject = TypeVar("Subject")


class Severity(StrEnum):
    """How bad it is."""

    ERROR = "error"
    """Nothing is started."""
    WARNING = "warning"
    """It works, but not as somebody may expect."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check found."""

    id: str
    """Stable name, as `model.missing`; documents and scripts refer to it."""
    severity: Severity
    message: str
    """What is wrong and the value seen."""
    remedy: str
    """What to do about it."""

    def __str__(self) -> str:
        """Render as `error [model.missing]: message; remedy`, or without a remedy that the message already holds."""
        return f"{self.severity} [{self.id}]: {self.message}" + (f"; {self.remedy}" if self.remedy else "")


def error(identifier: str, message: str, remedy: str = "") -> Finding:
    """Return a finding that stops the start."""
    return Finding(identifier, Severity.ERROR, message, remedy)


def warning(identifier: str, message: str, remedy: str = "") -> Finding:
    """Return a finding that does not."""
    return Finding(identifier, Severity.WARNING, message, remedy)


def isolated(check: Callable[[Subject], Iterator[Finding]], subject: Subject) -> list[Finding]:
    """Return what a check found; one that fails itself is a finding, too, and hides nothing that it or the others found."""
    found: list[Finding] = []
    try:
        for finding in check(subject):
            found.append(finding)  # noqa: PERF402 -- what was found before a failure stays found
    except Exception as reason:  # noqa: BLE001 -- a broken check must not hide the findings of the others
        _log.debug("check %s failed", check.__name__, exc_info=True)
        message = f"the check {check.__name__} failed itself ({type(reason).__name__}: {reason})"
        found.append(error("check.failed", message, "report this"))
    return found
