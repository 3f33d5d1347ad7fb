"""
What a witness is and has seen: its name, its key, and the newest checkpoint of each log, in one directory.

All of it is made once, by `create`, and nothing is made again when it is missing: a witness that forgot would sign a second history. The
memory is one file that is replaced whole, so that a part of it cannot be lost either. Key and memory lie side by side, so that whoever
loses the directory loses the name of the witness with it.
"""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import msgspec

from deepseek_local.errors import AuditError, WitnessError
from deepseek_local.files import is_private, lock, make_directory, read_regular, write_atomic, write_new
from deepseek_local.tlog import checkpoint, note
from deepseek_local.tlog.checkpoint import Checkpoint
from deepseek_local.tlog.keys import KEY_BYTES, Cosigner
from deepseek_local.tlog.note import Note

BYTES_LIMIT = 64 * 1_048_576
"""Of the memory; a log takes less than a thousand bytes as a rule."""

_MEMORY = "memory.json"
_KEY = "witness.key"


class _Content(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    seen: dict[str, str]
    """The newest signed note of each origin."""
    signed_at: int = 0
    """When the last cosignature was made, in seconds since 1970."""
    v: int = 1


class Book:
    """The memory while it is held; nobody else reads or changes it meanwhile."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._content = _read(place)

    def seen(self, origin: str) -> Checkpoint | None:
        """Return the newest checkpoint of a log, or None if there is none. Raises `WitnessError` when it is damaged."""
        text = self._content.seen.get(origin)
        if text is None:
            return None
        try:
            found = checkpoint.parse(note.parse(text.encode()).text)
        except AuditError as error:
            raise _damaged(self._place, str(error)) from error
        if found.origin != origin:
            raise _damaged(self._place, f"{found.origin!r} stands in the place of {origin!r}")
        return found

    def keep(self, origin: str, signed: Note, seconds: int) -> None:
        """
        Remember a checkpoint before it is cosigned with a time; when this returns, no power cut can take it away.

        Raises `WitnessError`, also for a time before that of the last cosignature: this one would say that the other was not true.
        """
        if seconds < self._content.signed_at:
            raise WitnessError(
                f"the clock of this host is {self._content.signed_at - seconds} s before the last cosignature; set it, "
                "or wait: nothing is cosigned until then"
            )
        seen = {**self._content.seen, origin: signed.encode().decode()}
        content = msgspec.structs.replace(self._content, seen=seen, signed_at=seconds)
        encoded = _encode(content)
        if len(encoded) > BYTES_LIMIT:
            raise WitnessError(
                f"{self._place} would be larger than the limit of {BYTES_LIMIT} bytes; witness fewer logs"
            )
        try:
            write_atomic(self._place, encoded)
        except OSError as error:
            raise WitnessError(
                f"{self._place} cannot be written ({error.strerror}), so nothing is cosigned; make room and look at its owner"
            ) from error
        self._content = content


class Memory:
    """The directory of one witness. Raises `WitnessError` when something is missing or open to others."""

    def __init__(self, directory: Path) -> None:
        self._place = directory / _MEMORY
        self.cosigner = Cosigner(_read(self._place).name, _read_key(directory / _KEY))
        """Its key, with the name that it got when it was made."""

    @contextlib.contextmanager
    def held(self) -> Iterator[Book]:
        """Hold the memory against all threads and processes. Raises `WitnessError`."""
        try:
            descriptor = lock(self._place)
        except OSError as error:
            raise WitnessError(f"{self._place} cannot be locked ({error.strerror}); look at the directory") from error
        try:
            yield Book(self._place)
        finally:
            os.close(descriptor)


def create(directory: Path, name: str) -> Cosigner:
    """
    Make a witness that has seen nothing, and return its key; one that was not finished, which has no key yet, is finished.

    Raises `WitnessError` where there is a witness, `AuditError` for a bad name.
    """
    seed = secrets.token_bytes(KEY_BYTES)
    cosigner = Cosigner(name, seed)
    try:
        # Beside a key no memory is ever made: it would be that of a witness which forgot. So the memory is there first, and durable.
        if (directory / _KEY).exists():
            raise _taken(directory)
        make_directory(directory, 0o700)
        with contextlib.suppress(FileExistsError):
            write_new(directory / _MEMORY, _encode(_Content(name, {})))
        if _read(directory / _MEMORY) != _Content(name, {}):
            raise _taken(directory)
        write_new(directory / _KEY, seed)
    except FileExistsError as error:  # another process was faster
        raise _taken(directory) from error
    except OSError as error:
        raise WitnessError(f"no witness can be made in {directory} ({error.strerror}); look at its parent") from error
    return cosigner


def _read(place: Path) -> _Content:
    try:
        content = msgspec.json.decode(read_regular(place, BYTES_LIMIT), type=_Content)
    except OSError as error:
        raise WitnessError(
            f"the memory {place} cannot be read ({error.strerror}); a witness without memory must not sign: "
            "make a new one under another name with `deepseek-local audit witness init`"
        ) from error
    except (ValueError, RecursionError) as error:  # `msgspec.DecodeError`, and bytes that are not UTF-8
        raise _damaged(place, str(error)) from error
    if content.v != 1:
        raise _damaged(place, f"version {content.v} is not known")
    return content


def _encode(content: _Content) -> bytes:
    return msgspec.json.format(msgspec.json.encode(content, order="sorted"), indent=1) + b"\n"


def _read_key(place: Path) -> bytes:
    try:
        seed = read_regular(place, KEY_BYTES + 1)
        private = is_private(place)
    except OSError as error:
        raise WitnessError(
            f"the key {place} cannot be read ({error.strerror}); make a new witness under another name"
        ) from error
    if not private:
        raise WitnessError(f"the key {place} can be read by others; run: chmod 600 {place}")
    if len(seed) != KEY_BYTES:
        raise WitnessError(f"the key {place} does not have {KEY_BYTES} bytes; make a new witness under another name")
    return seed


def _taken(directory: Path) -> WitnessError:
    return WitnessError(f"there is a witness in {directory} already, or what is left of one; choose another directory")


def _damaged(place: Path, reason: str) -> WitnessError:
    return WitnessError(
        f"the memory {place} is damaged ({reason}); a witness without memory must not sign: make a new one under another name"
    )
