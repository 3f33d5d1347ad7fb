"""Digest keys: the newest counts, a number names one key for ever, and what is destroyed is gone."""

import errno
import hashlib
import hmac
import os
import stat
from collections.abc import Sequence
from pathlib import Path

import pytest

from deepseek_local import digest_keys
from deepseek_local.digest_keys import LiveDigestKey
from deepseek_local.errors import IdentityError
from deepseek_local.files import Watch


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    directory = tmp_path / "digest-keys"
    digest_keys.ensure(directory)
    return directory


def always(paths: Sequence[Path]) -> Watch:
    """Look at every question."""
    return Watch(paths, interval_seconds=0)


def test_the_first_key_is_made_once_and_is_private(directory: Path):
    content = (directory / "k1").read_bytes()
    digest_keys.ensure(directory)
    assert (directory / "k1").read_bytes() == content
    assert [stat.S_IMODE(path.stat().st_mode) for path in (directory, directory / "k1")] == [0o700, 0o600]


def test_a_digest_names_its_key(directory: Path):
    key = (directory / "k1").read_bytes()
    expected = hmac.new(key, b"text", hashlib.sha256).hexdigest()
    assert digest_keys.newest(directory).digest(b"text") == f"k1:{expected}"


def test_the_newest_is_used_after_nine_too(directory: Path):
    for _ in range(9):
        digest_keys.rotate(directory)
    assert digest_keys.newest(directory).name == "k10"
    assert [key.name for key in digest_keys.read_all(directory)] == [f"k{number}" for number in range(10, 0, -1)]
    assert [key.name for key in digest_keys.listed(directory) if key.in_use] == ["k10"]


def test_a_rotation_is_seen_without_a_restart(directory: Path):
    live = LiveDigestKey(directory, always)
    assert live.current().name == "k1"
    assert digest_keys.following(directory) == "k2"
    for name in ("k2", "k3"):
        digest_keys.rotate(directory)
        assert live.current().name == name
        assert live.current() is live.current()


def test_rotations_between_two_looks_are_all_seen(directory: Path):
    live = LiveDigestKey(directory, always)
    digest_keys.rotate(directory)
    digest_keys.rotate(directory)
    assert live.current().name == "k3"


def test_a_new_key_that_cannot_be_used_leaves_the_last_good_one(directory: Path, caplog: pytest.LogCaptureFixture):
    live = LiveDigestKey(directory, always)
    digest_keys.rotate(directory)
    (directory / "k2").chmod(0o644)
    assert [live.current().name for _ in range(3)] == ["k1"] * 3
    assert caplog.text.count("the digest key stays k1") == 1
    (directory / "k2").chmod(0o600)
    assert live.current().name == "k2"


def test_a_key_is_not_found_in_what_is_shown_of_it(directory: Path):
    key = digest_keys.newest(directory)
    assert repr(key) == "DigestKey(name='k1')"


def test_a_destroyed_key_is_overwritten_before_its_file_is_gone(directory: Path, tmp_path: Path):
    os.link(directory / "k1", tmp_path / "another-name")
    digest_keys.rotate(directory)
    digest_keys.destroy(directory, "k1")
    assert (tmp_path / "another-name").read_bytes() == bytes(32)
    assert [key.name for key in digest_keys.read_all(directory)] == ["k2"]


def test_a_key_whose_destruction_was_interrupted_gives_no_digests_and_can_be_destroyed(
    directory: Path, monkeypatch: pytest.MonkeyPatch
):
    def failing(_: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    digest_keys.rotate(directory)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", failing)
        with pytest.raises(IdentityError, match="may still be readable, so try again"):
            digest_keys.destroy(directory, "k1")
    with pytest.raises(IdentityError, match="was not destroyed to the end; run `audit keys destroy k1` again"):
        digest_keys.read_all(directory)
    digest_keys.destroy(directory, "k1")
    assert [key.name for key in digest_keys.read_all(directory)] == ["k2"]


@pytest.mark.parametrize(
    ("name", "told"),
    [("k2", "k2 is in use; run `audit keys rotate`"), ("k9", "no key 'k9'"), ("../k1", "no key"), ("k01", "no key")],
)
def test_only_an_old_key_can_be_destroyed(directory: Path, name: str, told: str):
    digest_keys.rotate(directory)
    with pytest.raises(IdentityError, match=told):
        digest_keys.destroy(directory, name)
    assert len(digest_keys.read_all(directory)) == 2


def test_the_number_of_a_destroyed_key_is_not_given_again(directory: Path):
    digest_keys.rotate(directory)
    digest_keys.destroy(directory, "k1")
    digest_keys.ensure(directory)
    assert digest_keys.rotate(directory).name == "k3"


def test_a_link_is_not_followed_to_what_it_names(directory: Path, tmp_path: Path):
    (tmp_path / "precious").write_bytes(b"precious")
    digest_keys.rotate(directory)
    (directory / "k1").unlink()
    (directory / "k1").symlink_to(tmp_path / "precious")
    with pytest.raises(IdentityError, match="could not be destroyed"):
        digest_keys.destroy(directory, "k1")
    assert (tmp_path / "precious").read_bytes() == b"precious"


@pytest.mark.parametrize("ask", [digest_keys.newest, digest_keys.listed, digest_keys.following, LiveDigestKey])
def test_without_a_key_nothing_can_be_digested(tmp_path: Path, ask):
    with pytest.raises(IdentityError, match="cannot be read"):
        ask(tmp_path / "missing")
    with pytest.raises(IdentityError, match="holds no key such as k1"):
        ask(tmp_path)
