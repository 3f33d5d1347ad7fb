"""A small log as the real writer makes it: several starts and segments, one of them torn and one compressed, and several checkpoints."""

import gzip
import shutil
from dataclasses import dataclass
from pathlib import Path

from deepseek_local.audit import seal
from deepseek_local.audit.checkpoint_log import NAME, Sealed
from deepseek_local.audit.clock import Moment
from deepseek_local.audit.log import SEGMENT_BYTES, Entry, Log, Origin
from deepseek_local.audit.record import Kind
from deepseek_local.audit.wire import Request
from deepseek_local.evidence import trust
from deepseek_local.evidence.trust import Trust
from deepseek_local.tlog.note import Note

SECOND = 1_000_000_000
NOON = 1_795_521_600 * SECOND
"""2026-11-24 12:00 UTC."""


def decision(cseq: int, pid: int = 4242, **fields: object) -> Entry:
    """What a client asks to record."""
    return Entry(
        pid, Request(cseq, Kind.DECISION, {"req": f"r{pid}-{cseq}", "dec": "allow", "sub": {"id": "u:alice"}, **fields})
    )


def hello(pid: int = 4242) -> Entry:
    """What the sequencer writes before the first record of a connection."""
    return Entry(pid, Request(0, Kind.CLIENT_HELLO, {"uid": 0, "gid": 0}))


@dataclass
class SealedLog:
    """One deployment: the log, its keys, and the clock that its writer reads."""

    home: Path
    seconds: int = 0

    @property
    def directory(self) -> Path:
        return self.home / "audit"

    @property
    def keys(self) -> Path:
        return self.home / "keys"

    @property
    def trust(self) -> Trust:
        """What the auditor got at set-up."""
        return trust.read([str(seal.read(self.keys).signer.verifier)], self.keys / seal.FIRST_KEY)

    def open(self, boot: str = "boot-1", segment_bytes: int = SEGMENT_BYTES) -> Log:
        return Log(self.directory, self.keys, Origin("lab.gpu01", boot, 1), self._now, segment_bytes)

    def _now(self) -> Moment:
        return Moment(NOON + self.seconds * SECOND, 1000 * SECOND + self.seconds * SECOND)

    def take(self, log: Log, *batches: list[Entry]) -> None:
        """Commit batch by batch, two seconds apart, so that each gets a checkpoint."""
        for batch in batches:
            log.commit(batch)
            self.seconds += 2
            log.finish()

    def compress(self, number: int) -> None:
        """Compress a sealed segment."""
        path = self.segment(number)
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
        path.unlink()

    def uncompress(self, number: int) -> None:
        """Make a segment plain again."""
        path = self.segment(number)
        compressed = path.with_name(f"{path.name}.gz")
        path.write_bytes(gzip.decompress(compressed.read_bytes()))
        compressed.unlink()

    def write_checkpoints(self, signed: list[Note]) -> None:
        """Write the list of checkpoints anew."""
        lines = (Sealed(index, each.encode().decode()).line() for index, each in enumerate(signed))
        (self.directory / NAME).write_bytes(b"".join(lines))

    def segment(self, number: int) -> Path:
        return self.directory / f"segment-{number:06d}.jsonl"

    def copy(self, home: Path) -> "SealedLog":
        """Make a copy that a test may spoil."""
        shutil.copytree(self.home, home)
        return SealedLog(home, self.seconds)


def make(home: Path) -> SealedLog:
    """Some forty records in three segments; the first is compressed, the second ends in a torn line, and everything is sealed."""
    made = SealedLog(home)
    log = made.open(segment_bytes=4_000)
    made.take(log, [hello(), decision(1)], [decision(cseq) for cseq in range(2, 20)])
    made.take(log, [hello(77), decision(1, pid=77)], [decision(20), decision(2, pid=77)])
    log.close()  # as SIGKILL does
    with made.segment(2).open("ab") as stream:
        stream.write(b'{"act":"torn"')
    log = made.open(boot="boot-2")
    made.take(log, [hello(), *(decision(cseq) for cseq in range(1, 6))], [decision(6)])
    log.stop("SIGTERM")
    log.close()
    made.compress(1)
    return made
