"""What a check of this host found: something that stops a start, or something worth knowing."""

from dataclasses import dataclass
from enum import StrEnum


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
