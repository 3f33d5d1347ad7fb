"""The file with the policy: a witness takes its logs from it, a log its witnesses and its quorum."""

from pathlib import Path

from deepseek_local.errors import AuditError, WitnessError
from deepseek_local.files import read_regular
from deepseek_local.tlog import policy
from deepseek_local.tlog.policy import Policy

BYTES_LIMIT = 1_048_576


def read(path: Path) -> Policy:
    """Return the policy of a file, which names a log at least. Raises `WitnessError` with the name of the file."""
    try:
        data = read_regular(path, BYTES_LIMIT + 1)
    except OSError as error:
        raise WitnessError(
            f"the policy {path} cannot be read ({error.strerror}); name a file of log, witness and quorum lines"
        ) from error
    if len(data) > BYTES_LIMIT:
        raise WitnessError(f"the policy {path} has more than {BYTES_LIMIT} bytes; shorten it")
    try:
        found = policy.parse(data)
    except AuditError as error:
        raise WitnessError(f"{path}: {error}") from error
    if not found.logs:
        raise WitnessError(f"{path} names no log; add `log KEY` with the verifier key of the log")
    return found
