"""
Whether a witness may cosign, and if not, what it says: the rules of C2SP tlog-witness, in their order.

A log is known by its origin, and its keys are those of that name in the policy. Nothing here reads or keeps anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from deepseek_local.tlog import note
from deepseek_local.tlog.checkpoint import Checkpoint
from deepseek_local.tlog.keys import Verifier
from deepseek_local.tlog.tree import EMPTY_ROOT, verify_consistency
from deepseek_local.witness.submission import Submission


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no cosignature."""

    status: HTTPStatus
    sentence: str
    size: int | None = None
    """How far the witness has seen the log, where the log must go on from there."""
    is_fork: bool = False
    """Whether the log itself signed what does not continue what the witness has seen."""


def judge(submission: Submission, seen: Checkpoint | None, keys: Sequence[Verifier]) -> Refusal | None:
    """Return why a submission is refused, or None. `seen` is what was last cosigned for this origin."""
    return _stranger(submission, keys) or _gap(submission, seen) or _break(submission, seen)


def _stranger(submission: Submission, keys: Sequence[Verifier]) -> Refusal | None:
    """Refuse what no known log has signed."""
    origin = submission.checkpoint.origin
    if not keys:
        return Refusal(
            HTTPStatus.NOT_FOUND,
            f"the log {origin!r:.100} is not known here; add a line with its key to the file of logs",
        )
    if not note.verify(submission.note, keys):
        return Refusal(
            HTTPStatus.FORBIDDEN, f"no key that is known here for the log {origin!r:.100} signed this; compare the keys"
        )
    return None


def _gap(submission: Submission, seen: Checkpoint | None) -> Refusal | None:
    """Refuse a proof that does not begin where the witness is."""
    size, last = submission.checkpoint.size, seen.size if seen else 0
    if submission.old_size > size:
        return Refusal(
            HTTPStatus.BAD_REQUEST,
            f"the old size {submission.old_size} is above the size {size}; a log does not shrink",
        )
    if submission.old_size != last:
        return Refusal(
            HTTPStatus.CONFLICT,
            f"{last} records of {submission.checkpoint.origin!r:.100} were seen, not {submission.old_size}; prove it from there",
            size=last,
        )
    return None


def _break(submission: Submission, seen: Checkpoint | None) -> Refusal | None:
    """Refuse a log that is not the one which was seen."""
    new, old_root = submission.checkpoint, seen.root if seen else EMPTY_ROOT
    if submission.old_size == new.size and new.root != old_root:
        return Refusal(
            HTTPStatus.CONFLICT,
            f"another log of {new.size} records was seen under the name {new.origin!r:.100}; find out who forged it",
            is_fork=True,
        )
    if not verify_consistency(submission.old_size, new.size, old_root, new.root, submission.proof):
        return Refusal(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"the proof does not show that these {new.size} records begin with the {submission.old_size} that were seen",
            is_fork=True,
        )
    return None
