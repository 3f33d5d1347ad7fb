"""What the units of the sequencer and of the engine may not do, seen from inside: their command is replaced by one that tries."""

import json

import pytest
from container import KIT, Container

pytestmark = pytest.mark.integration

TRY = """
import ctypes, json, mmap, os, socket
from pathlib import Path
from deepseek_local.hsm.pin import read

def tried(action):
    try:
        action()
    except (OSError, ValueError) as error:
        return type(error).__name__
    return "done"

def connect():
    with socket.create_connection(("192.0.2.1", 443), 1):
        pass

libc = ctypes.CDLL(None, use_errno=True)

def call(name, *arguments):
    if getattr(libc, name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), name)

others = [p for p in Path("/proc").iterdir() if p.name.isdecimal() and (p / "status").exists() and os.stat(p).st_uid != os.getuid()]
print(json.dumps({
    "write_etc": tried(lambda: Path("/etc/mine").write_text("x")),
    "write_usr": tried(lambda: Path("/usr/mine").write_text("x")),
    "read_secret": tried(lambda: Path("/srv/secret").read_text()),
    "see_home": tried(lambda: os.listdir("/root")),
    "see_log": tried(lambda: os.listdir("/var/lib/deepseek-audit/other")),
    "see_deployment": tried(lambda: os.listdir("/var/lib/deepseek-local/other")),
    "internet_socket": tried(lambda: socket.socket(socket.AF_INET).close()),
    "raw_socket": tried(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()),
    "connect": tried(connect),
    "interfaces": sorted(name for _, name in socket.if_nameindex()) if tried(socket.if_nameindex) == "done" else [],
    "writable_code": tried(lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()),
    "namespace": tried(lambda: call("unshare", 0x10000000)),
    "mount": tried(lambda: call("mount", b"none", b"/tmp", b"tmpfs", 0, None)),
    "set_time": tried(lambda: call("settimeofday", (ctypes.c_long * 2)(0, 0), None)),
    "open_kernel_log": tried(lambda: open("/dev/kmsg").close()),
    "others_processes": len(others),
    "pin": read(Path(os.environ["CREDENTIALS_DIRECTORY"], "pin")) if "CREDENTIALS_DIRECTORY" in os.environ else None,
    "home_is_ours": tried(lambda: Path(os.environ["STATE_DIRECTORY"], "mine").write_text("x")),
}))
"""

DENIED = ("write_etc", "write_usr", "read_secret", "see_home", "see_log", "raw_socket", "connect", "namespace", "mount")
DENIED = (*DENIED, "set_time", "open_kernel_log")


def attempts(host: Container, unit: str) -> dict[str, object]:
    """Run the attempts as another instance of a unit, with everything that its file says."""
    instance = unit.replace("@", "@probe")
    host.write("/srv/try.py", TRY)
    host.write("/srv/secret", "not yours", mode="0600")
    host.write("/etc/credstore/deepseek-local-audit.probe.pin", "1234", mode="0600")
    host.run("install", "-d", "/var/lib/deepseek-audit/other", "/var/lib/deepseek-local/other", ok=(0,))
    host.override(
        instance,
        f"[Unit]\nWants=\n[Service]\nType=oneshot\nRestart=no\nExecStart=\nExecStart={KIT}/bin/python /srv/try.py\n"
        "WatchdogSec=0\nStandardOutput=truncate:/srv/found\n",
    )
    host.write("/srv/found", "", mode="0666")
    host.systemctl("start", instance)
    return json.loads(host.run("cat", "/srv/found", ok=(0,)).stdout)


def test_the_sequencer_reaches_its_own_directory_and_nothing_else(host: Container) -> None:
    found = attempts(host, "deepseek-local-audit@.service")
    assert found.pop("home_is_ours") == "done"
    assert found.pop("pin") == "1234"
    assert found.pop("others_processes") == 0
    assert found.pop("interfaces") in ([], ["lo"])
    assert {name for name, result in found.items() if result == "done"} == {"see_log"}
    assert host.run("ls", "/etc/mine", "/usr/mine").returncode != 0


def test_the_engine_generates_code_and_uses_the_loopback_interface_and_that_is_all(host: Container) -> None:
    found = attempts(host, "deepseek-local@.service")
    assert found["home_is_ours"] == found["writable_code"] == found["internet_socket"] == "done"
    assert found["others_processes"] == 0
    assert {name for name in DENIED if found[name] == "done"} == set()
