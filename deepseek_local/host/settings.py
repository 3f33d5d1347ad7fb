"""Kernel settings that a host should have, each with its reason."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Setting:
    """What a setting should be."""

    value: str
    reason: str
    is_minimum: bool = False
    """Whether a greater number is as good."""

    def is_met_by(self, found: str) -> bool:
        """Whether the value that was found will do; a setting that the kernel does not have cannot be wrong."""
        if not found:
            return True
        if self.is_minimum and found.isdecimal():
            return int(found) >= int(self.value)
        return found == self.value


SETTINGS = {
    "fs.suid_dumpable": Setting("0", "a program that changes its user leaves no image of its memory"),
    "kernel.core_pattern": Setting(
        "|/bin/false", "a core dump holds prompts and keys, and LimitCORE=0 does not hold for a pipe"
    ),
    "kernel.numa_balancing": Setting("0", "moving pages between nodes stalls the GPUs' transfers"),
    "net.core.somaxconn": Setting("4096", "a burst of clients waits instead of being refused", is_minimum=True),
    "vm.max_map_count": Setting("1048576", "a large checkpoint is many mapped parts", is_minimum=True),
    "vm.swappiness": Setting(
        "1",
        "prompts and keys stay in memory",
    ),
}
