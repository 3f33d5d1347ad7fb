"""
`checkpoints.jsonl`: every checkpoint that the log ever signed, in its order, each with the MAC of its place.

A line has one spelling, so nothing in the file can be changed without effect. Lines are read one by one: there can be millions.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from deepseek_local.errors import AuditError, TamperedError
from deepseek_local.evidence import opening
from deepseek_local.evidence.opening import open_regular
from deepseek_local.evidence.trust import Trust
from deepseek_local.files import read_regular
from deepseek_local.tlog.checkpoint import Checkpoint
from deepseek_local.tlog.evolving import EvolvingMac
from deepseek_local.tlog.note import BYTES_LIMIT, Note

NAME = "checkpoints.jsonl"
NEWEST = Path("tlog/checkpoint")


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    i: int
    note: str


_decoder = msgspec.json.Decoder(_Line)
_encoder = msgspec.json.Encoder(order="sorted")


@dataclass(frozen=True, slots=True)
class Stop:
    """A size at which the root of the tree is known from a signature."""

    where: str
    """For people: what says so."""
    note: Note
    checkpoint: Checkpoint


class Checkpoints:
    """The file as far as it is written when this is made; a log goes on while it is verified."""

    def __init__(self, directory: Path, trust: Trust, limit_bytes: int | None = None) -> None:
        """Raises `AuditError` when the file cannot be examined."""
        self._path = directory / NAME
        self._trust = trust
        self.last: Stop | None = None
        """The newest one that was read."""
        self.count = 0
        self.checked = 0
        """How many signatures were looked at."""
        self.torn_bytes = 0
        """Behind the last newline."""
        self._read_bytes = 0
        self._bytes_left = _size(self._path) if limit_bytes is None else limit_bytes

    def read(self, start: int = 0) -> Iterator[Stop]:
        """
        Yield those for `start` records or more, checked one by one and against the one before.

        Of those before, neither signature nor MAC is looked at. Raises `TamperedError`, and `AuditError` for a failing disk.
        """
        mac = None if self._trust.first_mac_key is None else EvolvingMac(self._trust.first_mac_key)
        for line in self._lines():
            stop = self._stop(line, mac, start)
            self.last = stop
            self.count += 1
            mac = mac and mac.next()
            if stop.checkpoint.size >= start:
                self.checked += 1
                yield stop

    def is_continued(self) -> bool:
        """Whether the line that did not end when it was read does by now. Raises `AuditError`."""
        try:
            with open_regular(self._path) as stream:
                stream.seek(self._read_bytes)
                return stream.readline(2 * BYTES_LIMIT).endswith(b"\n")
        except OSError as error:
            raise _unreadable(self._path, error) from error

    def _lines(self) -> Iterator[bytes]:
        if not self._bytes_left:
            return
        try:
            with open_regular(self._path) as stream:
                while self._bytes_left > 0 and (line := stream.readline(min(2 * BYTES_LIMIT, self._bytes_left))):
                    self._bytes_left -= len(line)
                    if not line.endswith(b"\n"):
                        self.torn_bytes = len(line) + self._bytes_left
                        return
                    self._read_bytes += len(line)
                    yield line
        except OSError as error:
            raise _unreadable(self._path, error) from error

    def _stop(self, line: bytes, mac: EvolvingMac | None, start: int) -> Stop:
        where = f"line {self.count + 1} of {self._path}"
        try:
            found = _decoder.decode(line)
            is_exact = _encoder.encode(found) + b"\n" == line
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise TamperedError(f"{where} is no checkpoint: {error}; restore the file from its copy") from error
        if not is_exact or found.i != self.count:
            raise TamperedError(
                f"{where} is not checkpoint {self.count} as it was written, it says {found.i}; restore the file from its copy"
            )
        note, checkpoint = self._trust.open(found.note.encode(), where, start)
        before = self.last.checkpoint if self.last else None
        if before and checkpoint.size < before.size:
            raise TamperedError(
                f"{where} is for {checkpoint.size} records, the one before it for {before.size}: the log was begun anew; find out who did it"
            )
        if mac and checkpoint.size >= start and not mac.check(checkpoint.origin, note):
            raise TamperedError(
                f"{where} does not carry the MAC of its place, {found.i}: it was written later than it says; take the host out of service and investigate"
            )
        return Stop(where, note, checkpoint)


def newest(directory: Path, trust: Trust) -> Stop | None:
    """Read the checkpoint that the log shows to others, None where there is none. Raises `TamperedError`, and `AuditError`."""
    path = directory / NEWEST
    try:
        data = opening.read(path, BYTES_LIMIT + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, error) from error
    return Stop(str(path), *trust.open(data, str(path)))


def read_note(path: Path, trust: Trust) -> Stop:
    """Read a file with one checkpoint, from anywhere. Raises `TamperedError`, and `AuditError` when it cannot be read."""
    try:
        data = read_regular(path, BYTES_LIMIT + 1)
    except OSError as error:
        raise _unreadable(path, error) from error
    return Stop(str(path), *trust.open(data, str(path)))


def _size(path: Path) -> int:
    try:
        with open_regular(path) as stream:
            return os.fstat(stream.fileno()).st_size
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> AuditError:
    return AuditError(f"cannot read {path}: {error.strerror}; give yourself the right to read it, then try again")
