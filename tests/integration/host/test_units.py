"""The units that a preparation installs are what systemd takes without a word."""

import shutil
import subprocess

import pytest

from deepseek_local.host import units

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"),
]


@pytest.mark.parametrize(
    ("name", "text"),
    [("firewall", units.FIREWALL), ("shm", units.shared_memory(16 * 1024**3))],
    ids=["firewall", "shm"],
)
def test_systemd_takes_the_unit(tmp_path, name, text):
    if name == "firewall" and shutil.which("nft", path="/usr/sbin") is None:
        pytest.skip("nft is not installed")
    unit = tmp_path / f"deepseek-local-{name}.service"
    unit.write_text(text)
    words = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(unit)]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout + ended.stderr) == (0, "")
