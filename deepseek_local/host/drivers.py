"""
Which driver of NVIDIA a CUDA version needs.

Source: CUDA Toolkit release notes (13.4 and the archive to 12.0), the tables "CUDA Toolkit and Minimum Required Driver Version for CUDA
Minor Version Compatibility" and "CUDA Toolkit and Corresponding Driver Versions", Linux x86_64, first release of each version.
"""

from deepseek_local.host.facts import Version

LEAST: dict[int, Version] = {11: (450, 80, 2), 12: (525, 60, 13), 13: (580,)}
"""By major version: below it, nothing runs."""

NATIVE: dict[tuple[int, int], Version] = {
    (11, 8): (520, 61, 5),
    (12, 0): (525, 60, 13),
    (12, 1): (530, 30, 2),
    (12, 2): (535, 54, 3),
    (12, 3): (545, 23, 6),
    (12, 4): (550, 54, 14),
    (12, 5): (555, 42, 2),
    (12, 6): (560, 28, 3),
    (12, 8): (570, 26),
    (12, 9): (575, 51, 3),
    (13, 0): (580, 65, 6),
    (13, 1): (590, 44, 1),
    (13, 2): (595, 45, 4),
}
"""Below it, minor version compatibility carries: kernels that are compiled from PTX at run time, and new features, do not work."""


def least(cuda: Version) -> Version | None:
    """Return the oldest driver with which a CUDA version runs at all; None if the table does not know it."""
    return LEAST.get(cuda[0])


def native(cuda: Version) -> Version | None:
    """Return the oldest driver that knows everything of a CUDA version; None if the table does not know it."""
    return NATIVE.get((cuda[0], cuda[1])) if len(cuda) > 1 else None


def named(driver: Version) -> str:
    """Write a driver's version as NVIDIA does: every number but the first has two digits at least."""
    return ".".join([str(driver[0]), *(f"{part:02d}" for part in driver[1:])])
