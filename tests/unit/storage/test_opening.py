"""Names of open volumes, and what the kernel's files say of them."""

import pytest

from deepseek_local.errors import StorageError
from deepseek_local.storage import mapping, opening

UUID = "3e2b6c3e-6a52-4f0e-9d3a-3a6d4a7b1c11"


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """Stand for /sys/class/block with three mappings."""
    marked = f"CRYPT-LUKS2-{UUID.replace('-', '')}-data"
    for number, (name, known_as) in enumerate((("data", marked), ("root", "LVM-abc"), ("old", "CRYPT-LUKS1-00-old"))):
        block = tmp_path / f"dm-{number}"
        (block / "dm").mkdir(parents=True)
        (block / "dm/name").write_text(f"{name}\n")
        (block / "dm/uuid").write_text(f"{known_as}\n")
        (block / "dev").write_text(f"253:{number}\n")
    monkeypatch.setattr(mapping, "BLOCK", tmp_path)


@pytest.mark.usefixtures("kernel")
def test_a_volume_is_known_by_its_uuid_whatever_its_name():
    found = mapping.find(UUID)
    assert found is not None
    assert (found.name, found.uuid, found.device, str(found.path)) == ("data", UUID, "253:0", "/dev/mapper/data")
    assert mapping.find(UUID.replace("3", "4")) is None
    assert mapping.named("absent") is None


@pytest.mark.usefixtures("kernel")
def test_what_is_no_volume_of_this_kind_is_never_closed():
    for name in ("root", "old"):
        found = mapping.named(name)
        assert found is not None
        with pytest.raises(StorageError, match=f"{name} is no LUKS2 volume"):
            opening.insist_on_volume(found)


@pytest.mark.parametrize("name", ["", ".", "..", "../sda", "-x", "a/b", "a b", "control\n", "x" * 65, "é"])
def test_a_name_that_a_path_or_an_option_could_be_is_refused(name):
    with pytest.raises(StorageError, match="cannot name an open volume"):
        opening.check_name(name)


def test_mount_points_with_odd_letters_are_read(tmp_path, monkeypatch):
    (tmp_path / "self").mkdir()
    row = r"36 35 253:0 / /mnt/my\040data rw - ext4 /dev/mapper/data rw"
    (tmp_path / "self/mountinfo").write_text(f"{row}\n37 35 253:1 / /other rw - ext4 /dev/x rw\n")
    monkeypatch.setattr(mapping, "PROC", tmp_path)
    found = mapping.Mapping("data", "253:0", UUID, tmp_path)
    assert mapping.places(found) == ["/mnt/my data"]
    assert mapping.places(found, "1") == []
