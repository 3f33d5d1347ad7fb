"""A volume made and erased: shown before it is done, complete afterwards, and never over anything that is there."""

import os
import stat
import subprocess

import pytest
from volume import NEXT_KEY, SIZE_BYTES

from deepseek_local.storage import cryptsetup, header, unlock
from deepseek_local.storage.header import HSM_SLOT, RECOVERY_SLOTS

pytestmark = pytest.mark.integration


def test_without_yes_it_says_what_would_be_done_and_does_nothing(empty):
    planned = empty.done("init", "--format=json", "--header-backup", str(empty.backup())).data
    assert (planned["done"], planned["bytes"], planned["destroyed"]) == (False, SIZE_BYTES, [])
    assert [step.split(" ")[0] for step in planned["steps"]] == ["use", "make", "show", "copy"]
    assert not empty.image.read_bytes().strip(b"\0")
    assert empty.waiting() == []


def test_a_new_volume_opens_with_the_hsm_and_with_the_recovery_key(volume):
    opened = unlock.unlock(volume.image, volume.header(), (volume.parsed(),))
    assert volume.opens_with(opened.passphrase, HSM_SLOT)
    assert volume.opens_with(volume.recovery_key, RECOVERY_SLOTS[0])
    assert volume.is_whole()
    assert volume.done("status", "--check", "--format=json").data["warnings"] == []


def test_neither_passphrase_stands_in_an_argument_or_in_the_clear_on_the_disk(volume):
    opened = unlock.unlock(volume.image, volume.header(), (volume.parsed(),))
    calls = (volume.place / "calls").read_text()
    records = (volume.records / "records.jsonl").read_text()
    for secret in (volume.recovery_key, opened.passphrase.hex()):
        assert secret not in calls
        assert secret not in records
    content = volume.image.read_bytes()
    assert opened.passphrase not in content
    assert volume.recovery_key.encode() not in content


def test_the_header_names_the_key_and_never_the_module_or_the_pin(volume):
    (token,) = volume.header().wrapped.values()
    assert token.key == "pkcs11:token=audit;object=volumes"
    content = volume.image.read_bytes()
    assert b"libsofthsm2" not in content
    assert str(volume.token.pin_file).encode() not in content


def test_the_copy_of_the_header_is_for_its_owner_alone(empty):
    backup = empty.backup()
    empty.done("init", "--yes", "--header-backup", str(backup))
    assert stat.S_IMODE(backup.stat().st_mode) & 0o077 == 0
    assert backup.stat().st_size == 16 * 1024 * 1024


def test_the_key_is_made_with_the_volume_when_that_is_asked_for(empty):
    name = "object=made-now"
    empty.done("init", "--yes", "--generate", "--key", empty.token.uri(name), "--header-backup", str(empty.backup()))
    assert unlock.unlock(empty.image, empty.header(), (empty.parsed(name),))


def fill(image, what: str) -> None:
    if what == "dos":
        with image.open("r+b") as stream:
            stream.seek(446)
            stream.write(bytes.fromhex("00 202100 83 ffffff 00080000 00800000") + bytes(48) + b"\x55\xaa")
    elif what == "luks":
        subprocess.run(("cryptsetup", "luksFormat", "-q", "--pbkdf=pbkdf2", "--pbkdf-force-iterations=1000", str(image), "-"), input=b"x", check=True)  # fmt: skip
    else:
        subprocess.run(("mkfs.ext4", "-q", "-F", "-L", "patients", str(image)), check=True)


@pytest.mark.parametrize(("what", "said"), [("ext4", "ext4 'patients'"), ("dos", "dos"), ("luks", "crypto_LUKS")])
def test_a_device_that_carries_anything_is_refused_until_it_is_named_once_more(empty, what, said, monkeypatch):
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:/usr/sbin:/sbin")
    fill(empty.image, what)
    before = empty.image.read_bytes()
    words = ("init", "--yes", "--header-backup", str(empty.backup()))
    assert f"carries {said}" in empty.refused(*words)
    assert "name an empty device" in empty.refused(*words, "--force", str(empty.place / "other"))
    assert empty.image.read_bytes() == before
    assert empty.waiting() == []
    assert f"destroying {said}" in empty.done(*words[:1], *words[2:], "--force", str(empty.image)).out
    assert empty.image.read_bytes() == before
    empty.done(*words, "--force", str(empty.image))
    assert empty.is_whole()


