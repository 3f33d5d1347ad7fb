"""How long to wait before a child is started again: twice as long each time, short again after it has stayed up."""

from dataclasses import dataclass


@dataclass(slots=True)
class Backoff:
    """The delays of one child, which remember its last failures."""

    first_seconds: float = 0.2
    longest_seconds: float = 30.0
    stable_seconds: float = 60.0
    """A child that lived this long has recovered; its next failure counts as the first."""
    failures: int = 0

    def after(self, lived_seconds: float) -> float:
        """Return the delay in seconds after a life of `lived_seconds`."""
        if lived_seconds >= self.stable_seconds:
            self.failures = 0
        delay = self.first_seconds * 2.0 ** min(self.failures, 16)
        self.failures += 1
        return min(delay, self.longest_seconds)
