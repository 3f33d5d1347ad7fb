"""The unit that ships nginx's log is valid, names real options, and can reach nothing but two sockets."""

import shutil
from pathlib import Path

import pytest
import unit_files

from deepseek_local.cli import audit_ship

pytestmark = pytest.mark.integration

UNIT = Path(__file__).parents[3] / "systemd" / "deepseek-audit-nginx@.service"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    assert unit_files.complaints([UNIT], tmp_path) == (0, [])


def test_the_environment_of_the_unit_names_options() -> None:
    known = {option.envvar for option in audit_ship.command.params}
    named = {value.split("=")[0] for key, value in unit_files.settings(UNIT) if key == "Environment"}
    assert named <= known
    assert len(named) == 3


def test_it_has_no_network_and_sees_no_file_of_the_deployment() -> None:
    found = dict(unit_files.settings(UNIT))
    assert (found["PrivateNetwork"], found["RestrictAddressFamilies"]) == ("yes", "AF_UNIX")
    assert found["InaccessiblePaths"] == "-/var/lib/deepseek-local -/var/lib/deepseek-audit"
