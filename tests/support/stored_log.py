"""A log as the sequencer leaves it on disk, written without the sequencer: for those who only read."""

import gzip
import hashlib
from pathlib import Path

from deepseek_local.audit.record import Envelope, Kind, encode


def ts(second: int) -> str:
    """So many seconds after noon."""
    return f"2026-11-24T12:{second // 60:02d}:{second % 60:02d}.000000Z"


def line(seq: int, kind: str = "admin", moment: str | None = None, **fields: object) -> bytes:
    return encode(
        Envelope(seq, seq + 1, moment or ts(seq % 3600), seq * 10**9, "boot-1", "gpu01", 42, Kind(kind)), fields
    )


class StoredLog:
    """Segments in a directory; each but the first begins with the seal of the one before."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.next_seq = 0
        self.number = 0
        directory.mkdir(parents=True, exist_ok=True)

    @property
    def path(self) -> Path:
        return self.directory / f"segment-{self.number:06d}.jsonl"

    def append(self, count: int = 1, kind: str = "admin", moment: str | None = None, **fields: object) -> list[bytes]:
        """Write records into the newest segment."""
        self.number = self.number or 1
        lines = [line(seq, kind, moment, **fields) for seq in range(self.next_seq, self.next_seq + count)]
        with self.path.open("ab") as stream:
            stream.writelines(lines)
        self.next_seq += count
        return lines

    def rotate(self, moment: str | None = None) -> Path:
        """Begin a segment; return the old one."""
        old, data = self.path, self.path.read_bytes()
        records = data.count(b"\n")
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        extent = {"first": self.next_seq - records, "last": self.next_seq - 1, "records": records, "digest": digest}
        self.number += 1
        self.append(1, "segment_sealed", moment, segment=old.name, bytes=len(data), **extent)
        return old

    @staticmethod
    def compress(path: Path) -> Path:
        """Do what becomes of a sealed segment."""
        compressed = path.with_name(f"{path.name}.gz")
        compressed.write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
        return compressed
