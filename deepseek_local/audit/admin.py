"""A change that a command makes, on record before it counts: who on this host, what, and to what."""

import os
import pwd
from collections.abc import Mapping
from pathlib import Path

from deepseek_local.audit.client import append_once
from deepseek_local.audit.record import Kind


def record_change(
    socket: Path, action: str, resource: str, attributes: Mapping[str, object], kind: Kind = Kind.ADMIN
) -> bool:
    """
    Record a change in the log of the running deployment; return False if none runs, whose log could take it.

    Raises `AuditError` when one runs, or did, and does not take the record.
    """
    if not socket.exists():
        return False
    subject = {"id": who(), "src": "local"}
    append_once(socket, kind, {"act": action, "obj": resource, "sub": subject, "attr": dict(attributes)})
    return True


def who() -> str:
    """Return the user of this host who makes the change, as `os:root`."""
    try:
        return f"os:{pwd.getpwuid(os.getuid()).pw_name}"
    except KeyError:  # a container's user need not have a name
        return f"os:{os.getuid()}"
