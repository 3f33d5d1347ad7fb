"""
Every failure that this package reports on purpose, one class per phase.

    Error
    ├── ProfileError        the YAML profile cannot be used            exit 3
    ├── PreflightError      the host is not ready for this profile     exit 4
    │   └── PlanError       the engine cannot do what the profile asks exit 4
    ├── LaunchError         a child process did not start or stay up   exit 1
    ├── ModelError          a checkpoint directory cannot be served    exit 4
    ├── IdentityError       the token store cannot be used             exit 4
    ├── PolicyError         the policy files cannot be used            exit 4
    ├── HSMError            a hardware security module refused         exit 4
    ├── PKIError            a certificate or authority cannot be used  exit 1
    ├── ProxyError          nginx cannot do what the profile asks     exit 1
    ├── HostError           this host could not be prepared            exit 1
    ├── StorageError        an encrypted volume cannot be used         exit 1
    ├── QuotaError          the quota ledger cannot be used            exit 1
    ├── AuditError          a record could not be made durable         exit 1
    │   ├── NoRoomError     the volume of the log has no room for it   exit 1
    │   ├── TamperedError   the audit log is not what was written      exit 5
    │   └── IncompleteError a part of the audit log cannot be proved   exit 6
    ├── WitnessError        the witnesses did not cosign the log       exit 1
    ├── ClientError         the server refused or could not be reached exit 1
    └── OutputError         a result could not be written              exit 1

A message says what is wrong, the value seen, and what to do about it. Only `cli.main` turns an `Error` into an exit code.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum


class ExitCode(IntEnum):
    """The process exit codes; they are part of the public interface."""

    OK = 0
    FAILED = 1
    USAGE = 2
    PROFILE_INVALID = 3
    PREFLIGHT_REFUSED = 4
    VERIFICATION_FAILED = 5
    VERIFICATION_INCOMPLETE = 6


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in an input file: where it stands, what is wrong and what would be right."""

    message: str
    """What is wrong, the value seen, and the remedy, in one sentence."""
    file: str
    line: int | None = None
    """1-based; None when the problem belongs to the file as a whole."""
    column: int | None = None
    """1-based."""
    key: str | None = None
    """Dotted path of the setting, such as `engine.max_num_seqs`."""

    def __str__(self) -> str:
        """Render as `file:line:col: key: message`, the form that editors and terminals link."""
        parts = (self.file, self.line, self.column)
        place = ":".join(str(part) for part in parts if part is not None)
        return f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"


class Error(Exception):
    """Root of the tree; `exit_code` is what the command line returns for it."""

    exit_code = ExitCode.FAILED


class ProblemsError(Error):
    """An input file with all of its mistakes, so that one edit can mend them all."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class ProfileError(ProblemsError):
    """The profile cannot be used."""

    exit_code = ExitCode.PROFILE_INVALID


class PolicyError(ProblemsError):
    """The policy files cannot be used; a running gateway keeps refusing or keeps its last good policy."""

    exit_code = ExitCode.PREFLIGHT_REFUSED


class PreflightError(Error):
    """The host is not ready for this profile; nothing was started."""

    exit_code = ExitCode.PREFLIGHT_REFUSED


class PlanError(PreflightError):
    """The engine cannot do what the profile asks, for every reason that was found."""

    def __init__(self, reasons: Sequence[str]) -> None:
        self.reasons = tuple(reasons)
        super().__init__("\n".join(self.reasons))


class ModelError(Error):
    """A checkpoint directory is missing, unreadable or unsafe."""

    exit_code = ExitCode.PREFLIGHT_REFUSED


class IdentityError(Error):
    """The token store is missing, unreadable or open to others."""

    exit_code = ExitCode.PREFLIGHT_REFUSED


class HSMError(Error):
    """A key in a hardware security module cannot be used, or is not named rightly."""

    exit_code = ExitCode.PREFLIGHT_REFUSED


class PKIError(Error):
    """A certificate, its key or its authority is missing, wrong, or could not be made; what was in use stays in use."""


class HostError(Error):
    """A step of the preparation of this host failed; what was done is on record, and can be repeated or taken back."""


class StorageError(Error):
    """An encrypted volume could not be made, opened, closed or changed; what was on it is still there unless the message says otherwise."""


class ProxyError(Error):
    """nginx is missing, does not accept its configuration, or cannot be told of it; what it runs with stays as it is."""


class QuotaError(Error):
    """The quota ledger could not be reached or does not answer; what cannot be counted is not let through."""


class LaunchError(Error):
    """A child process did not start, or did not stay up."""


class AuditError(Error):
    """A record could not be made durable; whoever asked for it must not go on."""


class NoRoomError(AuditError):
    """The volume of the audit log has no room for records of this kind; the record is certainly not in the log."""


class TamperedError(AuditError):
    """The audit log, or a proof from it, is not what was written."""

    exit_code = ExitCode.VERIFICATION_FAILED


class IncompleteError(AuditError):
    """A part of the audit log is missing or not sealed; what is there is what was written."""

    exit_code = ExitCode.VERIFICATION_INCOMPLETE


class WitnessError(Error):
    """A witness cannot work, or too few of them cosigned the log; what they have seen stays as it is."""


class ClientError(Error):
    """The server refused the request or could not be reached."""


class OutputError(Error):
    """A result could not be written to stdout."""
