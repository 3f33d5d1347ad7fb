"""A full disk, an HSM that is away, a wrong PIN, a wrong clock: nothing breaks what is in use, and the cause is named."""

import os
import subprocess
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from certified_site import NGINX, CertifiedSite
from soft_token import FINAL_TRY, LOCKED, PIN

from deepseek_local.errors import ExitCode, HSMError, PKIError
from deepseek_local.identity import denied
from deepseek_local.pki import certificates
from deepseek_local.rotation import renewal
from deepseek_local.rotation.renewal import Job, Outcome

pytestmark = pytest.mark.integration

NOW = datetime.now(UTC).replace(microsecond=0)
PAGE = 4096


@pytest.fixture
def small(tmp_path):
    """Give a site whose home is a file system of half a megabyte."""
    if os.geteuid() != 0 or NGINX is None:
        pytest.skip("needs root, who may mount a small file system, and nginx")
    made = CertifiedSite(tmp_path)
    made.home.mkdir()
    subprocess.run(("mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(made.home)), check=True)
    try:
        made.found()
        yield made
    finally:
        subprocess.run(("umount", "-l", str(made.home)), check=True)


@contextmanager
def full(home: Path, free_pages: int):
    """Leave so many free pages."""
    filler = home / "filler"
    status = os.statvfs(home)
    filler.write_bytes(b"x" * PAGE * max(0, status.f_bavail - free_pages))
    yield
    filler.unlink()


@pytest.mark.root
def test_whatever_room_is_left_what_is_in_use_is_served_and_the_next_run_goes_on(small, capsys):
    failures = 0
    with small.served():
        assert small.rotate() == 0
        for free_pages in range(6):
            with full(small.home, free_pages):
                capsys.readouterr()
                if small.rotate("--now") != 0:
                    failures += 1
                    assert "No space left on device" in capsys.readouterr().err
                assert small.served_serial() == small.current_serial()
            assert small.rotate() == 0
            assert small.layout.server.is_proven(small.layout.server.current)
    assert failures >= 3


@pytest.mark.root
def test_on_a_full_disk_a_revocation_says_what_is_missing_and_can_be_repeated(small, capsys):
    bundle = small.bundle("u:alice")
    serial = certificates.read(bundle).serial_number
    with small.served():
        with full(small.home, 0):
            assert small.certs("revoke", "u:alice", *small.nginx_words()) == ExitCode.FAILED
            assert "not finished, the deny-list: " in capsys.readouterr().err
        with full(small.home, 1):
            assert small.certs("revoke", "u:alice", *small.nginx_words()) == ExitCode.FAILED
            assert "not finished, the revocation list, after the deny-list" in capsys.readouterr().err
        assert denied.read(small.home / "denied-serials.txt") == {serial}
        assert small.curl("--cert", str(bundle)) == "200"
        for _ in range(2):
            assert small.certs("revoke", "u:alice", *small.nginx_words()) == 0
        assert small.curl("--cert", str(bundle)) == "400"


@pytest.fixture
def in_token(tmp_path, token):
    if NGINX is None:
        pytest.skip("there is no nginx")
    made = CertifiedSite(tmp_path)
    made.home.mkdir()
    uri = f"pkcs11:token={token.label}?{token.uri().partition('?')[2]}"
    assert made.certs("init", "--hsm", uri) == 0
    assert made.certs("issue", "server") == 0
    return made


def test_while_the_hsm_is_away_or_the_pin_wrong_the_old_certificate_serves(in_token, token, capsys, tmp_path):
    with in_token.served():
        assert in_token.rotate() == 0
        before = in_token.served_serial()
        token.pin_file.write_text("000000\n")
        assert in_token.rotate("--now") == HSMError.exit_code
        assert "is not that of the token" in capsys.readouterr().err
        token.pin_file.write_text(f"{PIN}\n")
        token.tokens.rename(tmp_path / "unplugged")
        token.tokens.mkdir()
        assert in_token.rotate("--now") == HSMError.exit_code
        assert "is not there; connect it" in capsys.readouterr().err
        assert in_token.served_serial() == in_token.current_serial() == before
        assert in_token.rotate() == 0, "what is not due needs no HSM"
        token.tokens.rmdir()
        (tmp_path / "unplugged").rename(token.tokens)
        assert in_token.rotate("--now") == 0
        assert in_token.served_serial() != before
    assert PIN not in "".join(place.read_text() for place in in_token.layout.directory.rglob("*.uri"))


@pytest.mark.parametrize(("flag", "said"), [(LOCKED, "is locked"), (FINAL_TRY, "has one try left")])
def test_a_locked_token_or_the_last_try_of_a_pin_stops_the_renewal_alone(in_token, token, capsys, flag, said):
    with in_token.served():
        assert in_token.rotate() == 0
        before = in_token.served_serial()
        token.set_flag(flag)
        for _ in range(2):
            assert in_token.rotate("--now") == HSMError.exit_code
            assert said in capsys.readouterr().err
        assert in_token.served_serial() == in_token.current_serial() == before


def test_a_successor_gets_its_key_in_the_same_token(in_token):
    assert in_token.certs("rotate", "--authority", "server", "--now") == 0
    assert in_token.certs("rotate", "--authority", "server", "--activate") == 0
    assert not list(in_token.layout.directory.glob("*-*/key.pem"))
    names = {place.read_text() for place in in_token.layout.directory.rglob("key.uri")}
    assert len(names) == 5
    with in_token.served():
        assert in_token.rotate("--now") == 0
        assert in_token.served_serial() == in_token.current_serial()


def test_while_the_hsm_is_away_a_revoked_client_is_denied_and_the_rest_follows(in_token, token, capsys, tmp_path):
    bundle = in_token.bundle("u:alice")
    token.tokens.rename(tmp_path / "unplugged")
    token.tokens.mkdir()
    with in_token.served():
        assert in_token.certs("revoke", "u:alice", *in_token.nginx_words()) == ExitCode.FAILED
        assert "not finished, the revocation list, after the deny-list" in capsys.readouterr().err
        assert denied.read(in_token.home / "denied-serials.txt") == {certificates.read(bundle).serial_number}
        token.tokens.rmdir()
        (tmp_path / "unplugged").rename(token.tokens)
        assert in_token.certs("revoke", "u:alice", *in_token.nginx_words()) == 0
        assert in_token.curl("--cert", str(bundle)) == "400"


@pytest.mark.parametrize(("days", "said"), [(-1, "set it right"), (4000, "is not valid now")])
def test_with_a_wrong_clock_nothing_is_made(site, days, said):
    current = site.layout.server.current
    names = certificates.alternative_names(certificates.read(current / "certificate.pem"))
    job = Job(site.layout, names, None, lambda *_: None, lambda _: None)
    assert renewal.run(job, NOW) is Outcome.COMPLETED
    with pytest.raises(PKIError, match=said):
        renewal.run(job, NOW + timedelta(days=days), at_once=True)
    assert site.layout.server.all() == [current]


def test_a_version_that_nginx_does_not_take_is_taken_back_and_nginx_serves_on(site, capsys, monkeypatch):
    made = renewal.made

    def spoiled(*arguments):
        return {**made(*arguments), "key.pem": b"no key"}

    with site.served():
        assert site.rotate() == 0
        before = site.served_serial()
        monkeypatch.setattr(renewal, "made", spoiled)
        assert site.rotate("--now") == ExitCode.FAILED
        said = capsys.readouterr().err
        assert "nginx does not accept " in said
        assert "v0001 is in use and served again" in said
        assert site.served_serial() == site.current_serial() == before
        monkeypatch.undo()
        assert site.rotate("--now") == 0
        assert [each.name for each in site.layout.server.all()] == ["v0001", "v0002"]


def test_a_server_that_goes_on_serving_the_old_one_is_noticed_and_it_is_taken_back(site, capsys):
    with site.served():
        assert site.rotate() == 0
        frozen = site.place / "frozen"
        frozen.mkdir()
        for name in ("certificate.pem", "key.pem"):
            (frozen / name).write_bytes((site.layout.server.current / name).read_bytes())
        text = site.configuration.read_text()
        site.configuration.write_text(text.replace(f"{site.layout.directory}/live/server/current", str(frozen)))
        before = site.current_serial()
        assert site.rotate("--now") == ExitCode.FAILED
        assert "nginx still serves the certificate" in capsys.readouterr().err
        assert site.served_serial() == site.current_serial() == before
