"""
What is done to an encrypted volume inside the other kernel, which has device-mapper: `python -m tests.faults.inside_volume [SCENARIO]...`.

The disk is the block device of the host's file; the HSM is SoftHSM with its token in memory.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from soft_token import PIN
from volume import NEXT_KEY, Volume

from deepseek_local.storage import mapping
from tests.faults.disk_for_volumes import (
    CLEAR,
    DEVICE,
    NAME,
    PLACE,
    Scenario,
    clean_up,
    make,
    mount,
    prepared,
    system,
    unmount,
)
from tests.faults.user_mode_linux import MARK
from tests.integration.audit.conftest import Sequencer

SYSTEMD_CRYPTSETUP = "/lib/systemd/systemd-cryptsetup"
CANARY = b"the patient's name is CANARY-7f3a1c "


def opened_and_closed(volume: Volume) -> dict[str, object]:
    """Data written, closed, opened and read again; refusals in between."""
    first = volume.done("open", "--make-filesystem", "--format=json").data
    mount()
    (PLACE / "canary").write_bytes(CANARY * 20_000)
    os.sync()
    again = volume.done("open", "--make-filesystem", "--format=json").data
    other = volume.refused("open", "--name", "other")
    formatted = volume.refused("init", "--yes", "--force", str(DEVICE), "--header-backup", str(volume.backup()))
    erased = volume.refused("erase", typed=volume.header().uuid)

    holder = subprocess.Popen(("sleep", "1000"), cwd=PLACE)
    busy = volume.refused("close")
    status = volume.done("status", "--check", "--format=json").data
    holder.kill()
    holder.wait()
    mounted = volume.refused("close")
    backup = volume.refused("backup-header", str(PLACE / "header"))
    unmount()
    with Path(CLEAR).open("rb") as stream:
        seen_in_the_clear = CANARY in stream.read()
        held = volume.refused("close")

    closed = volume.done("close", "--format=json").data
    closed_again = volume.done("close", "--format=json").data
    gone = not Path(CLEAR).exists()
    volume.done("open")
    mount()
    kept = (PLACE / "canary").read_bytes() == CANARY * 20_000
    return {
        "first": first,
        "again": again,
        "other": other,
        "formatted": formatted,
        "erased": erased,
        "busy": busy,
        "process": holder.pid,
        "status": status,
        "mounted": mounted,
        "backup": backup,
        "held": held,
        "us": os.getpid(),
        "seen_in_the_clear": seen_in_the_clear,
        "closed": closed,
        "closed_again": closed_again,
        "gone": gone,
        "kept": kept,
    }


def another_namespace(volume: Volume) -> dict[str, object]:
    """A service with a mount namespace of its own keeps the volume, although nobody else sees it mounted."""
    volume.done("open", "--make-filesystem")
    mount()
    holder = subprocess.Popen(("unshare", "--mount", "--propagation", "private", "sleep", "1000"))
    while Path(f"/proc/{holder.pid}/comm").read_text() != "sleep\n":
        pass
    unmount()
    said = volume.refused("close")
    holder.kill()
    holder.wait()
    volume.done("close")
    return {"said": said, "process": holder.pid}


def keys_changed_while_open(volume: Volume) -> dict[str, object]:
    """The header changes below a mounted file system; afterwards only the new key opens it, and the recovery key by hand."""
    volume.done("open", "--make-filesystem")
    mount()
    (PLACE / "file").write_text("before")
    volume.done("rekey", "--new-key", volume.token.uri(NEXT_KEY), "--header-backup", str(volume.backup()))
    (PLACE / "file").write_text("after")
    unmount()
    volume.done("close")
    old = volume.refused("open")
    closed = not Path(CLEAR).exists()
    volume.done("open", "--key", volume.token.uri(NEXT_KEY))
    volume.done("close")
    system("cryptsetup", "open", "--key-file=-", str(DEVICE), NAME, input=volume.recovery_key)
    mount()
    return {"old": old, "closed": closed, "read": (PLACE / "file").read_text()}


def killed_while_opening(volume: Volume) -> dict[str, object]:
    """`kill -9` in and after the opening itself: the volume is open or closed, and the next command does what it should."""
    volume.done("open", "--make-filesystem")
    volume.done("close")
    volume.kill_at(None)
    volume.done("open")
    at = len(volume.calls())
    volume.done("close")
    states = []
    for how in ("0.1", "after"):
        volume.kill_at(at, how)
        code = volume.run("open").code
        volume.kill_at(None)
        states.append((code, mapping.find(volume.header().uuid) is not None))
        volume.done("open")
        mount()
        unmount()
        volume.done("close")
    return {"codes": sorted({code for code, _ in states}), "open": sorted({is_open for _, is_open in states})}


def refused_when_it_must_be(volume: Volume) -> dict[str, object]:
    """Wrong PIN, no HSM, no room for the record: the volume stays closed."""
    said = {}
    volume.token.pin_file.write_text("111111\n")
    said["pin"] = volume.refused("open")
    volume.token.pin_file.write_text(f"{PIN}\n")
    said["hsm"] = volume.refused("open", SOFTHSM2_CONF="/nonexistent")
    full = Path("/run/full")
    full.mkdir()
    system("mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=1", "tmpfs", str(full))
    said["record"] = volume.refused("open", "--records", str(full / "records"))
    said["closed"] = mapping.find(volume.header().uuid) is None
    said["reasons"] = [record["fields"].get("reason") for record in volume.waiting() if record["kind"] == "luks_open"]
    return said


def damaged_and_restored(volume: Volume) -> dict[str, object]:
    """Header and key slots destroyed, restored from the copy; then everything destroyed on purpose."""
    volume.done("open", "--make-filesystem")
    mount()
    (PLACE / "canary").write_bytes(CANARY)
    unmount()
    volume.done("close")
    with DEVICE.open("r+b", buffering=0) as stream:
        for _ in range(16):
            stream.write(bytes(1024 * 1024))
    damaged = volume.refused("open")
    system("cryptsetup", "luksHeaderRestore", "-q", "--header-backup-file", str(volume.copy), str(DEVICE))
    volume.done("open")
    mount()
    kept = (PLACE / "canary").read_bytes() == CANARY
    unmount()
    volume.done("close")
    volume.done("erase", typed=volume.header().uuid)
    return {"damaged": damaged, "kept": kept, "erased": volume.refused("open")}


def recorded_in_a_log_on_the_volume(volume: Volume) -> dict[str, object]:
    """The audit log lies on the volume: its records wait outside and come in order once the sequencer runs."""
    volume.done("open", "--make-filesystem")
    mount()
    waiting = [record["kind"] for record in volume.waiting()]
    sequencer = Sequencer(PLACE, PLACE / "log")
    sequencer.socket = Path("/run/audit.sock")
    sequencer.start()
    delivered = volume.done("deliver", "--audit-socket", str(sequencer.socket), "--format=json").data
    volume.done("backup-header", str(volume.backup()), "--audit-socket", str(sequencer.socket))
    in_use = volume.refused("close")
    sequencer.end()
    unmount()
    volume.done("close")
    left = [record["kind"] for record in volume.waiting()]
    volume.done("open")
    mount()
    sequencer.start()
    volume.done("deliver", "--audit-socket", str(sequencer.socket))
    kinds = [(each["kind"], each["act"]) for each in sequencer.records() if "act" in each]
    late = [each["late_us"] for each in sequencer.records() if each["kind"] == "luks_close"]
    sequencer.end()
    return {
        "waiting": waiting,
        "delivered": delivered,
        "in_use": in_use,
        "left": left,
        "kinds": kinds,
        "late": late,
        "nothing_waits": volume.waiting() == [],
    }


def opened_by_a_tpm(volume: Volume) -> dict[str, object]:
    """Enrolled by systemd while the TPM's PCR 7 has one value, refused once it has another."""
    if any(shutil.which(each) is None for each in ("swtpm", "swtpm_setup", "tpm2_pcrextend", "systemd-cryptenroll")):
        return {"missing": True}
    state, device = Path("/run/tpm"), "swtpm:host=127.0.0.1"
    state.mkdir()
    system("ip", "link", "set", "lo", "up")
    # swtpm_setup knows no place but /tmp for its own; for all others what lies there stays, it may be this checkout.
    setup = f"mount -t tmpfs tmpfs /tmp && exec swtpm_setup --tpm2 --tpmstate {state}"
    system("unshare", "--mount", "sh", "-c", setup)
    ports = ("--server", "type=tcp,port=2321", "--ctrl", "type=tcp,port=2322")
    system("swtpm", "socket", "--tpm2", "--tpmstate", f"dir={state}", *ports, "--flags", "startup-clear", "--daemon")
    system("tpm2_pcrextend", "-T", device, f"7:sha256={'11' * 32}")
    typed = {**os.environ, "PASSWORD": volume.recovery_key}
    system("systemd-cryptenroll", f"--tpm2-device={device}", "--tpm2-pcrs=7", str(DEVICE), env=typed)
    attach = (SYSTEMD_CRYPTSETUP, "attach", NAME, str(DEVICE), "-", f"tpm2-device={device},headless=1")
    system(*attach)
    opened = volume.done("status", "--format=json").data
    volume.done("close")
    system("tpm2_pcrextend", "-T", device, f"7:sha256={'22' * 32}")
    refused = subprocess.run(attach, check=False, capture_output=True)
    return {
        "mapping": opened["mapping"],
        "slots": {slot["number"]: slot["opened_by"] for slot in opened["slots"]},
        "refused": refused.returncode != 0 and not Path(CLEAR).exists(),
        "hsm": volume.done("status", "--check", "--format=json").data["checked"],
    }


SCENARIOS: tuple[tuple[Scenario, ...], ...] = (
    (
        recorded_in_a_log_on_the_volume,
        another_namespace,
        killed_while_opening,
        refused_when_it_must_be,
        opened_by_a_tpm,
        keys_changed_while_open,
    ),
    (damaged_and_restored,),
    (opened_and_closed,),  # the last, because what is on the disk afterwards is looked at from outside
)
"""Those that can share a volume."""


def main(names: list[str]) -> None:
    volume, verdicts = prepared(), {}
    for group in SCENARIOS:
        chosen = [scenario for scenario in group if not names or scenario.__name__ in names]
        if chosen:
            make(volume)
        for scenario in chosen:
            verdicts[scenario.__name__] = scenario(volume)
            clean_up()
    print(f"{MARK}{json.dumps(verdicts)}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
