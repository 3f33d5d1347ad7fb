"""
A kernel of our own for an hour's worth of trouble: user-mode-linux (apt: user-mode-linux kmod dmsetup e2fsprogs).

It runs as a process of the host, sees the host's files read-only, and has devices and a clock that may be mistreated. What is called inside
is a Python module, which prints its verdict as one line of JSON after a mark.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

MARK = "VERDICT "
MODULES = Path("/usr/lib/uml/modules")
FLAKY = ("dm-mod", "dm-flakey")
CRYPT = ("cbc", "ecb", "xts", "hmac", "essiv", "encrypted-keys", "dm-mod", "dm-crypt")
"""In this order: dm-crypt wants the others to be there."""
DISK = "disk.img"
NEEDED = ("linux.uml", "modprobe", "dmsetup", "mkfs.ext4")
DISK_BYTES = 48 * 1024 * 1024
BOOT_SECONDS = 240.0

INIT = """#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin DM_DISABLE_UDEV=1 PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=tests/support
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /mnt
mkdir -p /run/modules/lib
ln -s {modules} /run/modules/lib/modules
for each in {needed}; do modprobe -d /run/modules $each; done
cd {root}
export TMPDIR=/run
{python} -m {module} {arguments} 2>&1
halt -f
"""


def why_not() -> str | None:
    """Say why it cannot run here; None if it can."""
    missing = [name for name in NEEDED if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None]
    if missing:
        return f"{', '.join(missing)} not found, install user-mode-linux, kmod, dmsetup and e2fsprogs"
    if os.geteuid() != 0:
        return "only root may read all of the host's files, which are its root file system"
    return None


def call(place: Path, module: str, *arguments: str, needed: Sequence[str] = FLAKY) -> dict[str, object]:
    """Boot with a fresh disk in `place` and modules of the kernel, call a module of ours, and return its verdict."""
    disk, init = place / DISK, place / "init"
    with disk.open("wb") as stream:
        stream.truncate(DISK_BYTES)
    root = Path(__file__).parents[2]
    words = " ".join(arguments)
    script = INIT.format(
        modules=MODULES, needed=" ".join(needed), root=root, python=sys.executable, module=module, arguments=words
    )
    init.write_text(script, "utf-8")
    init.chmod(0o700)
    said = _boot(disk, init)
    verdicts = [line.partition(MARK)[2] for line in said.splitlines() if MARK in line]
    assert verdicts, said[-6000:]
    verdict: dict[str, object] = json.loads(verdicts[-1])
    return verdict


def _boot(disk: Path, init: Path) -> str:
    root = ("root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro")
    consoles = ("con=null", "con0=null,fd:1", "con1=null", "quiet")
    command = ("linux.uml", "mem=768M", *root, f"init={init}", f"ubd0={disk}", *consoles)
    result = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=BOOT_SECONDS,
        cwd=init.parent,
        start_new_session=True,
    )
    return (result.stdout + result.stderr).decode("utf-8", "replace")
