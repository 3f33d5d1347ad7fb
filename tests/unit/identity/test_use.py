"""The last use of a token is a file's time; that it cannot be noted disturbs nobody."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deepseek_local.identity.use import TokenUse, last_use

NOW = datetime(2026, 11, 24, 7, 0, tzinfo=UTC)
KID = "0123456789ab"


def test_the_last_use_is_known_to_the_minute(tmp_path: Path):
    directory = tmp_path / "used"
    assert last_use(directory, KID) is None
    use = TokenUse(directory)
    use.note(KID, NOW)
    assert last_use(directory, KID) == NOW
    use.note(KID, NOW + timedelta(seconds=59))
    assert last_use(directory, KID) == NOW
    use.note(KID, NOW + timedelta(seconds=60))
    assert last_use(directory, KID) == NOW + timedelta(seconds=60)


def test_files_and_directory_are_private(tmp_path: Path):
    TokenUse(tmp_path / "used").note(KID, NOW)
    assert [oct(path.stat().st_mode & 0o777) for path in (tmp_path / "used", tmp_path / "used" / KID)] == [
        "0o700",
        "0o600",
    ]


def test_a_clock_that_was_set_back_does_not_stop_it(tmp_path: Path):
    use = TokenUse(tmp_path)
    use.note(KID, NOW)
    use.note(KID, NOW - timedelta(days=1))
    assert last_use(tmp_path, KID) == NOW - timedelta(days=1)


def test_what_cannot_be_noted_is_said_once_and_fails_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    (tmp_path / "used").write_text("in the way")
    use = TokenUse(tmp_path / "used")
    for minute in range(3):
        use.note(KID, NOW + timedelta(minutes=minute))
    assert caplog.text.count("the last use of tokens is not noted") == 1


def test_a_link_in_the_place_of_the_file_is_not_followed(tmp_path: Path):
    target = tmp_path / "target"
    target.touch()
    before = target.stat().st_mtime_ns
    (tmp_path / KID).symlink_to(target)
    TokenUse(tmp_path).note(KID, NOW)
    assert target.stat().st_mtime_ns == before
