r"""
What clients and sequencer say to each other on the Unix socket: one JSON object a line, in both directions.

    client      {"cseq":1,"kind":"decision","req":"…","dec":"allow",…}\n
                {"cseq":2,"kind":"outcome","req":"…",…}\n
    sequencer   {"ack":2}\n

- `cseq` grows from line to line of a connection. A client counts all its records in it, over all of its connections; the first line may
  have any number, the others none that is absurdly far from the one before.
- `{"ack":n}` says that the records of this connection that no answer has spoken of yet, up to `n`, are on disk.
- `{"full":n}` says that they are not in the log and never will be, because its volume has no room for their kind; the connection goes on,
  and a later record may find room. Answers of both sorts come in order: after a batch as many as it takes, usually one `ack`.
- `{"error":"…"}` says that the line after the last answered one is not acceptable, and why; then the sequencer hangs up.
- An end of file without an error means that the sequencer stopped. Lines without acknowledgement may or may not be in the log.

There is no greeting and no version: the record has one. Both sides clean and check with the same code, the client so that hostile
values stay small and a mistake hurts one caller only, the sequencer because it does not trust clients.
"""

from collections.abc import Mapping

import msgspec

from deepseek_local.audit import plain, record
from deepseek_local.audit.clip import FLAG, clean
from deepseek_local.audit.record import Kind
from deepseek_local.errors import AuditError

LINE_LIMIT = record.RECORD_LIMIT - record.ENVELOPE_LIMIT
"""Bytes of a client's line, newline included. Re-encoding unaltered fields never makes them longer, so the record fits its own limit."""
CSEQ_LIMIT = 2**53 - 1
"""No process counts so far, and every reader of JSON still has it exactly (RFC 8259 §6)."""
_SPARE_BYTES = 64
"""For `cseq` and `late_us`, which have at most 19 digits."""

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(dict[str, object])


class Request(msgspec.Struct, frozen=True, gc=False):
    """One record as a client asks for it, checked and clean."""

    cseq: int
    kind: Kind
    fields: Mapping[str, object]


class Answer(msgspec.Struct, frozen=True):
    """What the sequencer says: `ack`, `full`, or `error` before it hangs up."""

    ack: int = 0
    full: int = 0
    error: str | None = None


_answers = msgspec.json.Decoder(Answer)


def body(kind: str, fields: Mapping[str, object]) -> bytes:
    """Check and clean what a client wants to record, and return its line but for `cseq`. Raises `AuditError`."""
    record.check(kind, fields)
    encoded = _encode_plain({"kind": kind, **fields}) or _encoder.encode({"kind": kind, **clean(fields)})
    if len(encoded) > LINE_LIMIT - _SPARE_BYTES:
        raise AuditError(
            f"an audit record of kind {kind} has {len(encoded)} bytes; put at most {LINE_LIMIT - _SPARE_BYTES} into its fields"
        )
    return encoded


def request(cseq: int, encoded: bytes) -> bytes:
    """Number a body: the line to send."""
    return b'{"cseq":%d,%b\n' % (cseq, encoded[1:])


def late(encoded: bytes, nanoseconds: int) -> bytes:
    """Tell in a body how long it was held back."""
    return b'{"late_us":%d,%b' % (nanoseconds // 1000, encoded[1:])


def parse_request(line: bytes) -> Request:
    """Read a client's line, without its newline. Raises `AuditError`."""
    check_length(line)
    fields = plain.members(line) or _decode_and_clean(line)
    cseq, kind = fields.pop("cseq", None), fields.pop("kind", None)
    if type(cseq) is not int or not 0 < cseq <= CSEQ_LIMIT:
        raise AuditError(f"a line has no cseq between 1 and {CSEQ_LIMIT}; count the records of the process from 1")
    if not isinstance(kind, str):
        raise AuditError("a line has no kind; say in text what happened")
    return Request(cseq, record.check(kind, fields), fields)


def check_length(line: bytes) -> None:
    """Refuse a line, or the beginning of one, that is too long; its newline is not counted. Raises `AuditError`."""
    if len(line) >= LINE_LIMIT:
        raise AuditError(f"a line has more than {LINE_LIMIT} bytes")


def _encode_plain(members: Mapping[str, object]) -> bytes | None:
    """Encode what needs no cleaning; None for the rest."""
    try:
        encoded = _encoder.encode(members)
    except (TypeError, ValueError, RecursionError):  # `clean` knows what to do with it, or says what is wrong
        return None
    return encoded if len(encoded) <= LINE_LIMIT and plain.members(encoded) else None


def _decode_and_clean(line: bytes) -> dict[str, object]:
    """Read any line; clipping can make its fields longer, and every request must fit into a record. Raises `AuditError`."""
    try:
        fields = _decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise AuditError(f"a line is not a JSON object: {error}") from error
    head = {name: fields.pop(name) for name in ("cseq", "kind") if name in fields}
    cleaned = clean(fields)
    if FLAG in cleaned and len(_encoder.encode(cleaned)) > LINE_LIMIT:
        raise AuditError(f"a record has more than {LINE_LIMIT} bytes after clipping")
    return head | cleaned


def acknowledgement(cseq: int) -> bytes:
    """Tell a client that everything up to `cseq` is on disk."""
    return b'{"ack":%d}\n' % cseq


def no_room(cseq: int) -> bytes:
    """Tell a client that what came since the last answer, up to `cseq`, is not written because the volume has no room for it."""
    return b'{"full":%d}\n' % cseq


def refusal(reason: str) -> bytes:
    """Tell a client why it is cut off."""
    return _encoder.encode({"error": reason}) + b"\n"


def parse_answer(line: bytes) -> Answer:
    """Read what the sequencer says. Raises `AuditError`."""
    try:
        return _answers.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise AuditError(f"the audit sequencer answered with something else than its protocol: {error}") from error
