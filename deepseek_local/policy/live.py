"""The policy in force: its files are looked at while requests come in, and a broken change leaves the last good policy in force."""

import logging
from collections.abc import Sequence
from pathlib import Path

from deepseek_local.errors import PolicyError
from deepseek_local.files import Watch
from deepseek_local.policy.enforcer import Policy, load

_log = logging.getLogger(__name__)


class LivePolicy:
    """The policy of some files, as they are now or as they last were right. Raises `PolicyError` when they are wrong at the start."""

    def __init__(self, files: Sequence[Path], watch: Watch | None = None) -> None:
        self._files = tuple(files)
        self._watch = watch or Watch(self._files)
        self._stamps = self._watch.stamps()
        self._policy = load(self._files)

    def current(self) -> Policy:
        """Return the policy in force, after a look at the files."""
        stamps = self._watch.stamps()
        if stamps != self._stamps:
            self._stamps = stamps
            self._reload()
        return self._policy

    def _reload(self) -> None:
        try:
            self._policy = load(self._files)
        except PolicyError as error:
            _log.error("the changed policy is not used, %s stays in force:\n%s", self._policy.digest, error)
        else:
            _log.info("policy %s is in force", self._policy.digest)
