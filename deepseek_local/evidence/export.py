"""
Hand the log over to a SIEM, record by record and in order, each at least once.

The state file says which record was the last one that was delivered, and its hash, so that another log is not taken for its continuation.
It is written after each batch; whoever is stopped before delivers the batch again, and the receiver tells repetitions by `seq`.
A receiver that is away is waited for, at growing intervals up to a minute; that is said once when it begins and once when it ends.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Protocol

import msgspec

from deepseek_local.audit.record import Record, parse
from deepseek_local.errors import AuditError
from deepseek_local.evidence import cef, syslog
from deepseek_local.evidence.log import Number
from deepseek_local.evidence.tail import Tail
from deepseek_local.files import read_regular, write_atomic
from deepseek_local.tlog.tree import leaf

FOLLOW_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 60.0
BATCH_RECORDS = 500

_STATE_BYTES_LIMIT = 4_096

_logger = logging.getLogger(__name__)

Encode = Callable[[bytes, Record], bytes]
"""Makes a message of a record's exact line and the record."""
Wait = Callable[[float], None]


def json_line(line: bytes, _: Record) -> bytes:
    """Keep the exact line."""
    return line


def cef_line(_: bytes, record: Record) -> bytes:
    """Write a line of CEF."""
    return cef.encode(record) + b"\n"


def over_syslog(encode: Encode) -> Encode:
    """Send what another encoder makes as syslog messages."""
    return lambda line, record: syslog.frame(record, encode(line, record).removesuffix(b"\n"))


class Sink(Protocol):
    """Whoever takes batches of messages."""

    def deliver(self, batch: Sequence[bytes]) -> None:
        """Return when all messages are there. Raises `OSError` when that is not certain; the batch may be delivered again."""

    def close(self) -> None:
        """End in order."""


class _Delivered(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    last: Number
    leaf: str


class State:
    """How far an export has come; without a file it begins anew each time."""

    def __init__(self, path: Path | None) -> None:
        """Raises `AuditError` for a file that is no state."""
        self._path = path
        self._delivered = self._read()

    @property
    def next_seq(self) -> int:
        """The record that comes next."""
        return self._delivered.last + 1 if self._delivered else 0

    def advance(self, seq: int, line: bytes) -> None:
        """Take note that this record and all before it are delivered. Raises `AuditError`."""
        self._delivered = _Delivered(seq, leaf(line).hex())
        if self._path is None:
            return
        try:
            write_atomic(self._path, msgspec.json.encode(self._delivered) + b"\n")
        except OSError as error:
            raise AuditError(
                f"cannot write {self._path}: {error.strerror}; make room or give another --state"
            ) from error

    def pending(self, lines: Iterator[bytes]) -> Iterator[tuple[int, bytes, Record]]:
        """Yield what was not delivered yet. Raises `AuditError` when the log does not continue what was, or has a line that is no record."""
        delivered = self._delivered
        expected = self.next_seq if delivered else None
        for line in lines:
            record = parse(line)
            seq = record.envelope.seq
            if delivered and seq == delivered.last and leaf(line).hex() != delivered.leaf:
                raise AuditError(
                    f"record {seq} is not the one that was exported: the log was altered, or it is another one; "
                    "run `audit verify`, and give another --state for another log"
                )
            if expected is not None and seq > expected:
                raise AuditError(
                    f"record {seq} comes where record {expected} should: what was between is gone; "
                    "run `audit verify`, and give another --state to go on"
                )
            if expected is None or seq == expected:
                yield seq, line, record
                expected = seq + 1

    def _read(self) -> _Delivered | None:
        if self._path is None:
            return None
        try:
            return msgspec.json.decode(read_regular(self._path, _STATE_BYTES_LIMIT), type=_Delivered)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise AuditError(f"{self._path} is no state of an export: {error}; give another --state") from error


def export(directory: Path, encode: Encode, sink: Sink, state: State, *, follow: bool, wait: Wait = time.sleep) -> int:
    """Deliver what was not delivered yet, with `follow` for ever; return how many records these were. Raises `AuditError`."""
    tail = Tail.near(directory, max(state.next_seq - 1, 0))  # with the last one, to compare it
    count = 0
    while True:
        pending = state.pending(tail.new())
        while batch := list(islice(pending, BATCH_RECORDS)):
            _deliver([encode(line, record) for _, line, record in batch], sink, wait)
            seq, line, _ = batch[-1]
            state.advance(seq, line)
            count += len(batch)
        if not follow:
            sink.close()
            return count
        wait(FOLLOW_SECONDS)


def _deliver(messages: Sequence[bytes], sink: Sink, wait: Wait) -> None:
    """Try until it is done."""
    pause = 0.0
    while True:
        try:
            sink.deliver(messages)
        except OSError as error:
            if not pause:
                _logger.warning("%s takes no records (%s); they wait in the log until it does", sink, error)
            pause = min(2 * pause or 1.0, LONGEST_WAIT_SECONDS)
            wait(pause)
        else:
            if pause:
                _logger.warning("%s takes records again", sink)
            return
