"""The file of a PIN, and who may read it."""

import os
import struct

import pytest

from deepseek_local.errors import HSMError
from deepseek_local.hsm import pin

OWNER, USER, GROUP_OBJECT, GROUP, MASK, OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
NOBODY = 0xFFFFFFFF
STRANGER = 54321

root = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files of root")


@pytest.fixture
def place(tmp_path):
    place = tmp_path / "pin"
    place.write_bytes(b"1234\n")
    place.chmod(0o600)
    return place


def give(place, *entries: tuple[int, int, int]) -> None:
    """Set the access control list, as systemd does for a credential."""
    base = [(OWNER, 4, NOBODY), (GROUP_OBJECT, 0, NOBODY), (MASK, 4, NOBODY), (OTHER, 0, NOBODY)]
    kept = [each for each in base if each[0] not in {entry[0] for entry in entries}]
    listed = sorted([*kept, *entries])
    content = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *each) for each in listed)
    try:
        os.setxattr(place, "system.posix_acl_access", content)
    except OSError as error:
        pytest.skip(f"no access control lists here: {error.strerror}")


@pytest.mark.parametrize("content", [b"1234", b"1234\n", b"1234\r\n"])
def test_the_pin_is_the_line_without_its_end(place, content):
    place.write_bytes(content)
    assert pin.read(place) == "1234"


@pytest.mark.parametrize("content", [b"", b"\n", b"12\n34\n", b"\xff", b"1" * 300, b"1234\n\n"])
def test_what_is_not_one_line_is_refused(place, content):
    place.write_bytes(content)
    with pytest.raises(HSMError, match="one line with a PIN; write nothing but"):
        pin.read(place)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o644])
def test_a_file_that_others_can_read_or_write_is_refused_with_the_command_that_mends_it(place, mode):
    place.chmod(mode)
    with pytest.raises(HSMError, match=f"can be read by others; run: chmod 600 {place}"):
        pin.read(place)


def test_a_missing_file_and_a_directory_are_refused(tmp_path):
    for place in (tmp_path / "none", tmp_path):
        tmp_path.chmod(0o700)
        with pytest.raises(HSMError, match=r"cannot be read: .*; make it readable for this user alone"):
            pin.read(place)


@root
def test_a_credential_that_a_list_opens_for_us_alone_is_read(place):
    give(place, (USER, 4, os.geteuid()))
    assert place.stat().st_mode & 0o070
    assert pin.read(place) == "1234"


@root
@pytest.mark.parametrize("entry", [(USER, 4, STRANGER), (GROUP, 4, STRANGER), (GROUP_OBJECT, 4, NOBODY)])
def test_a_list_that_opens_the_file_for_anybody_else_is_refused(place, entry):
    give(place, entry)
    with pytest.raises(HSMError, match="can be read by others"):
        pin.read(place)


@root
def test_a_list_on_a_file_of_somebody_else_than_root_is_refused(place):
    give(place, (USER, 4, os.geteuid()))
    os.chown(place, STRANGER, -1)
    with pytest.raises(HSMError, match="can be read by others"):
        pin.read(place)
