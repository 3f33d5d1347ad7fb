"""Keys changed: the old ones open nothing afterwards, and the data's key stays."""

import subprocess

import pytest
from pkcs11 import Attribute, KeyType
from soft_token import LOCKED, PIN
from volume import KEY, NEXT_KEY

from deepseek_local.errors import StorageError
from deepseek_local.hsm.session import opened
from deepseek_local.storage import cryptsetup, header, unlock
from deepseek_local.storage.header import HSM_SLOT, RECOVERY_SLOTS

pytestmark = pytest.mark.integration


def passphrase(volume, key=KEY) -> bytes:
    return unlock.unlock(volume.image, volume.header(), (volume.parsed(key),)).passphrase


def rekey(volume, *words: str, **more: str):
    return volume.done("rekey", "--header-backup", str(volume.backup()), *words, **more)


def test_after_a_change_of_keys_the_old_one_opens_nothing(volume):
    old = passphrase(volume)
    rekey(volume, "--new-key", volume.token.uri(NEXT_KEY))
    assert volume.is_whole()
    assert not volume.opens_with(old)
    assert volume.opens_with(passphrase(volume, NEXT_KEY))
    assert volume.opens_with(volume.recovery_key)
    assert "header names 'pkcs11:token=audit;object=volumes-next'" in volume.refused("status", "--check")


def test_the_same_key_can_wrap_a_new_passphrase(volume):
    old = passphrase(volume)
    rekey(volume)
    assert volume.is_whole()
    assert passphrase(volume) != old
    assert not volume.opens_with(old)


def test_a_new_key_can_be_made_with_the_change(volume):
    made = volume.token.uri("object=made-now")
    rekey(volume, "--new-key", made, "--generate")
    volume.done("status", "--check", "--key", made)


def test_an_old_copy_of_the_header_brings_the_old_key_back(volume):
    """What the commands warn of, shown."""
    copy = next(volume.place.glob("header-0"))
    rekey(volume, "--new-key", volume.token.uri(NEXT_KEY))
    cryptsetup.insist(volume.image, "luksHeaderRestore", "--header-backup-file", str(copy), str(volume.image))
    volume.done("status", "--check")


def test_a_lost_hsm_is_replaced_with_the_recovery_key(volume):
    old = passphrase(volume)
    volume.token.delete(KEY)
    assert "has no secret key 'volumes'" in volume.refused("status", "--check")
    words = ("--recovery-key", "--new-key", volume.token.uri(NEXT_KEY))
    wrong = "00000-" * 7 + "00000"
    backup = ("rekey", "--header-backup", str(volume.backup()))
    assert "does not open with that recovery key" in volume.refused(*backup, *words, typed=f"{wrong}\n")
    assert "is no recovery key" in volume.refused(*backup, *words, typed="12345\n")
    rekey(volume, *words, typed=f"  {volume.recovery_key.lower()}\n")
    assert volume.is_whole()
    assert not volume.opens_with(old)
    assert volume.opens_with(passphrase(volume, NEXT_KEY))


def test_a_new_recovery_key_takes_the_place_of_the_old_one(volume):
    shown = [volume.recovery_key]
    for _ in range(2):
        backup = str(volume.backup())
        shown.append(volume.done("recovery-key", "--format=json", "--header-backup", backup).data["recovery_key"])
        assert [volume.opens_with(each) for each in shown] == [*(False for _ in shown[:-1]), True]
        assert volume.is_whole()


def test_slots_of_the_site_stay(volume):
    own = b"a passphrase of the site"
    cryptsetup.add_key(volume.image, 1, passphrase(volume), own, *cryptsetup.FAST)
    rekey(volume, "--new-key", volume.token.uri(NEXT_KEY))
    volume.done("recovery-key", "--key", volume.token.uri(NEXT_KEY), "--header-backup", str(volume.backup()))
    assert volume.opens_with(own)
    assert volume.slots() == [HSM_SLOT, 1, RECOVERY_SLOTS[1]]
    slots = volume.done("status", "--format=json").data["slots"]
    assert {slot["number"]: slot["opened_by"] for slot in slots} == {0: "hsm", 1: "other", 31: "recovery_key"}


