"""The key of the site, which wraps the keys of the days: made before the first text, and never beside texts of another one."""

from pathlib import Path

from deepseek_local.capture import days
from deepseek_local.errors import AuditError
from deepseek_local.identity import keys


def ensure(path: Path, captures: Path) -> None:
    """
    Make the key where there is neither a key nor a text; a second key would be in the way of the first one's copy.

    Raises `AuditError` where texts have lost their key, and `IdentityError` when it cannot be made.
    """
    if not path.exists() and days.exist(captures):
        raise AuditError(
            f"the key {path} is missing, and the texts below {captures} are unreadable without it; "
            "restore it from its copy, or move the texts away"
        )
    keys.ensure(path)
