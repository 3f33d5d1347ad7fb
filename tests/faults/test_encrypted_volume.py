"""An encrypted volume really opened, mounted and closed: in a kernel of our own, which has dm-crypt."""

import pytest
import volume as volumes

from tests.faults import user_mode_linux
from tests.faults.disk_for_volumes import CLEAR, PLACE
from tests.faults.inside_volume import CANARY

WHY_NOT = user_mode_linux.why_not() or (None if volumes.is_installed() else volumes.MISSING)

pytestmark = [
    pytest.mark.integration,
    pytest.mark.root,
    pytest.mark.faults,
    pytest.mark.timeout(300),
    pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT)),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("volume")


@pytest.fixture(scope="module")
def verdicts(place) -> dict:
    """Boot once for all of them."""
    return user_mode_linux.call(place, "tests.faults.inside_volume", needed=user_mode_linux.CRYPT)


def test_what_is_written_comes_back_and_is_nowhere_on_the_disk(verdicts, place):
    seen = verdicts["opened_and_closed"]
    disk = (place / user_mode_linux.DISK).read_bytes()
    assert disk.startswith(b"LUKS\xba\xbe")
    assert seen["seen_in_the_clear"]
    assert CANARY[-16:] not in disk
    assert seen["kept"]

    assert seen["first"] | {"uuid": ""} == {"uuid": "", "mapping": CLEAR, "opened": True, "filesystem_made": True}
    assert (seen["again"]["opened"], seen["again"]["filesystem_made"]) == (False, False)
    assert seen["other"] == f"the volume is open as {CLEAR} already; close it there, or use --name deepseek-local"
    assert "it is mounted or in use" in seen["formatted"]
    assert f"the volume is open as {CLEAR}; close it" in seen["erased"]
    assert f"{CLEAR} is mounted on {PLACE}; in use by sleep (process {seen['process']})" in seen["busy"]
    assert seen["status"]["uses"] == [f"mounted on {PLACE}", f"in use by sleep (process {seen['process']})"]
    assert seen["mounted"] == f"{CLEAR} is mounted on {PLACE}; end that, unmount the volume, and close it again"
    assert "lies on the volume whose header it copies" in seen["backup"]
    assert f"(process {seen['us']})" in seen["held"]
    assert (seen["closed"]["closed"], seen["closed_again"]["closed"], seen["gone"]) == (True, False, True)


def test_a_mount_that_only_a_service_sees_is_named(verdicts):
    seen = verdicts["another_namespace"]
    assert f"mounted on {PLACE} for sleep (process {seen['process']})" in seen["said"]


def test_keys_change_below_a_mounted_file_system(verdicts):
    seen = verdicts["keys_changed_while_open"]
    assert "does not unwrap the passphrase" in seen["old"]
    assert seen["closed"]
    assert seen["read"] == "after"


def test_a_killed_opening_leaves_nothing_half(verdicts):
    seen = verdicts["killed_while_opening"]
    assert -9 in seen["codes"]
    assert True in seen["open"]


def test_without_pin_hsm_or_record_the_volume_stays_closed(verdicts):
    seen = verdicts["refused_when_it_must_be"]
    assert seen["closed"]
    assert "is not that of the token" in seen["pin"]
    assert "does not load" in seen["hsm"]
    assert "what is done to the volume cannot be recorded" in seen["record"]
    assert seen["reasons"][-2:] == [seen["pin"], seen["hsm"]]


def test_a_destroyed_header_comes_back_from_its_copy_and_an_erased_one_does_not(verdicts):
    seen = verdicts["damaged_and_restored"]
    assert "has no LUKS2 header that can be read" in seen["damaged"]
    assert seen["kept"]
    assert "holds no passphrase for an HSM" in seen["erased"]


def test_records_of_a_volume_reach_the_log_that_lies_on_it(verdicts):
    seen = verdicts["recorded_in_a_log_on_the_volume"]
    assert seen["waiting"] == ["admin", "key_use", "luks_open"]
    assert seen["delivered"] == {"delivered": 3}
    assert "in use by" in seen["in_use"]
    assert seen["left"] == ["luks_close"]
    assert seen["nothing_waits"]
    assert [tuple(each) for each in seen["kinds"]] == [
        ("admin", "storage_init"),
        ("key_use", "unwrap"),
        ("luks_open", "open"),
        ("admin", "storage_backup_header"),
        ("luks_close", "close"),
        ("key_use", "unwrap"),
        ("luks_open", "open"),
    ]
    assert seen["late"][0] > 0


def test_a_tpm_opens_it_until_its_registers_change(verdicts):
    """What the page says of a TPM, with systemd's own programs."""
    seen = verdicts["opened_by_a_tpm"]
    if seen.get("missing"):
        pytest.skip(
            "swtpm, tpm2-tools or systemd-cryptenroll is not there; requirements/system.txt names their packages"
        )
    assert seen["mapping"] == CLEAR
    assert seen["slots"] == {"0": "hsm", "1": "systemd-tpm2", "30": "recovery_key"}
    assert seen["refused"]
    assert seen["hsm"]
