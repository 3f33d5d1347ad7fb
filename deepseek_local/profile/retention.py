"""
How long audit records are kept, and what a regime demands at least.

A day of 24 hours is counted, so half a year is its longest: 183 days for 网络安全法 Art. 21 and 等保2.0 (GB/T 22239-2019), 366 with the
newest 92 at hand for PCI DSS 4.0.1, 10.5.1, and 2,192 for the six years of HIPAA 164.316(b)(2).
"""

from dataclasses import dataclass
from enum import StrEnum


class Regime(StrEnum):
    """A rule book that says how long logs must be kept."""

    MLPS = "mlps"
    """网络安全法 and 等保2.0: 183 days."""
    PCI = "pci"
    """PCI DSS: 366 days, the newest 92 of them in the audit directory."""
    HIPAA = "hipaa"
    """HIPAA: 2,192 days."""


@dataclass(frozen=True, slots=True)
class Retention:
    """For how long records stay."""

    kept_days: int
    """Younger records are not deleted."""
    online_days: int
    """Younger records are not moved out of the audit directory."""


FLOORS = {Regime.MLPS: Retention(183, 0), Regime.PCI: Retention(366, 92), Regime.HIPAA: Retention(2192, 0)}
"""What a regime demands at least."""


def retention(regime: Regime | None, kept_days: int | None, online_days: int | None) -> Retention | None:
    """Return what holds: what is said, else what the regime demands, else None, with which nothing is ever deleted."""
    floor = FLOORS.get(regime) if regime else None
    kept = kept_days or (floor.kept_days if floor else None)
    if kept is None:
        return None
    return Retention(kept, kept if online_days is None else online_days)
