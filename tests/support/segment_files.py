"""The segments of an audit log as they were written, whether or not the sequencer has compressed them since."""

import gzip
from collections.abc import Iterator
from pathlib import Path


def segments(directory: Path) -> list[Path]:
    """Return their names without `.gz`, in order."""
    return sorted(
        {path.with_suffix("") if path.suffix == ".gz" else path for path in directory.glob("segment-*.jsonl*")}
    )


def content(segment: Path) -> bytes:
    """Return what is in a segment; it may get compressed meanwhile."""
    try:
        return segment.read_bytes()
    except FileNotFoundError:
        return gzip.decompress(segment.with_name(f"{segment.name}.gz").read_bytes())


def lines(directory: Path) -> Iterator[bytes]:
    """Yield every whole line of the log, in order."""
    for segment in segments(directory):
        yield from (line for line in content(segment).splitlines(keepends=True) if line.endswith(b"\n"))
