"""
A policy that follows its files: a change is in force within a second, and a broken one leaves the last good policy in force.

Files are looked at when a request asks. Most policies load in a few milliseconds, so the request that finds a change waits for them. A
large one is loaded beside the requests, under the old policy, but never for longer than a second after the change could have been seen:
then a request waits. So nobody who asks an hour after a right was taken away still has it.
"""

import logging
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from pathlib import Path
from threading import Thread

from deepseek_local.errors import PolicyError, Problem
from deepseek_local.files import Watch
from deepseek_local.policy import expectations
from deepseek_local.policy.enforcer import Policy, load
from deepseek_local.policy.rules import Membership

_log = logging.getLogger(__name__)

PATIENCE_SECONDS = 0.05
"""How long the request that finds a change waits for the changed policy."""
GRACE_SECONDS = 0.75
"""How long the old policy stays in force at most; with the interval of the watch, a second after the change."""

Start = Callable[[Callable[[], Policy]], "Future[Policy]"]
"""Begins some work that goes on beside the requests."""


def in_thread(work: Callable[[], Policy]) -> "Future[Policy]":
    """Do the work in a thread that no end of the process waits for."""
    future: Future[Policy] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except Exception as error:  # noqa: BLE001  handed to whoever asks for the result
            future.set_exception(error)

    Thread(target=run, name="policy", daemon=True).start()
    return future


def load_tested(files: Sequence[Path], administrators: Collection[str]) -> Policy:
    """Load a policy and hold it to the tables of expectations beside its files. Raises `PolicyError`."""

    def build(files: Sequence[Path], members: Sequence[Membership]) -> expectations.Decide:
        return load(files, administrators, members).decide

    policy = load(files, administrators)
    if failures := expectations.failures(files, build):
        raise PolicyError(failures)
    return policy


class WatchedPolicy:
    """The policy of some files as they are now, or as they last were right."""

    def __init__(
        self,
        files: Sequence[Path],
        administrators: Collection[str],
        watch: Callable[[Sequence[Path]], Watch] = Watch,
        start: Start = in_thread,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._policy: Policy | None = None
        self.failure: PolicyError | None = None
        """Why the files as they are now are not used."""
        self._files, self._administrators = tuple(files), frozenset(administrators)
        self._start, self._clock = start, clock
        self._watch = watch((*self._files, *map(expectations.table_of, self._files)))
        self._stamps = self._watch.stamps()
        self._unchanged_at = self._seen_at = clock()
        self._loading: Future[Policy] | None = None
        self._settle(self._load)

    def look(self) -> bool:
        """Look at the files; return whether a change was just taken up or refused."""
        patience = 0.0
        if self._loading is None:
            stamps = self._watch.stamps()
            if stamps == self._stamps:
                self._unchanged_at = self._clock()
                return False
            self._stamps, self._seen_at = stamps, self._clock()
            self._loading = self._start(self._load)
            patience = PATIENCE_SECONDS
        if self._clock() - self._unchanged_at < GRACE_SECONDS:
            try:
                self._loading.exception(patience)
            except TimeoutError:
                return False
        loading, self._loading = self._loading, None
        self._settle(loading.result)
        self._unchanged_at = self._seen_at
        return True

    def usable(self) -> Policy:
        """Return the policy as it last was right. Raises `PolicyError` when it never was."""
        if self._policy is None:
            raise self.failure or PolicyError(())
        return self._policy

    def _load(self) -> Policy:
        return load_tested(self._files, self._administrators)

    def _settle(self, result: Callable[[], Policy]) -> None:
        try:
            self._policy, self.failure = result(), None
        except PolicyError as error:
            self.failure = error
        except Exception:  # noqa: BLE001  whatever the text of a policy makes fail, the last good one stays in force
            _log.exception("a policy could not be read")
            problem = Problem("could not be read; the log of the server says why", ", ".join(map(str, self._files)))
            self.failure = PolicyError([problem])
