"""The key of the site is made once, before there are texts."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from deepseek_local.capture import site_key
from deepseek_local.capture.store import Store
from deepseek_local.errors import AuditError
from deepseek_local.identity import keys


def test_it_is_made_where_nothing_was_captured_and_then_stays(tmp_path: Path):
    key, captures = tmp_path / "capture.key", tmp_path / "capture"
    site_key.ensure(key, captures)
    made = keys.read(key)
    Store(captures, made, lambda: datetime(2026, 11, 24, tzinfo=UTC)).put(b"text")
    site_key.ensure(key, captures)
    assert keys.read(key) == made


def test_texts_that_lost_their_key_get_no_other(tmp_path: Path):
    key, captures = tmp_path / "capture.key", tmp_path / "capture"
    site_key.ensure(key, captures)
    Store(captures, keys.read(key), lambda: datetime(2026, 11, 24, tzinfo=UTC)).put(b"text")
    key.unlink()
    with pytest.raises(AuditError, match="restore it from its copy"):
        site_key.ensure(key, captures)
    assert not key.exists()
