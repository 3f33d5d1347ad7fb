"""What `certs` does is in the audit log of the deployment that runs, before it counts."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from certified_site import NGINX, CertifiedSite
from served import short_directory
from waiting import wait_until

from deepseek_local.errors import ExitCode
from deepseek_local.identity import denied

pytestmark = pytest.mark.integration


@pytest.fixture
def recorded():
    """Give a site whose sequencer runs, and that sequencer."""
    if NGINX is None:
        pytest.skip("there is no nginx; requirements/system.txt names its package")
    with short_directory() as place:
        site = CertifiedSite(place)
        (site.home / "run").mkdir(parents=True)
        door, where = site.home / "run/audit.sock", site.home / "audit"
        command = [sys.executable, "-m", "deepseek_local", "audit", "serve", "--directory", str(where)]
        command += ["--keys", str(site.home), "--socket", str(door), "--node", "gpu01"]
        sequencer = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: _accepts(door))
            site.found()
            yield site, sequencer
        finally:
            sequencer.send_signal(signal.SIGTERM)
            sequencer.send_signal(signal.SIGCONT)
            sequencer.wait(timeout=20)


def _accepts(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def told(site: CertifiedSite) -> list[tuple[str, str]]:
    files = sorted((site.home / "audit").glob("segment-*.jsonl"))
    records = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    return [(record["kind"], record["act"]) for record in records if record["kind"].startswith("pki_")]


def test_every_change_is_on_record(recorded):
    site, _ = recorded
    site.bundle("u:alice")
    with site.served():
        assert site.rotate() == 0
        assert site.rotate("--now") == 0
        assert site.certs("revoke", "u:alice", *site.nginx_words()) == 0
    assert told(site) == [
        ("pki_issue", "found_authorities"),
        ("pki_issue", "issue"),
        ("pki_issue", "issue"),
        ("pki_reload", "reload"),
        ("pki_renew", "renew"),
        ("pki_reload", "reload"),
        ("pki_revoke", "revoke"),
    ]


def test_a_log_that_hangs_keeps_certificates_from_being_used_but_not_from_being_revoked(recorded, capsys):
    site, sequencer = recorded
    site.bundle("u:alice")
    with site.served():
        assert site.rotate() == 0
        before = site.served_serial()
        sequencer.send_signal(signal.SIGSTOP)
        assert site.rotate("--now") == ExitCode.FAILED
        assert site.served_serial() == site.current_serial() == before
        assert site.certs("issue", "client", "u:bob", "--to", str(site.place / "bob")) == ExitCode.FAILED
        assert not list((site.place / "bob").iterdir())
        capsys.readouterr()
        assert site.certs("revoke", "u:alice", *site.nginx_words()) == ExitCode.FAILED
        assert "revoked, but not on record" in capsys.readouterr().err
        assert len(denied.read(site.home / "denied-serials.txt")) == 1
        assert site.curl("--cert", str(site.place / "u-alice/u-alice.pem")) == "400"
