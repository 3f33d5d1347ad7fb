"""The unit is valid, leaves enough time to drain, and says why wherever it is not strict."""

import shutil
import subprocess
from pathlib import Path

import pytest

from deepseek_local.profile import library, load
from deepseek_local.supervisor.drain import MARGIN_SECONDS

pytestmark = pytest.mark.integration

UNIT = Path(__file__).parents[2] / "systemd" / "deepseek-local@.service"
RELAXED = (
    "PrivateDevices=no",
    "MemoryDenyWriteExecute=no",
    "RestrictAddressFamilies=",
    "IPAddressAllow=",
    "TimeoutStartSec=",
    "LimitMEMLOCK=",
)


def settings() -> dict[str, str]:
    lines = UNIT.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "deepseek-local@demo.service"
    # The kit and its user need not be installed where the tests run.
    text = (
        UNIT.read_text()
        .replace("/opt/deepseek-local/bin/deepseek-local", "/bin/true")
        .replace("=deepseek-local\n", "=root\n")
    )
    unit.write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    complaints = [line for line in done.stderr.splitlines() if unit.name in line]
    assert (done.returncode, complaints) == (0, [])


def test_there_is_time_to_drain_before_systemd_kills() -> None:
    longest = max(load.load(name).engine.drain_timeout_seconds for name in library.names())
    assert int(settings()["TimeoutStopSec"]) >= longest + MARGIN_SECONDS


@pytest.mark.parametrize("setting", RELAXED)
def test_a_reason_stands_above_every_relaxed_line(setting: str) -> None:
    lines = UNIT.read_text().splitlines()
    (index,) = [index for index, line in enumerate(lines) if line.startswith(setting)]
    above = lines[index - 1] if not lines[index - 1].startswith("IPAddressDeny") else lines[index - 2]
    assert above.startswith("# ")
