"""
The keys of a log before its first checkpoint: made by `audit init`, or else by the first start.

The first key of the evolving MAC belongs to the auditor and not to the host. `audit init` shows it once. A start has nobody to show it to,
so it leaves it in a file, where `audit init` takes it away later; until then the MAC proves nothing.
"""

import logging
from pathlib import Path

from deepseek_local.audit import clock, replay, seal, segments
from deepseek_local.audit.checkpoint_log import NAME
from deepseek_local.audit.clock import Moment
from deepseek_local.audit.seal import FIRST_KEY, Seal
from deepseek_local.errors import AuditError

_logger = logging.getLogger(__name__)


def ensure(directory: Path, keys: Path, node: str, now: Moment) -> Seal:
    """Return the keys of the log in `directory`, which the caller has locked, after making them if there are none. Raises `AuditError`."""
    if not seal.is_there(keys):
        first = make(directory, keys, origin(directory, node, now))
        seal.write_key(keys / FIRST_KEY, first)
        _logger.warning(
            "the first key of the audit log waits in %s: let the auditor take it with `audit init`", keys / FIRST_KEY
        )
        _logger.info("new audit log, verified with the key %s", seal.read(keys).signer.verifier)
    return seal.read(keys)


def make(directory: Path, keys: Path, name: str) -> bytes:
    """Make the keys and return the first one of the MAC. Raises `AuditError` when the log has been sealed with others."""
    sealed = directory / NAME
    if sealed.exists():
        raise AuditError(
            f"{sealed} was sealed with keys that are not in {keys}: restore them from their copy, or name their directory"
        )
    return seal.make(keys, name)


def take_first_key(keys: Path) -> bytes | None:
    """Return the first key of the MAC that a start has left, and remove it; None when there is none. Raises `AuditError`."""
    place = keys / FIRST_KEY
    if not place.exists():
        return None
    key = seal.read_key(place)
    seal.remove(place)
    return key


def origin(directory: Path, node: str, now: Moment) -> str:
    """Name a log after its host and the year in which it began. Raises `AuditError`."""
    return f"{node.lower()}/audit/{_beginning(directory) or clock.timestamp(now.wall)[:4]}"


def _beginning(directory: Path) -> str | None:
    """Return the year of the oldest record that is there."""
    for number in segments.numbers(directory) if directory.exists() else ():
        if (record := replay.first(segments.path(directory, number))) is not None:
            return record.envelope.ts[:4]
    return None
