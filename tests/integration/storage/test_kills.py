"""
`kill -9` at every call of cryptsetup, before it and in it: there is always a way in, and the same command again finishes.

cryptsetup is killed with its caller, as a power cut does it.
"""

import os
import shutil

import pytest
from volume import KEY, NEXT_KEY, Volume

from deepseek_local.errors import Error
from deepseek_local.storage import unlock
from deepseek_local.storage.header import RECOVERY_SLOTS

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

WITHIN = "0.01"
"""Seconds into a call."""
CHANGES = ("token", "luksFormat", "luksAddKey", "luksChangeKey", "luksKillSlot", "luksHeaderBackup")


def points(calls: list[str], *within: str) -> list[tuple[int, str]]:
    """Enumerate where to kill: before and within each call that changes something, and after the last; in `make faults` at all others too."""
    found = [(number, how) for number, name in enumerate(calls, 1) if name in CHANGES for how in ("before", *within)]
    if "DEEPSEEK_LOCAL_KILL_ROUNDS" in os.environ:
        found += [(number, how) for number in range(1, len(calls) + 1) for how in ("before", "0.04", "after")]
    return [*found, (len(calls), "after")]


def steps(volume: Volume, *words: str) -> list[str]:
    """Let a command do its work once, to know where it can be killed."""
    volume.kill_at(None)
    volume.done(*words)
    return volume.calls()


def ways_in(volume: Volume) -> list[str]:
    """Say which keys open the volume."""
    found = []
    for key in (KEY, NEXT_KEY):
        try:
            unlock.unlock(volume.image, volume.header(), (volume.parsed(key),))
        except Error:
            continue
        found.append(key)
    if any(volume.opens_with(volume.recovery_key, slot) for slot in RECOVERY_SLOTS if volume.header().has(slot)):
        found.append("recovery")
    return found


def test_a_change_of_keys(volume):
    shutil.copy(volume.image, original := volume.place / "original")
    words = ("rekey", "--new-key", volume.token.uri(NEXT_KEY), "--header-backup")
    calls = steps(volume, *words, str(volume.backup()))
    seen = set()
    for number, how in points(calls, WITHIN):
        shutil.copy(original, volume.image)
        volume.kill_at(number, how)
        assert volume.run(*words, str(volume.backup())).code == -9, (number, how)
        volume.kill_at(None)
        ways = ways_in(volume)
        assert "recovery" in ways, (number, how)
        assert len(ways) > 1, (number, how)
        seen.add(tuple(ways))

        volume.done(*words, str(volume.backup()))
        assert volume.is_whole(), (number, how)
        assert ways_in(volume) == [NEXT_KEY, "recovery"]
    assert seen == {(KEY, "recovery"), (NEXT_KEY, "recovery")}


def test_a_new_recovery_key(volume):
    shutil.copy(volume.image, original := volume.place / "original")
    words = ("recovery-key", "--format=json", "--header-backup")
    calls = steps(volume, *words, str(volume.backup()))
    old = volume.recovery_key
    for number, how in points(calls):
        shutil.copy(original, volume.image)
        volume.kill_at(number, how)
        killed = volume.run(*words, str(volume.backup()))
        assert killed.code == -9
        volume.kill_at(None)
        on_paper = [old, *([killed.data["recovery_key"]] if killed.out else [])]
        assert KEY in ways_in(volume)
        assert any(volume.opens_with(each) for each in on_paper), (number, how)

        volume.done(*words, str(volume.backup()))
        assert volume.is_whole(), (number, how)


def test_a_volume_in_the_making(empty):
    words = ("init", "--yes", "--format=json", "--force", str(empty.image), "--header-backup")
    calls = steps(empty, *words, str(empty.backup()))
    for number, how in points(calls, WITHIN):
        empty.clear()
        empty.kill_at(number, how)
        assert empty.run(*words, str(empty.backup())).code == -9
        empty.kill_at(None)

        plain = tuple(word for word in words if word not in ("--force", str(empty.image)))
        if (again := empty.run(*plain, str(empty.backup()))).code != 0:
            assert "name an empty device" in again.said
            empty.done(*words, str(empty.backup()))
        assert empty.is_whole(), (number, how)


def test_a_lost_hsm_being_replaced(volume):
    shutil.copy(volume.image, original := volume.place / "original")
    words = ("rekey", "--recovery-key", "--new-key", volume.token.uri(NEXT_KEY), "--header-backup")
    volume.kill_at(None)
    volume.done(*words, str(volume.backup()), typed=volume.recovery_key)
    for number, how in points(volume.calls()):
        shutil.copy(original, volume.image)
        volume.kill_at(number, how)
        assert volume.run(*words, str(volume.backup()), typed=volume.recovery_key).code == -9
        volume.kill_at(None)
        assert "recovery" in ways_in(volume), (number, how)

        volume.done(*words, str(volume.backup()), typed=volume.recovery_key)
        assert volume.is_whole(), (number, how)
        assert ways_in(volume) == [NEXT_KEY, "recovery"]
