"""A file holds one idea; one that grows past the ceiling holds two."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CEILING = 300
PARTS = ("deepseek_local", "benchmarks", "demo", "tests")
SOURCES = sorted(path for part in PARTS for path in (ROOT / part).rglob("*.py")) + sorted((ROOT / "scripts").iterdir())


def test_there_are_sources_to_measure():
    assert len(SOURCES) > 20


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_is_longer_than_the_ceiling(path):
    assert len(path.read_text().splitlines()) <= CEILING
