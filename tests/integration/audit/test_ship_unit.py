"""The unit that ships nginx's log is valid, names real options, and can reach nothing but two sockets."""

import shutil
import subprocess
from pathlib import Path

import pytest

from deepseek_local.cli import audit_ship

pytestmark = pytest.mark.integration

UNIT = Path(__file__).parents[3] / "systemd" / "deepseek-audit-nginx@.service"


def settings() -> list[tuple[str, str]]:
    lines = UNIT.read_text().splitlines()
    return [tuple(line.split("=", 1)) for line in lines if "=" in line and not line.startswith("#")]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "deepseek-audit-nginx@demo.service"
    # The kit and its user need not be installed where the tests run.
    text = UNIT.read_text().replace("/opt/deepseek-local/bin/deepseek-local", "/bin/true")
    unit.write_text(text.replace("=deepseek-local\n", "=root\n"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    complaints = [line for line in done.stderr.splitlines() if unit.name in line]
    assert (done.returncode, complaints) == (0, [])


def test_the_environment_of_the_unit_names_options() -> None:
    known = {option.envvar for option in audit_ship.command.params}
    named = {value.split("=")[0] for key, value in settings() if key == "Environment"}
    assert named <= known
    assert len(named) == 3


def test_it_has_no_network_and_sees_no_file_of_the_deployment() -> None:
    found = dict(settings())
    assert (found["PrivateNetwork"], found["RestrictAddressFamilies"]) == ("yes", "AF_UNIX")
    assert found["InaccessiblePaths"] == "-/var/lib/deepseek-local"
