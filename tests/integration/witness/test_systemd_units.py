"""The units of the witness are valid, and what goes over the network sees nothing but the log."""

import shutil
import subprocess
from pathlib import Path

import click
import pytest

from deepseek_local.cli import audit_witness

pytestmark = pytest.mark.integration

UNITS = Path(__file__).parents[3] / "systemd"
PUSH = UNITS / "deepseek-audit-witness-push@.service"
SERVICES = (PUSH, UNITS / "deepseek-audit-witness.service")
FILES = (*SERVICES, UNITS / "deepseek-audit-witness-push@.timer")

every_service = pytest.mark.parametrize("unit", SERVICES, ids=lambda path: path.name)


def settings(unit: Path) -> list[tuple[str, str]]:
    lines = unit.read_text().splitlines()
    return [tuple(line.split("=", 1)) for line in lines if "=" in line and not line.startswith("#")]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    for unit in FILES:
        # The kit and its users need not be installed where the tests run.
        text = unit.read_text().replace("/opt/deepseek-local/bin/deepseek-local", "/bin/true")
        text = text.replace("=deepseek-local\n", "=root\n").replace("=deepseek-witness\n", "=root\n")
        (tmp_path / unit.name.replace("@", "@demo")).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *map(str, sorted(tmp_path.iterdir()))],
        capture_output=True,
        text=True,
        check=False,
    )
    complaints = [line for line in done.stderr.splitlines() if "witness" in line]
    assert (done.returncode, complaints) == (0, [])


@every_service
def test_the_environment_of_a_unit_names_options(unit: Path) -> None:
    command = dict(settings(unit))["ExecStart"].split()[-1]
    known = {
        option.envvar for option in audit_witness.command.commands[command].params if isinstance(option, click.Option)
    }
    named = {value.split("=")[0] for key, value in settings(unit) if key == "Environment"}
    assert named
    assert named <= known


@every_service
def test_a_unit_talks_to_nobody_before_a_drop_in_says_so(unit: Path) -> None:
    found = dict(settings(unit))
    assert (found["IPAddressDeny"], found["IPAddressAllow"]) == ("any", "localhost")


def test_the_push_sees_of_the_deployment_only_the_audit_log() -> None:
    found = dict(settings(PUSH))
    home = "/var/lib/deepseek-local"
    assert found["TemporaryFileSystem"] == f"{home}:ro"
    assert found["BindReadOnlyPaths"] == f"{home}/%i/audit"
    written = found["BindPaths"].split()
    assert written == [f"{home}/%i/audit/tlog", f"{home}/%i/audit/cosignatures.jsonl"]
