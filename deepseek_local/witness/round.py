"""
One round: show the newest checkpoint of the log to all witnesses of a policy, and keep what they sign.

All are asked about the same checkpoint, at the same time. A witness that knows a longer log, or one that ours does not continue, is a
finding that outweighs any number of cosignatures of others: somebody forged the log or brought back an old copy of it.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx

from deepseek_local.errors import TamperedError, WitnessError
from deepseek_local.tlog import checkpoint, note
from deepseek_local.tlog.checkpoint import Checkpoint
from deepseek_local.tlog.keys import time_of
from deepseek_local.tlog.note import Note
from deepseek_local.tlog.policy import Policy
from deepseek_local.witness.asking import Ahead, Cosigned, Forked, Missed, Outcome, ask
from deepseek_local.witness.cosignatures import Cosignatures
from deepseek_local.witness.local_log import LocalLog
from deepseek_local.witness.submission import Submission

_ROUNDS = 3
"""The log may grow, and another submission be faster, while the witnesses are asked."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a round led to."""

    origin: str
    size: int
    """Records that the checkpoint has."""
    cosigned: Mapping[str, int]
    """When each witness signed it, in seconds since 1970."""
    missed: Mapping[str, str]
    """Why each of the others did not."""


class Round:
    """The witnesses of one log."""

    def __init__(self, log: LocalLog, kept: Cosignatures, policy: Policy, client: httpx.Client) -> None:
        self._log = log
        self._kept = kept
        self._policy = policy
        self._client = client

    def run(self) -> Report:
        """
        Ask, and ask again when the log has grown under it.

        Raises `TamperedError` when a witness has seen another log, `WitnessError` when too few cosigned, `AuditError` when the log
        cannot be read.
        """
        for _ in range(_ROUNDS):
            signed, outcomes = self._ask()
            if not any(isinstance(outcome, Ahead) for outcome in outcomes.values()):
                break
            if checkpoint.parse(self._log.newest().text).size <= checkpoint.parse(signed.text).size:
                break
        else:
            raise WitnessError("the log grows faster than the witnesses can be asked; try again")
        return self._judged(signed, outcomes)

    def _ask(self) -> tuple[Note, dict[str, Outcome]]:
        signed = self._log.newest()
        new = self._checked(signed)
        known = self._known(new)

        def submission(old_size: int) -> Submission:
            return Submission(old_size, self._log.proof(old_size, new), signed, new)

        witnesses = self._policy.witnesses
        with ThreadPoolExecutor(max(1, len(witnesses))) as threads:
            waiting = {
                each.name: threads.submit(ask, self._client, each, known.get(each.name, 0), submission)
                for each in witnesses
            }
        return signed, {name: future.result() for name, future in waiting.items()}

    def _checked(self, signed: Note) -> Checkpoint:
        """Read the checkpoint if the log of the policy signed it; the witnesses would refuse any other. Raises."""
        found = checkpoint.parse(signed.text)
        verdict = note.verify(signed, self._policy.keys_of(found.origin))
        if verdict.wrong:
            raise TamperedError(
                f"the newest checkpoint of {found.origin!r} has a wrong signature; run `deepseek-local audit verify`"
            )
        if not verdict:
            raise WitnessError(f"no `log` line of the policy has the key of {found.origin!r}; add it")
        return found

    def _known(self, new: Checkpoint) -> dict[str, int]:
        """Return how far each witness has seen the log as far as is known here; the witness itself says so where this is wrong."""
        last = self._kept.witnessed()
        if last is None:
            return {}
        size = checkpoint.parse(last.text).size
        return dict.fromkeys(self._policy.cosigners(last), min(size, new.size))

    def _judged(self, signed: Note, outcomes: Mapping[str, Outcome]) -> Report:
        cosigned = {name: found.signature for name, found in outcomes.items() if isinstance(found, Cosigned)}
        enough = self._kept.keep(signed, cosigned, self._policy)
        new = checkpoint.parse(signed.text)
        if forks := [_fork(name, found, new) for name, found in outcomes.items() if isinstance(found, Ahead | Forked)]:
            raise TamperedError("\n".join(forks))
        missed = {name: found.reason for name, found in outcomes.items() if isinstance(found, Missed)}
        if not enough:
            reasons = "".join(f"\n{name}: {reason}" for name, reason in missed.items())
            raise WitnessError(
                f"the quorum {self._policy.quorum!r} is not reached for {new.size} records of {new.origin!r}; "
                f"{len(cosigned)} of {len(outcomes)} witnesses cosigned{reasons}"
            )
        times = {name: time_of(line.signature) for name, line in cosigned.items()}
        return Report(new.origin, new.size, times, missed)


def _fork(name: str, found: Ahead | Forked, new: Checkpoint) -> str:
    """Say what a witness has seen."""
    if isinstance(found, Ahead):
        return (
            f"{name} has seen another log: {found.size} records of {new.origin!r}, and here are only {new.size}; "
            "the log was cut or an old copy was brought back, so stop, keep everything and find out who did it"
        )
    return (
        f"{name} has seen another log: the {new.size} records of {new.origin!r} here do not continue the {found.old_size} there; "
        f"it said {found.sentence}; the log was forged, so stop, keep everything and find out who did it"
    )
