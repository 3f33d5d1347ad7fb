"""The units of the encrypted volume: valid, narrow, and a reason above what is not."""

import shutil
import subprocess
from pathlib import Path

import pytest
import unit_files

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"),
]

SYSTEMD = Path(__file__).parents[3] / "systemd"
OPENING = SYSTEMD / "deepseek-local-storage@.service"
RECORDS = SYSTEMD / "deepseek-local-storage-records@.service"
RELAXED = ("CapabilityBoundingSet=", "PrivateDevices=no", "ProtectKernelModules=", "LimitMEMLOCK=", "RuntimeDirectory=")


def test_systemd_accepts_them(tmp_path):
    assert unit_files.complaints([OPENING, RECORDS], tmp_path) == (0, [])


@pytest.mark.parametrize("unit", [OPENING, RECORDS])
def test_their_exposure_is_at_most_that_of_the_other_small_units(unit, tmp_path):
    copy = tmp_path / unit.name
    shutil.copy(unit, copy)
    command = ("systemd-analyze", "security", "--offline=true", "--threshold=12", str(copy))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("setting", RELAXED)
def test_a_reason_stands_above_every_relaxed_line(setting):
    lines = OPENING.read_text().splitlines()
    (index,) = [index for index, line in enumerate(lines) if line.startswith(setting)]
    assert lines[index - 1].startswith("# ")


def test_a_wrong_pin_is_not_tried_again_and_again():
    assert "Restart" not in dict(unit_files.settings(OPENING))


def test_the_deployment_waits_for_the_mount():
    settings = unit_files.settings(SYSTEMD / "deepseek-local@.service")
    assert ("RequiresMountsFor", "/var/lib/deepseek-local/%i") in settings
    assert "deepseek-local@%i.service" in dict(unit_files.settings(OPENING))["Before"]
