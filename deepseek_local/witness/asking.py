"""
One witness and one checkpoint: ask until it has cosigned it, or said why not (C2SP tlog-witness).

The witness says how far it has seen the log, and the proof goes from there. Nothing that it sends is believed: a cosignature counts when
it verifies with the key of the witness for our text, and whatever else the witness says is shown as a quotation.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

import httpx

from deepseek_local.errors import AuditError
from deepseek_local.tlog import note
from deepseek_local.tlog.keys import time_of
from deepseek_local.tlog.note import Note, Signature
from deepseek_local.tlog.policy import Witness
from deepseek_local.witness.submission import PATH, SIZE_TYPE, Submission, read_size

ANSWER_LIMIT = 65_536
"""Bytes of an answer that are read."""
ANSWER_SECONDS = 30.0
"""For a whole answer."""

_ATTEMPTS = 4
"""The first tells the size; others may submit at the same time."""
_QUOTED_CHARACTERS = 300
_CLOCKS_SECONDS = 86_400
_SIZE = re.compile(r"(0|[1-9][0-9]{0,18})\n?")


@dataclass(frozen=True, slots=True)
class Cosigned:
    """It has seen the checkpoint and signed it."""

    signature: Signature


@dataclass(frozen=True, slots=True)
class Missed:
    """It did not sign, for a reason that says nothing about the log."""

    reason: str


@dataclass(frozen=True, slots=True)
class Ahead:
    """It has seen more records than the checkpoint has."""

    size: int


@dataclass(frozen=True, slots=True)
class Forked:
    """It has seen a log that this one does not continue."""

    old_size: int
    sentence: str
    """What it said."""


Outcome = Cosigned | Missed | Ahead | Forked


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    media_type: str
    text: str

    def __str__(self) -> str:
        return f"{self.status} {self.text[:_QUOTED_CHARACTERS].strip()!r}"


def ask(client: httpx.Client, witness: Witness, old_size: int, submission: Callable[[int], Submission]) -> Outcome:
    """Ask a witness; `submission` makes the request that goes on from a size, and what it raises is passed on."""
    if witness.url is None:
        return Missed("the policy has no URL for it")
    for _ in range(_ATTEMPTS):
        request = submission(old_size)
        try:
            reply = _post(client, witness.url, request.encode())
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return Missed(f"{witness.url} cannot be asked ({str(error) or type(error).__name__})")
        outcome = _outcome(reply, witness, request)
        if isinstance(outcome, int):
            old_size = outcome
        else:
            return outcome
    return Missed(f"it was asked {_ATTEMPTS} times, and each time somebody else had asked it before; try again")


def _outcome(reply: _Reply, witness: Witness, request: Submission) -> Outcome | int:
    """Read an answer; a number is the size to go on from."""
    match reply.status:
        case HTTPStatus.OK:
            return _cosigned(reply, witness, request.note)
        case HTTPStatus.CONFLICT if reply.media_type == SIZE_TYPE:
            return _size(reply, request)
        case HTTPStatus.CONFLICT if request.old_size == request.checkpoint.size:
            return Forked(request.old_size, str(reply))
        case HTTPStatus.UNPROCESSABLE_ENTITY:
            return Forked(request.old_size, str(reply))
        case _:
            return Missed(f"it answered {reply}")


def _size(reply: _Reply, request: Submission) -> Outcome | int:
    try:
        size = read_size(reply.text, _SIZE)
    except AuditError as error:
        return Missed(f"it does not tell how far it has seen the log: {error}")
    if size == request.old_size:
        return Missed(f"it asks for a proof from {size} records, which it got")
    if size < request.old_size:  # it signed that size, or said so a moment ago
        return Missed(
            f"it has seen {size} records and {request.old_size} before, so it forgot; "
            "if its memory was brought back from an old copy, make a new witness under another name"
        )
    return Ahead(size) if size > request.checkpoint.size else size


def _cosigned(reply: _Reply, witness: Witness, signed: Note) -> Cosigned | Missed:
    try:
        lines = [Signature.parse(line) for line in reply.text.split("\n")[:-1]]
        verdict = note.verify(Note(signed.text, tuple(lines)), [witness.verifier])
    except AuditError as error:
        return Missed(f"it answered no signature lines: {error}")
    if not verdict:
        return Missed(
            f"its cosignature is not one of this checkpoint with the key {witness.verifier}; compare the keys"
        )
    seconds = time_of(verdict.right[0].signature)
    if abs(seconds - time.time()) > _CLOCKS_SECONDS:
        return Missed(f"it signed as of {seconds} s since 1970, more than a day from now; set its clock or ours")
    return Cosigned(verdict.right[0])


def _post(client: httpx.Client, url: str, body: bytes) -> _Reply:
    """Send a body and read the answer, within limits. Raises `httpx.HTTPError`."""
    end = time.monotonic() + ANSWER_SECONDS
    headers = {"content-type": "text/plain; charset=utf-8", "accept-encoding": "identity"}
    with client.stream("POST", url.rstrip("/") + PATH, content=body, headers=headers) as response:
        answer = b""
        for piece in response.iter_raw():
            answer += piece
            if len(answer) > ANSWER_LIMIT or time.monotonic() > end:
                raise httpx.ReadError("the answer is too long or too slow")
        media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        return _Reply(response.status_code, media_type, answer.decode(errors="replace"))
