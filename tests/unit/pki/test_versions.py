"""Versions of a certificate: complete, switched in one step, taken back, and tidied."""

import stat
from pathlib import Path

import pytest

from deepseek_local.errors import PKIError
from deepseek_local.pki.versions import Versions

FILES = {"certificate.pem": b"certificate\n", "key.pem": b"key\n"}


@pytest.fixture
def versions(tmp_path: Path) -> Versions:
    return Versions(tmp_path / "live" / "server")


def test_a_version_is_not_in_use_before_the_switch(versions: Versions) -> None:
    staged = versions.stage(FILES)
    assert (staged.name, versions.current) == ("v0001", None)
    versions.switch(staged)
    assert versions.current == staged
    assert (versions.directory / "current" / "key.pem").read_bytes() == b"key\n"


def test_only_the_owner_reads_it(versions: Versions) -> None:
    staged = versions.stage(FILES)
    modes = [stat.S_IMODE(place.stat().st_mode) for place in (versions.directory, staged, *staged.iterdir())]
    assert modes == [0o700, 0o700, 0o600, 0o600]


def test_a_switch_can_be_taken_back(versions: Versions) -> None:
    first, second = versions.stage(FILES), versions.stage(FILES)
    versions.switch(first)
    versions.switch(second)
    versions.switch(first)
    assert versions.current == first


def test_the_version_in_use_cannot_be_discarded(versions: Versions) -> None:
    staged = versions.stage(FILES)
    versions.switch(staged)
    with pytest.raises(PKIError, match="in use"):
        versions.discard(staged)


def test_tidying_keeps_the_newest_three_and_the_current_one(versions: Versions) -> None:
    staged = [versions.stage(FILES) for _ in range(6)]
    versions.switch(staged[0])
    versions.tidy()
    assert versions.all() == [staged[0], *staged[3:]]


def test_tidying_takes_away_what_interrupted_runs_left(versions: Versions) -> None:
    versions.switch(versions.stage(FILES))
    draft = versions.directory / ".draft-00"
    draft.mkdir()
    (draft / "key.pem").write_bytes(b"key\n")
    (versions.directory / ".draft-01").symlink_to("v0001")
    versions.tidy()
    assert sorted(place.name for place in versions.directory.iterdir()) == ["current", "v0001"]


def test_a_number_is_never_used_again_while_a_later_one_is_there(versions: Versions) -> None:
    first, _ = versions.stage(FILES), versions.stage(FILES)
    versions.discard(first)
    assert versions.stage(FILES).name == "v0003"


def test_a_removed_key_was_overwritten_first(versions: Versions, tmp_path: Path) -> None:
    staged = versions.stage(FILES)
    kept = tmp_path / "same-file"
    kept.hardlink_to(staged / "key.pem")
    versions.discard(staged)
    assert len(kept.read_bytes()) == 4
    assert kept.read_bytes() != b"key\n"


def test_a_directory_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "live").write_text("")
    with pytest.raises(PKIError, match="cannot write a version in"):
        Versions(tmp_path / "live" / "server").stage(FILES)
