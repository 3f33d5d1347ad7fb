"""
What is done to a log inside the other kernel: `python -m tests.faults.inside SCENARIO`, as root of user-mode-linux and nowhere else.

The disk is ext4 on dm-flakey on the block device of the host's file; the sequencer is the real one, in its own process.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import verified

from deepseek_local.errors import AuditError
from tests.faults.user_mode_linux import DISK_BYTES, MARK
from tests.integration.audit.conftest import Sequencer, of, wait_until

DEVICE, NAME, PLACE = "/dev/ubda", "flaky", Path("/mnt/disk")
UP = "1 0"
ERROR_WRITES = "0 1 1 error_writes"
DROP_WRITES = "0 1 1 drop_writes"


def system(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


class Disk:
    """A file system whose device can be told to fail."""

    def __init__(self) -> None:
        system("dmsetup", "create", NAME, "--table", self._table(UP))
        system("mkfs.ext4", "-q", "-m", "0", f"/dev/mapper/{NAME}")
        PLACE.mkdir()
        self.mount()

    def mount(self) -> None:
        system("mount", f"/dev/mapper/{NAME}", str(PLACE))

    def behave(self, how: str) -> None:
        """Change how the device treats writes from now on; what is in flight and in memory stays there."""
        system("dmsetup", "load", NAME, "--table", self._table(how))
        system("dmsetup", "suspend", "--nolockfs", "--noflush", NAME)
        system("dmsetup", "resume", NAME)

    def power_cycle(self) -> None:
        """Forget everything that did not get to the device, mend it, and read what is there."""
        system("umount", str(PLACE))
        self.behave(UP)
        self.mount()

    def _table(self, how: str) -> str:
        return f"0 {DISK_BYTES // 512} flakey {DEVICE} 0 {how}"


def write(sequencer: Sequencer, numbers: range) -> int:
    """Write records until one is not acknowledged; return how many were."""
    for done, number in enumerate(numbers):
        try:
            sequencer.append(number=number, pad="x" * 200)
        except AuditError:
            return done
    return len(numbers)


def is_sealed(sequencer: Sequencer) -> bool:
    """Whether the newest checkpoint covers the whole log, so that the next write will be that of a record."""
    checkpoint = sequencer.log / "tlog" / "checkpoint"
    return checkpoint.exists() and int(checkpoint.read_text().split("\n")[1]) == len(sequencer.records())


def numbers(sequencer: Sequencer) -> list[int]:
    return [record["number"] for record in sequencer.records() if "number" in record]


def failing_writes(disk: Disk, sequencer: Sequencer) -> dict[str, object]:
    """EIO: the sequencer says so and ends, although the device is well again before anybody else asks for a record."""
    acknowledged = write(sequencer, range(20))
    wait_until(lambda: is_sealed(sequencer))
    disk.behave(ERROR_WRITES)
    acknowledged += write(sequencer, range(20, 40))
    code, said = sequencer.ended()
    disk.power_cycle()
    sequencer.start()
    after = write(sequencer, range(100, 110))
    return {"acknowledged": acknowledged, "code": code, "said": said, "after": after, "numbers": numbers(sequencer)}


def power_loss(disk: Disk, sequencer: Sequencer) -> dict[str, object]:
    """A device that drops writes and confirms them, which is what a power cut does to a cache: what came before stays."""
    acknowledged = write(sequencer, range(20))
    disk.behave(DROP_WRITES)
    lied = write(sequencer, range(20, 40))
    sequencer.process.kill()
    sequencer.ended()
    disk.power_cycle()
    sequencer.start()
    after = write(sequencer, range(100, 110))
    return {"acknowledged": acknowledged, "lied": lied, "after": after, "numbers": numbers(sequencer)}


def set_clock_back(disk: Disk, sequencer: Sequencer) -> dict[str, object]:  # noqa: ARG001 -- like the others
    """Root sets the clock back: order stays, and the step is on record."""
    write(sequencer, range(5))
    system("date", "-s", "@1700000000")
    write(sequencer, range(5, 10))
    records = sequencer.records()
    steps = [record["step_ns"] for record in of(records, "clock_step")]
    kinds = [record["kind"] for record in records]
    return {
        "numbers": numbers(sequencer),
        "steps": steps,
        "before": records[0]["ts"],
        "next": kinds[kinds.index("clock_step") + 1],
        "mono": [record["mono"] for record in records],
    }


SCENARIOS: dict[str, Callable[[Disk, Sequencer], dict[str, object]]] = {
    each.__name__: each for each in (failing_writes, power_loss, set_clock_back)
}


def main(scenario: str) -> None:
    disk = Disk()
    sequencer = Sequencer(PLACE, PLACE / "log")
    sequencer.socket = Path("/run/audit.sock")
    sequencer.start()
    verdict = SCENARIOS[scenario](disk, sequencer)
    sequencer.end()
    verified_as = verified.report(sequencer.log)
    verdict |= {"verified": verified_as.verdict, "problems": [problem.message for problem in verified_as.problems]}
    print(f"{MARK}{json.dumps(verdict)}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
