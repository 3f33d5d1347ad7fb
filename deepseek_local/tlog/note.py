"""
Signed notes: a text and the keys that vouch for it, in a form that people can read (C2SP signed-note).

    <text, one or more lines>
    <empty line>
    — <name of a key> <base64 of key id and signature>
    …

Signatures are made over the exact bytes of the text with its last newline. The reader is strict: a note has one spelling, so what `parse`
accepts `Note.encode` writes again byte for byte.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from deepseek_local.errors import AuditError
from deepseek_local.tlog import strict_base64
from deepseek_local.tlog.keys import KEY_ID_BYTES, Signer, Verifier, check_name

BYTES_LIMIT = 1_048_576
"""Of a whole note."""
SIGNATURES_LIMIT = 100
"""The specification asks for at least 16."""

_DASH = "\u2014 "
_UNWRITABLE = re.compile(r"[\x00-\x09\x0b-\x1f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Signature:
    """One line below the text. Raises `AuditError` when it cannot be written."""

    name: str
    """Of the key."""
    key_id: bytes
    """4 bytes."""
    signature: bytes
    """What the key made, at least one byte."""

    def __post_init__(self) -> None:
        check_name(self.name)
        if len(self.key_id) != KEY_ID_BYTES or not self.signature:
            raise AuditError(
                f"the signature of {self.name!r} has an id of {len(self.key_id)} bytes and {len(self.signature)} bytes more; "
                f"it has an id of {KEY_ID_BYTES} bytes and at least one more"
            )

    @classmethod
    def parse(cls, line: str) -> Self:
        """Read a line without its newline. Raises `AuditError`."""
        name, _, encoded = line.removeprefix(_DASH).partition(" ")
        if not line.startswith(_DASH):
            raise AuditError(
                f"{line[:100]!r} is not a signature line; it is written with a long dash, a name and base64"
            )
        data = strict_base64.decode(encoded)
        return cls(name, data[:KEY_ID_BYTES], data[KEY_ID_BYTES:])

    def __str__(self) -> str:
        """Write the line without its newline."""
        return f"{_DASH}{self.name} {strict_base64.encode(self.key_id + self.signature)}"


@dataclass(frozen=True, slots=True)
class Note:
    """A text with the signatures below it, checked or not. Raises `AuditError` when it cannot be written."""

    text: str
    """Ends with a newline, which is signed too."""
    signatures: tuple[Signature, ...]

    def __post_init__(self) -> None:
        _check_text(self.text)
        if not 1 <= len(self.signatures) <= SIGNATURES_LIMIT:
            raise AuditError(f"a note has {len(self.signatures)} signatures; it has 1 to {SIGNATURES_LIMIT}")

    def encode(self) -> bytes:
        """Write the note."""
        return "\n".join((self.text, *map(str, self.signatures), "")).encode()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the keys that somebody trusts say about a note; true when at least one of them signed it and no signature of theirs is wrong."""

    right: tuple[Signature, ...]
    wrong: tuple[Signature, ...]

    def __bool__(self) -> bool:
        return bool(self.right) and not self.wrong


def parse(data: bytes) -> Note:
    """Read a note. Raises `AuditError` for anything that the specification does not allow, and beyond the limits."""
    if len(data) > BYTES_LIMIT:
        raise AuditError(f"a signed note of {len(data)} bytes is too long; the limit is {BYTES_LIMIT}")
    try:
        content = data.decode()
    except UnicodeDecodeError as error:
        raise AuditError(f"a signed note is not UTF-8 at byte {error.start}; get the original again") from error
    text, empty_line, below = content.rpartition("\n\n")
    lines = below.split("\n")
    if not empty_line or lines.pop():
        raise AuditError(
            "a signed note needs an empty line before its signatures and a newline after them; get the original again"
        )
    if len(lines) > SIGNATURES_LIMIT:  # before the work of reading them
        raise AuditError(f"a note has {len(lines)} signatures; the limit is {SIGNATURES_LIMIT}")
    return Note(f"{text}\n", tuple(map(Signature.parse, lines)))


def sign(text: str, *signers: Signer) -> Note:
    """Make a note of a text. Raises `AuditError` when the text cannot be one."""
    _check_text(text)
    return Note(text, tuple(Signature(signer.name, signer.key_id, signer.sign(text)) for signer in signers))


def verify(note: Note, verifiers: Iterable[Verifier]) -> Verdict:
    """
    Ask trusted keys about a note; signatures of all others are passed over, as the specification demands.

    Raises `AuditError` when two of the keys cannot be told apart by name and id.
    """
    known: dict[tuple[str, bytes], Verifier] = {}
    for verifier in verifiers:
        if known.setdefault((verifier.name, verifier.key_id), verifier) != verifier:
            raise AuditError(
                f"two keys have the name {verifier.name!r} and the id {verifier.key_id.hex()}; rename one of them"
            )
    right: list[Signature] = []
    wrong: list[Signature] = []
    for signature in note.signatures:
        if (key := known.get((signature.name, signature.key_id))) is not None:
            (right if key.verify(note.text, signature.signature) else wrong).append(signature)
    return Verdict(tuple(right), tuple(wrong))


def _check_text(text: str) -> None:
    if not text.endswith("\n"):
        raise AuditError("the text of a note does not end with a newline; add one")
    if found := _UNWRITABLE.search(text):
        raise AuditError(f"the text of a note has {found[0]!r}; it may have no control characters but newlines")
