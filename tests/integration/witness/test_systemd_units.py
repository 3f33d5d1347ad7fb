"""The units of the witness are valid, and what goes over the network sees nothing but the log."""

import shutil
from pathlib import Path

import click
import pytest
import unit_files

from deepseek_local.cli import audit_witness

pytestmark = pytest.mark.integration

UNITS = Path(__file__).parents[3] / "systemd"
PUSH = UNITS / "deepseek-audit-witness-push@.service"
SERVICES = (PUSH, UNITS / "deepseek-audit-witness.service")
FILES = (*SERVICES, UNITS / "deepseek-audit-witness-push@.timer")

every_service = pytest.mark.parametrize("unit", SERVICES, ids=lambda path: path.name)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    assert unit_files.complaints(FILES, tmp_path) == (0, [])


@every_service
def test_the_environment_of_a_unit_names_options(unit: Path) -> None:
    command = dict(unit_files.settings(unit))["ExecStart"].split()[-1]
    known = {
        option.envvar for option in audit_witness.command.commands[command].params if isinstance(option, click.Option)
    }
    named = {value.split("=")[0] for key, value in unit_files.settings(unit) if key == "Environment"}
    assert named
    assert named <= known


@every_service
def test_a_unit_talks_to_nobody_before_a_drop_in_says_so(unit: Path) -> None:
    found = dict(unit_files.settings(unit))
    assert (found["IPAddressDeny"], found["IPAddressAllow"]) == ("any", "localhost")


def test_the_push_sees_of_the_deployment_only_the_audit_log() -> None:
    found = dict(unit_files.settings(PUSH))
    home = "/var/lib/deepseek-audit"
    assert found["User"] == "deepseek-audit"
    assert found["InaccessiblePaths"] == "-/var/lib/deepseek-local"
    assert found["TemporaryFileSystem"] == f"{home}:ro"
    assert found["BindReadOnlyPaths"] == f"{home}/%i/log"
    written = found["BindPaths"].split()
    assert written == [f"{home}/%i/log/tlog", f"{home}/%i/log/cosignatures.jsonl"]