def test_a_slot_that_a_cut_off_change_left_does_not_keep_the_old_passphrase(volume):
    """cryptsetup changes a slot by way of a free one, and can be killed in between."""
    old = passphrase(volume)
    cryptsetup.add_key(volume.image, 1, old, old, *cryptsetup.FAST)
    rekey(volume)
    assert not volume.opens_with(old)
    assert volume.is_whole()


def test_a_key_that_can_be_read_out_gets_no_volume(volume):
    with opened(volume.parsed(), writable=True) as session:
        loose = {Attribute.SENSITIVE: False, Attribute.EXTRACTABLE: True}
        session.generate_key(KeyType.AES, 256, store=True, label="loose", template=loose)
    words = ("rekey", "--header-backup", str(volume.backup()), "--new-key", volume.token.uri("object=loose"))
    assert "can be read out of the token" in volume.refused(*words)
    assert volume.is_whole()
    volume.done("status", "--check")


def test_a_wrong_pin_a_locked_one_and_a_token_that_is_gone_change_nothing(volume):
    before = volume.image.read_bytes()
    words = ("rekey", "--header-backup", str(volume.backup()))
    volume.token.pin_file.write_text("111111\n")
    for each in (words, ("status", "--check"), ("open",)):
        assert "is not that of the token 'audit'" in volume.refused(*each)
    volume.token.pin_file.write_text(f"{PIN}\n")
    other = volume.token.uri(KEY).replace("token=audit", "token=other")
    assert "the token 'other' is not there" in volume.refused("open", "--key", other)
    volume.token.set_flag(LOCKED)
    assert "is locked after too many wrong ones" in volume.refused(*words)
    assert volume.image.read_bytes() == before


def test_a_damaged_header_is_told_and_comes_back_from_its_copy(volume):
    copy = str(volume.place / "header-0")
    with volume.image.open("r+b") as stream:
        stream.write(bytes(16 * 1024))
    volume.done("status", "--check")  # cryptsetup mends the first copy from the second
    with volume.image.open("r+b") as stream:
        stream.write(bytes(4 * 1024 * 1024))
    assert "has no LUKS2 header that can be read" in volume.refused("status")
    assert "has no LUKS2 header that can be read" in volume.refused("open")
    cryptsetup.insist(volume.image, "luksHeaderRestore", "--header-backup-file", copy, str(volume.image))
    assert volume.is_whole()
    volume.done("status", "--check")
    assert volume.opens_with(volume.recovery_key)


def test_a_destroyed_slot_is_told_from_a_wrong_key(volume):
    read = volume.header()
    with volume.image.open("r+b") as stream:
        stream.seek(32 * 1024)
        stream.write(bytes(128 * 1024))
    with pytest.raises(StorageError, match="slot 0 does not open with it; restore the header from its newest copy"):
        unlock.unlock(volume.image, read, (volume.parsed(),))
    assert volume.opens_with(volume.recovery_key)


def test_a_token_that_somebody_altered_is_refused(volume):
    (number,) = volume.header().wrapped
    (token,) = volume.header().wrapped.values()
    cryptsetup.remove_token(volume.image, number)
    changed = header.encode(token).replace(b'"version":1', b'"version":2')
    cryptsetup.import_token(volume.image, changed)
    assert "is not one that this version wrote" in volume.refused("status")


def test_two_keys_in_the_header_are_tried_until_one_opens(volume):
    """As in the middle of a change; the one that is unwrapped first opens nothing."""
    _, token = unlock.wrap_new(volume.parsed(), volume.header().purpose)
    (number,) = volume.header().wrapped
    (right,) = volume.header().wrapped.values()
    cryptsetup.remove_token(volume.image, number)
    for each in (token, right):
        cryptsetup.import_token(volume.image, header.encode(each))
    volume.done("status", "--check")
    assert "a change of keys was cut off" in volume.done("status").out
    rekey(volume)
    assert volume.is_whole()


def test_the_master_key_stays_the_same(volume):
    """Only slots change: whoever had copied the data's key still has it, which is why reencrypt is documented."""

    def digest() -> str:
        dumped = subprocess.run(
            ("cryptsetup", "luksDump", str(volume.image)),
            capture_output=True,
            text=True,
            check=True,
            env=volume.environment(),
        )
        return dumped.stdout.partition("Digests:")[2]

    before = digest()
    rekey(volume)
    assert digest() == before
