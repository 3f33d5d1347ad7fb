"""
The policy in force now: policy files, emergency grants and a shadow policy, followed while requests come in.

What changes is news, which the front door writes into the audit log.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path

from deepseek_local.errors import PolicyError
from deepseek_local.files import Watch
from deepseek_local.policy.emergencies import WatchedGrants
from deepseek_local.policy.enforcer import Policy
from deepseek_local.policy.in_force import InForce
from deepseek_local.policy.news import Event, News
from deepseek_local.policy.reload import Start, WatchedPolicy, in_thread

_log = logging.getLogger(__name__)

MAXIMUM_REASON = 2_000
"""Characters of a reason that become news; the log has all of them."""
MAXIMUM_NEWS = 256
"""Pieces of news that wait to be fetched; of more, the oldest are dropped."""


def _utc() -> datetime:
    return datetime.now(UTC)


class LivePolicy:
    """
    What decides now. Raises `PolicyError` when the policy files are wrong at the start.

    A shadow policy that is wrong at the start is news and nothing more: what is only tried must not keep a server from starting.
    """

    def __init__(
        self,
        files: Sequence[Path],
        administrators: Collection[str] = (),
        break_glass_file: Path | None = None,
        shadow_files: Sequence[Path] = (),
        *,
        watch: Callable[[Sequence[Path]], Watch] = Watch,
        start: Start = in_thread,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = _utc,
    ) -> None:
        self._news: deque[News] = deque(maxlen=MAXIMUM_NEWS)
        self._main = WatchedPolicy(files, administrators, watch, start, clock)
        self._policy = self._main.usable()
        self._news.append(News(Event.LOADED, digest=self._policy.digest))
        self._trial = WatchedPolicy(shadow_files, administrators, watch, start, clock) if shadow_files else None
        self._shadow: Policy | None = None
        if self._trial is not None:
            self._take_shadow(self._trial)
        self._grants = WatchedGrants(break_glass_file, watch, now) if break_glass_file is not None else None
        self._in_force = self._together()
        self.current()

    def current(self) -> InForce:
        """Return what is in force, after a look at the files."""
        changed = self._main.look()
        if changed:
            self._take(self._main)
        if self._trial is not None and self._trial.look():
            changed = True
            self._take_shadow(self._trial)
        if self._grants is not None and (news := self._grants.look()):
            changed = True
            self._news += news
            _tell(news)
        if changed:
            self._in_force = self._together()
        return self._in_force

    def news(self) -> tuple[News, ...]:
        """Return what has happened since the last call."""
        found = tuple(self._news)
        self._news.clear()
        return found

    def _together(self) -> InForce:
        return InForce(self._policy, self._grants.active if self._grants is not None else (), self._shadow)

    def _take(self, files: WatchedPolicy) -> None:
        before = self._policy.digest
        if files.failure is not None:
            _log.error("the changed policy is not used, %s stays in force:\n%s", before, files.failure)
            self._news.append(News(Event.REFUSED, before=before, reason=_short(files.failure)))
            return
        self._policy = files.usable()
        _log.info("policy %s is in force", self._policy.digest)
        self._news.append(News(Event.LOADED, digest=self._policy.digest, before=before))

    def _take_shadow(self, files: WatchedPolicy) -> None:
        before = self._shadow.digest if self._shadow is not None else None
        if files.failure is not None:
            _log.error("the shadow policy is not used as it is:\n%s", files.failure)
            self._news.append(News(Event.SHADOW_REFUSED, before=before, reason=_short(files.failure)))
            return
        self._shadow = files.usable()
        _log.info("policy %s is tried", self._shadow.digest)
        self._news.append(News(Event.SHADOW_LOADED, digest=self._shadow.digest, before=before))


def _tell(news: Sequence[News]) -> None:
    for piece in news:
        if piece.event is Event.GRANTS_REFUSED:
            _log.error("no emergency grant counts: %s", piece.reason)
        else:
            _log.warning("emergency %s: %s, %s has the role %s", piece.event, piece.grant, piece.principal, piece.role)


def _short(error: PolicyError) -> str:
    return str(error)[:MAXIMUM_REASON]
