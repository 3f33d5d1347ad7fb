"""Killed at any change to the file system, and between any two steps in front of a running nginx: the next run ends right."""

import json
import os
import shutil
import subprocess
import sys
import textwrap
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.x509 import ReasonFlags
from killed import every_death

from deepseek_local.identity import denied
from deepseek_local.pki import certificates, founding, ledger, standing
from deepseek_local.pki.build import Purpose
from deepseek_local.pki.due import Alarm
from deepseek_local.pki.layout import Layout
from deepseek_local.rotation import renewal, revocation
from deepseek_local.rotation.installation import Step
from deepseek_local.rotation.renewal import Job, Outcome

pytestmark = pytest.mark.integration

NOW = datetime.now(UTC).replace(microsecond=0)
LATER = NOW + timedelta(days=70)
STRIDE = 1 if "DEEPSEEK_LOCAL_KILL_ROUNDS" in os.environ else 4
"""Of the changes at which the founding is killed: `make faults` takes every one."""

_SCRIPT = """
    import os, sys
    from pathlib import Path
    from datetime import UTC, datetime
    from deepseek_local.pki import names
    from deepseek_local.pki.layout import Layout
    from deepseek_local.rotation import renewal, revocation
    from deepseek_local.rotation.nginx import Nginx
    from deepseek_local.rotation.renewal import Job
    home, configuration, port, step = sys.argv[1:]
    def tell(done):
        if done == step:
            os._exit(9)
    nginx = Nginx(Path(configuration), "127.0.0.1", int(port), "api.hospital.example")
    wanted = names.server(["api.hospital.example", "127.0.0.1"])
    job = Job(Layout(Path(home) / "pki"), wanted, nginx, lambda *_: None, tell)
    renewal.run(job, datetime.now(UTC).replace(microsecond=0), at_once=True)
"""


def job(site) -> Job:
    names = certificates.alternative_names(certificates.read(site.layout.server.current / "certificate.pem"))
    return Job(site.layout, names, None, lambda *_: None, lambda _: None)


def accepted(site) -> bool:
    """Whether nginx would start now."""
    command = ["nginx", "-e", "stderr", "-t", "-q", "-c", str(site.configuration)]
    path = f"{os.environ['PATH']}:/usr/sbin"
    return subprocess.run(command, check=False, capture_output=True, env={"PATH": path}).returncode == 0


@pytest.mark.parametrize("step", Step)
def test_killed_after_a_step_the_next_run_ends_with_what_is_in_use_being_served(site, step, capsys):
    arguments = [str(site.home), str(site.configuration), str(site.port), step]
    with site.served() as nginx:
        assert site.rotate() == 0
        old = site.current_serial()
        done = subprocess.run([sys.executable, "-c", textwrap.dedent(_SCRIPT), *arguments], check=False)
        assert done.returncode == 9, "no step was skipped"
        assert accepted(site)
        assert nginx.poll() is None
        assert site.served_serial() in (old, site.current_serial())
        capsys.readouterr()
        assert site.rotate("--format", "json") == 0
        outcome = json.loads(capsys.readouterr().out)["outcome"]
        interrupted = (Step.SWITCHED, Step.TESTED, Step.RELOADED, Step.SERVED)
        assert outcome == (Outcome.COMPLETED if step in interrupted else Outcome.NOT_DUE)
        assert site.served_serial() == site.current_serial()
        assert site.layout.server.is_proven(site.layout.server.current)


def test_killed_at_any_change_of_a_renewal_nginx_can_start_and_the_next_run_ends_right(site):
    renewal.run(job(site), NOW)
    site.configure(1)
    pristine = site.place / "pristine"
    shutil.copytree(site.layout.directory, pristine, symlinks=True)

    def prepare() -> None:
        shutil.rmtree(site.layout.directory)
        shutil.copytree(pristine, site.layout.directory, symlinks=True)

    deaths = 0
    for deaths, _ in enumerate(every_death(prepare, lambda: renewal.run(job(site), LATER)), 1):  # noqa: B007 -- counted
        assert accepted(site)
        assert renewal.run(job(site), LATER) in Outcome
        assert renewal.run(job(site), LATER) is Outcome.NOT_DUE
        versions = site.layout.server
        assert versions.is_proven(versions.current)
        assert not [each for each in versions.directory.iterdir() if each.name.startswith(".draft")]
        assert {each.stat().st_mode & 0o777 for each in versions.directory.glob("v*/*")} == {0o600}
    assert deaths > 15


def test_killed_at_any_change_of_a_revocation_the_next_run_completes_it(site):
    serial = certificates.read(site.bundle("u:alice")).serial_number
    pristine, denied_file = site.place / "pristine", site.home / "denied-serials.txt"
    shutil.copytree(site.layout.directory, pristine, symlinks=True)

    def prepare() -> None:
        shutil.rmtree(site.layout.directory)
        shutil.copytree(pristine, site.layout.directory, symlinks=True)
        denied_file.unlink(missing_ok=True)

    def work() -> None:
        found = revocation.find(site.layout, "u:alice", "hospital.example", NOW)
        why = ReasonFlags.unspecified
        revocation.revoke(site.layout, found, why, NOW, denied=denied_file, nginx=None, record=lambda *_: None)

    deaths = 0
    for deaths, _ in enumerate(every_death(prepare, work), 1):  # noqa: B007 -- counted
        work()
        assert denied.read(denied_file) == {serial}
        issuer = site.layout.hierarchy(Purpose.CLIENT).issuer
        assert [int(each.serial, 16) for each in ledger.read(issuer.directory).withdrawn] == [serial]
        lists = (site.layout.trust / "client-crl.pem").read_bytes()
        assert (issuer.directory / "crl.pem").read_bytes() in lists
        assert standing.read_list(issuer.directory / "crl.pem").get_revoked_certificate_by_serial_number(serial)
    assert deaths > 10


def test_killed_at_any_change_of_the_founding_the_next_run_completes_it(tmp_path):
    layout = Layout(tmp_path / "pki")

    def prepare() -> None:
        shutil.rmtree(layout.directory, ignore_errors=True)

    def work() -> None:
        founding.found(layout, "hospital.example", ["hospital.example"], NOW)

    deaths = 0
    for deaths, _ in enumerate(every_death(prepare, work, STRIDE), 1):  # noqa: B007 -- counted
        work()
        before = {place: place.read_bytes() for place in layout.directory.rglob("*.pem")}
        work()
        assert {place: place.read_bytes() for place in layout.directory.rglob("*.pem")} == before
        assert len(before) == 4 * 3 + 5
        assert {each.alarm for each in standing.of(layout, NOW)} == {Alarm.NONE}
        assert [layout.hierarchy(purpose).issuer.name for purpose in Purpose] == ["server-ica-1", "client-ica-1"]
    assert deaths * STRIDE > 60
