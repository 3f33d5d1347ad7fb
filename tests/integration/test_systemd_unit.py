"""The unit is valid, leaves enough time to drain, and says why wherever it is not strict."""

import shutil
from pathlib import Path

import pytest
import unit_files

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


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    assert unit_files.complaints([UNIT], tmp_path) == (0, [])


def test_there_is_time_to_drain_before_systemd_kills() -> None:
    longest = max(load.load(name).engine.drain_timeout_seconds for name in library.names())
    assert int(dict(unit_files.settings(UNIT))["TimeoutStopSec"]) >= longest + MARGIN_SECONDS


@pytest.mark.parametrize("setting", RELAXED)
def test_a_reason_stands_above_every_relaxed_line(setting: str) -> None:
    lines = UNIT.read_text().splitlines()
    (index,) = [index for index, line in enumerate(lines) if line.startswith(setting)]
    above = lines[index - 1] if not lines[index - 1].startswith("IPAddressDeny") else lines[index - 2]
    assert above.startswith("# ")
