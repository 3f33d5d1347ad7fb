"""
The work of a witness on one submission: read, judge, remember, and only then sign (C2SP tlog-witness).

The memory is held from the look at what was seen to the signature, so of two submissions at the same moment the second one is judged by
what the first one left. A witness that dies after it remembered and before it answered is asked again with the size that it has then, and
signs that.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from deepseek_local.errors import AuditError, WitnessError
from deepseek_local.tlog import note
from deepseek_local.tlog.note import Note, Signature
from deepseek_local.tlog.policy import Policy
from deepseek_local.witness import judgement
from deepseek_local.witness.judgement import Refusal
from deepseek_local.witness.memory import Memory
from deepseek_local.witness.submission import SIZE_TYPE, Submission

_LOG = logging.getLogger(__name__)
_TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back over HTTP."""

    status: HTTPStatus
    body: bytes
    media_type: str = _TEXT

    @classmethod
    def sentence(cls, status: HTTPStatus, text: str) -> "Answer":
        """Say one sentence."""
        return cls(status, f"{text}\n".encode())


class Cosigning:
    """A witness at work for the logs of a policy."""

    def __init__(self, memory: Memory, logs: Policy, clock: Callable[[], float] = time.time) -> None:
        self._memory = memory
        self._logs = logs
        self._clock = clock

    def answer(self, body: bytes) -> Answer:
        """Judge a body and answer it; nothing is raised, because whoever asks must hear what is wrong."""
        try:
            submission = Submission.parse(body)
        except AuditError as error:
            return Answer.sentence(HTTPStatus.BAD_REQUEST, str(error))
        try:
            result = self._cosign(submission)
        except (WitnessError, AuditError):
            # What is wrong on this host is for its operator, not for whoever can send something.
            _LOG.exception("no answer for %.100r", submission.checkpoint.origin)
            return Answer.sentence(
                HTTPStatus.INTERNAL_SERVER_ERROR, "the witness cannot sign at present; its own log says why"
            )
        if isinstance(result, Refusal):
            return self._refused(submission, result)
        _LOG.info("cosigned %d records of %r", submission.checkpoint.size, submission.checkpoint.origin)
        return Answer(HTTPStatus.OK, f"{result}\n".encode())

    def _cosign(self, submission: Submission) -> Signature | Refusal:
        origin, cosigner = submission.checkpoint.origin, self._memory.cosigner
        with self._memory.held() as book:
            refusal = judgement.judge(submission, book.seen(origin), self._logs.keys_of(origin))
            if refusal is not None:
                return refusal
            seconds = int(self._clock())
            # Also what is remembered already: who wrote it may have died before it was safe from a power cut.
            book.keep(origin, self._signed_by_the_log(submission), seconds)
            signature = cosigner.sign(submission.note.text, seconds)
        return Signature(cosigner.name, cosigner.key_id, signature)

    def _refused(self, submission: Submission, refusal: Refusal) -> Answer:
        if refusal.is_fork:
            # It is evidence: the log signed it.
            _LOG.error("%s; the log signed %r", refusal.sentence, self._signed_by_the_log(submission).encode().decode())
        else:
            _LOG.warning("refused with %d: %s", refusal.status, refusal.sentence)
        if refusal.size is not None:
            return Answer(refusal.status, b"%d\n" % refusal.size, SIZE_TYPE)
        return Answer.sentence(refusal.status, refusal.sentence)

    def _signed_by_the_log(self, submission: Submission) -> Note:
        """Return the checkpoint without the signatures of strangers, who could add so many that memory and journal are full."""
        keys = self._logs.keys_of(submission.checkpoint.origin)
        return Note(submission.note.text, note.verify(submission.note, keys).right)
