"""What the unit files say: how exposed they are by systemd's own count, and that every line weaker than the strictest has its reason above."""

import re
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest
import unit_files
from container import SYSTEMD

pytestmark = pytest.mark.integration

SERVICES = sorted(SYSTEMD.glob("*.service"))
LIMIT = 1.2
LIMITS = {
    "deepseek-local@.service": 2.0,
    # They test, signal and look at nginx: root, a network and three capabilities.
    "deepseek-local-certs-crl@.service": 2.2,
    "deepseek-local-certs-rotate@.service": 2.2,
}
STRICT = {
    "NoNewPrivileges": "yes",
    "CapabilityBoundingSet": "",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "ProtectProc": "invisible",
    "ProcSubset": "pid",
    "ProtectClock": "yes",
    "ProtectHostname": "yes",
    "ProtectKernelLogs": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectControlGroups": "yes",
    "PrivateTmp": "yes",
    "PrivateMounts": "yes",
    "PrivateDevices": "yes",
    "PrivateNetwork": "yes",
    "LockPersonality": "yes",
    "MemoryDenyWriteExecute": "yes",
    "RestrictRealtime": "yes",
    "RestrictSUIDSGID": "yes",
    "RestrictNamespaces": "yes",
    "SystemCallArchitectures": "native",
    "RestrictAddressFamilies": "AF_UNIX",
    "IPAddressDeny": "any",
    "LimitCORE": "0",
}
ALWAYS_EXPLAINED = (
    "ReadWritePaths",
    "BindPaths",
    "IPAddressAllow",
    "DeviceAllow",
    "LimitMEMLOCK",
    "SupplementaryGroups",
)
FAMILY = re.compile(r"(Device|PrivateDevices)")


def lines_of(unit: Path) -> list[str]:
    return unit.read_text().splitlines()


def is_explained(lines: list[str], index: int) -> bool:
    """Whether a comment stands above the line, or above those about devices that it belongs to."""
    above = lines[index - 1]
    return above.startswith("# ") or bool(
        FAMILY.match(lines[index]) and FAMILY.match(above) and is_explained(lines, index - 1)
    )


def weak_lines(unit: Path) -> list[str]:
    """Return the lines that are weaker than the strictest and have no reason above, and what is missing altogether."""
    lines, said = lines_of(unit), defaultdict(list)
    for index, line in enumerate(lines):
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            said[name].append((index, value))
    wrong = [f"{name}= is missing" for name in STRICT if name not in said]
    for name, found in said.items():
        for index, value in found:
            weak = name in ALWAYS_EXPLAINED or STRICT.get(name, value) != value or value.startswith("@chown")
            if weak and not is_explained(lines, index):
                wrong.append(lines[index])
    return wrong


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_every_line_weaker_than_the_strictest_has_its_reason_above(unit: Path) -> None:
    assert weak_lines(unit) == []


def test_a_line_without_a_reason_is_found(tmp_path: Path) -> None:
    text = (SYSTEMD / "deepseek-local-audit@.service").read_text()
    (tmp_path / "x.service").write_text(
        text.replace("ProtectHome=yes", "ProtectHome=no").replace("PrivateTmp=yes\n", "")
    )
    assert weak_lines(tmp_path / "x.service") == ["PrivateTmp= is missing", "ProtectHome=no"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_systemd_counts_little_exposure(unit: Path) -> None:
    limit = LIMITS.get(unit.name, LIMIT)
    command = (
        "systemd-analyze",
        "security",
        "--offline=true",
        f"--threshold={limit * 10:.0f}",
        "--no-pager",
        str(unit),
    )
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-300:] + done.stderr


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_the_user_of_every_unit_is_made_or_is_root(unit: Path) -> None:
    made = re.findall(r"^u (\S+)", (SYSTEMD / "sysusers.d" / "deepseek-local.conf").read_text(), re.MULTILINE)
    users = re.findall(r"^User=(\S+)", unit.read_text(), re.MULTILINE)
    assert set(users) <= {*made, "root"}


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_accepts_all_of_them(tmp_path: Path) -> None:
    assert unit_files.complaints([*SERVICES, *sorted(SYSTEMD.glob("*.timer"))], tmp_path) == (0, [])
