"""Days of captured texts that go: the key first, nothing that is not a text, and nothing behind a link."""

import os
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from deepseek_local.capture import days
from deepseek_local.capture.store import Store
from deepseek_local.errors import AuditError

KEY = bytes(range(32))
LIMIT = date(2026, 11, 24)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Two texts of each of the days from the 22nd to the 25th."""
    directory = tmp_path / "capture"
    for number in range(22, 26):
        for text in (b"first", b"second"):
            put(directory, number, text)
    return directory


def put(directory: Path, number: int, text: bytes) -> str:
    return Store(directory, KEY, lambda: datetime(2026, 11, number, 12, tzinfo=UTC)).put(text)


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_days_before_the_limit_are_listed_oldest_first(directory: Path):
    found = days.before(directory, LIMIT)
    assert [(day.name, day.texts) for day in found] == [("2026-11-22", 2), ("2026-11-23", 2)]
    assert found[0].bytes == sum(path.stat().st_size for path in (directory / "2026-11-22").iterdir()) - 64


def test_a_forgotten_day_is_gone_and_the_others_stay(directory: Path):
    kept = put(directory, 24, b"kept")
    for day in days.before(directory, LIMIT):
        days.forget(directory, day)
    assert names(directory) == ["2026-11-24", "2026-11-25"]
    assert Store(directory, KEY).get(kept) == b"kept"
    assert days.before(directory, LIMIT) == ()


def test_without_a_store_there_is_nothing_to_forget(tmp_path: Path):
    assert days.before(tmp_path / "capture", LIMIT) == ()
    assert not days.exist(tmp_path / "capture")


class PowerCut(BaseException):
    """Nothing happens after it."""


@pytest.mark.parametrize("step", range(5))
def test_a_crash_leaves_no_text_that_can_be_read_and_the_day_goes_the_next_time(
    directory: Path, monkeypatch: pytest.MonkeyPatch, step: int
):
    digest = put(directory, 22, b"secret")
    day, *_ = days.before(directory, LIMIT)
    left, unlink = [step], os.unlink

    def cut(*arguments: object, **options: int) -> None:
        if left[0] == 0:
            raise PowerCut
        left[0] -= 1
        unlink(*arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", cut)
        if step < 4:  # a key and three texts
            with pytest.raises(PowerCut):
                days.forget(directory, day)
        else:
            days.forget(directory, day)
    with pytest.raises(AuditError):
        Store(directory, KEY).get(digest)
    for day in days.before(directory, LIMIT):
        days.forget(directory, day)
    assert names(directory) == ["2026-11-24", "2026-11-25"]


def test_a_key_is_overwritten_under_all_its_names(directory: Path, tmp_path: Path):
    draft = directory / "2026-11-22" / ".key.0123456789abcdef"
    os.link(directory / "2026-11-22" / "key", draft)
    os.link(draft, tmp_path / "another-name")
    days.forget(directory, days.before(directory, LIMIT)[0])
    assert (tmp_path / "another-name").read_bytes() == bytes(64)
    assert "2026-11-22" not in names(directory)


def test_what_was_being_written_goes_with_its_day(directory: Path):
    (directory / "2026-11-22" / f".{'0' * 64}.0123456789abcdef").write_bytes(b"half")
    days.forget(directory, days.before(directory, LIMIT)[0])
    assert "2026-11-22" not in names(directory)


@pytest.mark.parametrize("name", ["notes.txt", ".hidden", "0" * 63])
def test_a_day_with_anything_else_is_left_whole(directory: Path, name: str):
    day = days.before(directory, LIMIT)[0]
    (directory / "2026-11-22" / name).touch()
    with pytest.raises(AuditError, match="no captured text; move it away"):
        days.before(directory, LIMIT)
    with pytest.raises(AuditError, match="no captured text; move it away"):
        days.forget(directory, day)
    assert len(names(directory / "2026-11-22")) == 4


def test_a_link_in_the_place_of_a_day_is_not_followed(directory: Path, tmp_path: Path):
    day = days.before(directory, LIMIT)[0]
    (directory / "2026-11-22").rename(tmp_path / "elsewhere")
    (directory / "2026-11-22").symlink_to(tmp_path / "elsewhere")
    for use in (lambda: days.before(directory, LIMIT), lambda: days.forget(directory, day)):
        with pytest.raises(AuditError, match="look at the rights and at links"):
            use()
    assert len(names(tmp_path / "elsewhere")) == 3


@pytest.mark.parametrize("name", ["key", "0" * 64])
def test_a_link_in_the_place_of_a_file_goes_and_what_it_names_stays(directory: Path, tmp_path: Path, name: str):
    (tmp_path / "precious").write_bytes(b"precious")
    place = directory / "2026-11-22" / name
    place.unlink(missing_ok=True)
    place.symlink_to(tmp_path / "precious")
    days.forget(directory, days.before(directory, LIMIT)[0])
    assert (tmp_path / "precious").read_bytes() == b"precious"
    assert "2026-11-22" not in names(directory)


def test_what_has_no_name_of_a_day_is_nobodys_business(directory: Path):
    (directory / "lost+found").mkdir()
    assert len(days.before(directory, LIMIT)) == 2