def test_what_is_no_disk_is_refused(empty, tmp_path):
    words = ("init", "--yes", "--header-backup", str(empty.backup()), "--device")
    assert "neither a block device nor a file" in empty.refused(*words, "/dev/null")
    assert "No such file" in empty.refused(*words, str(tmp_path / "absent"))
    assert "neither a block device nor a file" in empty.refused(*words, str(tmp_path))
    small = tmp_path / "small"
    small.write_bytes(b"\0" * 4096)
    assert "has 4096 bytes; a volume needs at least" in empty.refused(*words, str(small))


def test_a_file_that_is_a_device_already_is_refused(empty):
    attach = ("losetup", "--show", "--find", str(empty.image))
    done = subprocess.run(attach, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no loop device here: {done.stderr.strip()}")
    loop = done.stdout.strip()
    try:
        words = ("init", "--yes", "--header-backup", str(empty.backup()))
        assert f"is in use as {loop}; close or unmount that first" in empty.refused(*words)
    finally:
        subprocess.run(("losetup", "--detach", loop), check=True)


def test_a_name_like_an_option_is_a_name(empty, monkeypatch):
    monkeypatch.chdir(empty.place)
    assert f"{empty.place}/--help is not there" in empty.refused("status", "--device=--help")


def test_a_copy_that_could_not_be_made_is_refused_before_anything_is_done(empty, tmp_path):
    taken = empty.backup()
    taken.write_text("the copy of another volume")
    assert "is there already" in empty.refused("init", "--yes", "--header-backup", str(taken))
    absent = str(tmp_path / "absent" / "header")
    assert "is no directory" in empty.refused("init", "--yes", "--header-backup", absent)
    assert not empty.image.read_bytes().strip(b"\0")


def test_a_copy_for_which_there_is_no_room_leaves_no_file(volume):
    small = volume.place / "small"
    small.mkdir()
    mounted = subprocess.run(("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(small)), check=False)
    if mounted.returncode != 0:
        pytest.skip("only root may mount a small file system")
    try:
        assert "its header is not copied to" in volume.refused("backup-header", str(small / "header"))
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(("umount", str(small)), check=True)


def test_without_the_hsm_nothing_is_touched(empty):
    words = ("init", "--yes", "--header-backup", str(empty.backup()))
    empty.token.pin_file.write_text("111111\n")
    assert "is not that of the token" in empty.refused(*words)
    assert "does not load" in empty.refused(*words, SOFTHSM2_CONF="/nonexistent")
    assert not empty.image.read_bytes().strip(b"\0")


def test_a_recovery_key_that_nobody_saw_does_not_count(empty):
    """A full disk under stdout: the volume is made, and says that its recovery key is missing."""
    with open("/dev/full", "w") as full:  # noqa: PTH123 -- a device
        words = ("init", "--yes", "--header-backup", str(empty.backup()))
        done = subprocess.run(
            empty.command(*words), env=empty.environment(), stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert "could not be written" in done.stderr
    assert "no recovery key was shown; make one with `storage recovery-key`" in empty.done("status").out
    shown = empty.done("recovery-key", "--format=json", "--header-backup", str(empty.backup())).data["recovery_key"]
    assert empty.opens_with(shown)
    assert empty.is_whole()


def test_an_erased_volume_opens_with_nothing(volume):
    opened = unlock.unlock(volume.image, volume.header(), (volume.parsed(),))
    uuid = volume.header().uuid
    for typed in ("", "yes\n", f"{uuid[:-1]}\n"):
        assert "nothing was erased" in volume.refused("erase", typed=typed)
    assert volume.opens_with(opened.passphrase)
    assert volume.done("erase", "--format=json", typed=f"{uuid}\n").data == {"erased": uuid}
    assert volume.slots() == []
    assert not volume.opens_with(opened.passphrase)
    assert not volume.opens_with(volume.recovery_key)
    assert "holds no passphrase for an HSM" in volume.refused("status", "--check")
    assert "it was erased" in volume.done("status").out


def test_another_volume_does_not_take_the_wrapped_passphrase(volume):
    """A token copied into the header of another volume: its passphrase is bound to the first one's UUID."""
    (token,) = volume.header().wrapped.values()
    volume.clear()
    volume.init("--key", volume.token.uri(NEXT_KEY))
    subprocess.run(
        ("cryptsetup", "token", "remove", "--token-id", "0", str(volume.image)), check=True, env=volume.environment()
    )
    cryptsetup.import_token(volume.image, header.encode(token))
    assert "the key 'volumes' does not unwrap the passphrase" in volume.refused("status", "--check")
