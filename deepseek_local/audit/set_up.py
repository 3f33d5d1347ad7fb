"""
The keys of a log before its first checkpoint: made by `audit init`, or else by the first start.

The first key of the evolving MAC belongs to the auditor and not to the host. It waits in a file until `audit init` has shown it and takes
it away; until then the MAC proves nothing.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from deepseek_local import files
from deepseek_local.audit import clock, replay, seal, segments
from deepseek_local.audit.checkpoint_log import NAME
from deepseek_local.audit.clock import Moment
from deepseek_local.audit.seal import FIRST_KEY, SEED, Seal
from deepseek_local.errors import AuditError
from deepseek_local.hsm.ed25519 import Ed25519Key

_logger = logging.getLogger(__name__)


class HandedOut(msgspec.Struct, frozen=True):
    """What the auditor keeps."""

    verifier_key: str
    """Checks the signatures of checkpoints."""
    first_key: bytes
    """32 bytes, for the evolving MAC."""


def ensure(directory: Path, keys: Path, node: str, now: Moment, signing_key: Ed25519Key | None = None) -> Seal:
    """Return the keys of the log in `directory`, which the caller has locked, after making them if there are none. Raises `AuditError`."""
    with _alone(keys):
        seal.sweep(keys)
        if not seal.is_there(keys):
            _make(directory, keys, origin(directory, node, now), signing_key)
            _logger.info("new audit log, verified with the key %s", seal.read(keys, signing_key).signer.verifier)
            _logger.warning("its first key waits in %s for the auditor: run `audit init`", keys / FIRST_KEY)
        return seal.read(keys, signing_key)


def hand_out(
    directory: Path, keys: Path, node: str, now: Moment, name: str | None, *, signing_key: Ed25519Key | None = None
) -> HandedOut:
    """
    Return what the auditor keeps, of the log that is named, after making the keys if there are none; again until it is forgotten.

    Raises `AuditError` when the first key has been handed out before.
    """
    with _alone(keys):
        if not seal.is_there(keys):
            _make(directory, keys, name or origin(directory, node, now), signing_key)
        elif not (keys / FIRST_KEY).exists():
            raise AuditError(
                f"{keys} has keys already, and their first one has been handed out: it cannot be shown again; "
                "for another log name another directory with --keys"
            )
        return HandedOut(str(seal.read(keys, signing_key).signer.verifier), seal.read_key(keys / FIRST_KEY))


@contextmanager
def _alone(keys: Path) -> Iterator[None]:
    """Let `audit init` and a first start, which may come at one moment, make keys one after the other. Raises `AuditError`."""
    try:
        if not keys.exists():
            files.make_directory(keys)
        locked = files.lock(keys / SEED)
    except OSError as error:
        raise segments.failure("lock the keys in", keys, error) from error
    try:
        yield
    finally:
        os.close(locked)


def _make(directory: Path, keys: Path, name: str, signing_key: Ed25519Key | None) -> None:
    """Make the keys. Raises `AuditError` when the log has been sealed with other keys."""
    sealed = directory / NAME
    if sealed.exists():
        raise AuditError(
            f"{sealed} was sealed with keys that are not in {keys}: restore them from their copy, or name their directory with --keys"
        )
    seal.make(keys, name, signing_key)


def origin(directory: Path, node: str, now: Moment) -> str:
    """Name a log after its host and the year in which it began. Raises `AuditError`."""
    return f"{node.lower()}/audit/{_beginning(directory) or clock.timestamp(now.wall)[:4]}"


def _beginning(directory: Path) -> str | None:
    """Return the year of the oldest record that is there."""
    for number in segments.numbers(directory) if directory.exists() else ():
        if (record := replay.first(segments.path(directory, number))) is not None:
            return record.envelope.ts[:4]
    return None
