"""`deepseek-local certs` beside the rotation: bundles that work, other authorities, successors, and what the report says."""

import json
import os
import stat
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from certified_site import NAME, CertifiedSite
from cryptography.hazmat.primitives.serialization import pkcs12
from openssl import complaint

from deepseek_local.errors import ExitCode
from deepseek_local.pki import build, certificates, keys, names
from deepseek_local.pki.build import Purpose, Signer

pytestmark = pytest.mark.integration


def now() -> datetime:
    """The clock, which others have made certificates by when the test begins."""
    return datetime.now(UTC).replace(microsecond=0)


def openssl(*words: str, text: bytes = b"") -> str:
    return subprocess.run(["openssl", *words], check=True, capture_output=True, input=text).stdout.decode()


def test_a_bundle_works_with_curl_as_its_page_says(site):
    pem = site.bundle("u:alice")
    page = pem.with_suffix(".txt").read_text()
    lines = page[page.index("  curl ") : page.index("With Python")].strip()
    lines = lines.replace("curl ", f"curl -sS --noproxy '*' --resolve {NAME}:{site.port}:127.0.0.1 -X GET ", 1)
    with site.served():
        done = subprocess.run(["sh", "-c", lines], check=False, cwd=pem.parent, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "data: 0\n"), done.stderr
    assert {stat.S_IMODE(each.stat().st_mode) for each in pem.parent.iterdir()} == {0o600}
    assert stat.S_IMODE(pem.parent.stat().st_mode) == 0o700


def test_a_bundle_works_with_python_as_its_page_says(site, monkeypatch):
    pem = site.bundle("s:batch")
    page = pem.with_suffix(".txt").read_text()
    code = page[page.index("  import ssl") : page.index("Browsers")].replace("\n  ", "\n").strip()
    code = code.replace(NAME, "127.0.0.1")
    monkeypatch.chdir(pem.parent)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    made: dict[str, object] = {}
    exec(code, made)  # noqa: S102 -- our own page
    with site.served():
        assert made["client"]._client.get(f"https://127.0.0.1:{site.port}/").text == "data: 0\n"  # type: ignore[attr-defined]
    made["client"].close()  # type: ignore[attr-defined]


def test_the_pkcs12_file_opens_with_the_password_that_was_printed_or_given(site, capsys, tmp_path):
    shown = site.json(capsys, "issue", "client", "u:alice", "--to", str(tmp_path / "a"))
    sealed = (tmp_path / "a" / "u-alice.p12").read_bytes()
    key, leaf, others = pkcs12.load_key_and_certificates(sealed, shown["password"].encode())
    assert f"{leaf.serial_number:x}" == shown["serial"]
    assert key.public_key() == leaf.public_key()
    assert len(others) == 1
    password = tmp_path / "password"
    password.write_text("correct horse\n")
    password.chmod(0o644)
    words = ("issue", "client", "u:bob", "--to", str(tmp_path / "b"), "--password-file", str(password))
    assert site.certs(*words) == ExitCode.FAILED
    password.chmod(0o600)
    capsys.readouterr()
    assert site.certs(*words) == 0
    assert "correct horse" not in "".join(capsys.readouterr())
    assert openssl("pkcs12", "-in", str(tmp_path / "b/u-bob.p12"), "-nokeys", "-passin", "pass:correct horse")


def test_a_request_gets_a_certificate_for_the_name_that_the_operator_gives(site, capsys, tmp_path):
    key, request = tmp_path / "own.key", tmp_path / "own.csr"
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(key))
    openssl("req", "-new", "-key", str(key), "-subj", "/CN=admin", "-out", str(request))
    shown = site.json(capsys, "issue", "client", "u:carol", "--csr", str(request))
    assert shown["names"] == ["spiffe://hospital.example/user/carol"]
    (tmp_path / "own.pem").write_text(shown["certificate"])
    with site.served():
        assert site.curl("--cert", str(tmp_path / "own.pem"), "--key", str(key)) == "200"


@pytest.mark.parametrize("kind", ["binary", "empty", "rsa", "forged"])
def test_a_request_that_proves_nothing_is_refused(site, capsys, tmp_path, kind):
    place = tmp_path / "request"
    if kind == "rsa":
        openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", os.devnull, "-subj", "/", "-out", str(place))
    elif kind == "forged":
        whole = build.request(keys.for_leaf(), names.server(["x.example"])).public_bytes(certificates.Encoding.DER)
        place.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    else:
        place.write_bytes(os.urandom(5000) if kind == "binary" else b"")
    assert site.certs("issue", "client", "u:carol", "--csr", str(place)) == ExitCode.FAILED
    assert str(place) in capsys.readouterr().err


def test_renewing_leaves_the_old_one_valid_and_needs_one(site, capsys, tmp_path):
    assert site.certs("renew", "u:alice", "--to", str(tmp_path / "new")) == ExitCode.FAILED
    assert "no authority here has issued a certificate 'u:alice'" in capsys.readouterr().err
    old = site.bundle("u:alice")
    assert site.certs("renew", "u:alice", "--to", str(tmp_path / "new")) == 0
    with site.served():
        assert [site.curl("--cert", str(place)) for place in (old, tmp_path / "new/u-alice.pem")] == ["200", "200"]


def foreign(tmp_path: Path) -> Signer:
    key = keys.for_authority()
    root = build.root("bank root", key, now())
    (tmp_path / "bank.pem").write_bytes(certificates.pem([root]))
    return Signer(root, key)


def test_another_authority_signs_our_request_and_the_key_never_leaves(site, capsys, tmp_path):
    bank = foreign(tmp_path)
    (tmp_path / "request.pem").write_text(site.json(capsys, "request")["request"])
    assert site.json(capsys, "request")["request"].count("BEGIN") == 1
    key = site.layout.request / "key.pem"
    public = keys.read(key).public_key()
    wrong, right = (
        build.leaf(public, names.server(of), bank, purpose=Purpose.SERVER, now=now())
        for of in (["other.example"], [NAME, "127.0.0.1"])
    )
    chain = tmp_path / "chain.pem"
    with site.served():
        assert site.rotate() == 0
        before = site.served_serial()
        chain.write_bytes(certificates.pem([wrong]))
        words = ("import", str(chain), "--root", str(tmp_path / "bank.pem"), *site.nginx_words())
        assert site.certs(*words) == ExitCode.FAILED
        assert "does not name api.hospital.example" in capsys.readouterr().err
        assert site.served_serial() == site.current_serial() == before
        chain.write_bytes(certificates.pem([right, bank.certificate]))
        assert site.certs(*words) == 0
        assert site.served_serial() == f"{right.serial_number:x}"
        assert site.curl("--cert", str(site.bundle("u:alice"))) == "200"
        assert not key.exists()
        assert site.certs("init") == 0
        assert site.curl("--cert", str(site.bundle("u:bob"))) == "200", "the root of the other authority stays"
        assert site.rotate("--now") == ExitCode.FAILED
        assert "make a request for that authority with `certs request`" in capsys.readouterr().err
        assert site.certs(*words) == ExitCode.FAILED
        assert "no request waits" in capsys.readouterr().err


@pytest.mark.parametrize("purpose", Purpose)
def test_a_successor_is_known_everywhere_before_it_issues(site, capsys, purpose):
    alice = site.bundle("u:alice")
    with site.served():
        assert site.rotate() == 0
        words = ("--authority", str(purpose), *site.nginx_words())
        assert site.json(capsys, "rotate", *words)["authority"] == f"{purpose}-ica-1"
        assert site.certs("rotate", *words, "--activate") == ExitCode.FAILED
        assert "has no successor that waits" in capsys.readouterr().err
        for _ in range(2):
            assert site.json(capsys, "rotate", *words, "--now") == {"authority": f"{purpose}-ica-2", "issues": False}
        trusted = certificates.read_all(site.layout.trust / "client-authorities.pem")
        assert len(trusted) == (3 if purpose is Purpose.CLIENT else 2)
        bob = site.bundle("u:bob")
        assert certificates.read_all(bob)[1] == site.layout.hierarchy(Purpose.CLIENT).issuers()[0].certificate
        assert site.json(capsys, "rotate", *words, "--activate") == {"authority": f"{purpose}-ica-2", "issues": True}
        assert site.rotate("--now") == 0
        carol = site.bundle("u:carol")
        assert [site.curl("--cert", str(each)) for each in (alice, bob, carol)] == ["200"] * 3
        states = {each["name"]: each["state"] for each in site.json(capsys, "status") if each["sort"] == "authority"}
        assert (states[f"{purpose}-ica-1"], states[f"{purpose}-ica-2"]) == ("succeeded", "issues")


def test_openssl_accepts_what_export_gives(site, capsys, tmp_path):
    path = certificates.read_all(site.bundle("u:alice"))
    capsys.readouterr()
    given = {}
    for what in ("client-authorities", "client-crl", "server-root", "client-issuers", "server-crl"):
        assert site.certs("export", what) == 0
        given[what] = capsys.readouterr().out
    (tmp_path / "root").write_text(given["client-authorities"])
    root = certificates.read(tmp_path / "root")
    assert complaint(tmp_path, [*path, root], "sslclient", now(), given["client-crl"].encode()) == ""


def test_the_report_has_everything_and_its_exit_code_tells_of_an_alarm(site, capsys):
    site.bundle("u:alice")
    report = site.json(capsys, "status")
    sorts = [each["sort"] for each in report]
    assert {sort: sorts.count(sort) for sort in set(sorts)} == {
        "server": 1,
        "root": 2,
        "authority": 2,
        "list": 4,
        "leaf": 2,
    }
    assert site.certs("status") == 0
    site.layout.hierarchy(Purpose.CLIENT).root.publish(now() - build.LIST_LIFE + build.BACKDATED)
    capsys.readouterr()
    assert site.certs("status") == ExitCode.FAILED
    assert "urgent" in capsys.readouterr().out


def test_an_empty_home_says_what_to_do_first(tmp_path, capsys, site):
    site.place = tmp_path / "elsewhere"
    for words in (
        ("rotate",),
        ("issue", "server"),
        ("issue", "client", "u:alice"),
        ("crl",),
        ("export", "server-root"),
    ):
        assert site.certs(*words) == ExitCode.FAILED
        assert "certs i" in capsys.readouterr().err
    assert site.certs("status") == 0
    assert json.loads("[]") == site.json(capsys, "status")


def test_nothing_is_signed_for_a_place_that_takes_no_files(site, capsys):
    assert site.certs("issue", "client", "u:alice", "--to", "/dev/null") == ExitCode.FAILED
    assert "/dev/null cannot be made: " in capsys.readouterr().err
    assert [each["sort"] for each in site.json(capsys, "status")].count("leaf") == 1


def test_a_link_that_leads_nowhere_is_told_of(site, capsys):
    link = site.layout.server.directory / "current"
    link.unlink()
    link.symlink_to("v0007")
    assert site.certs("rotate") == ExitCode.FAILED
    assert "v0007, which is to be in use, is not there" in capsys.readouterr().err
    assert [version.name for version in site.layout.server.all()] == ["v0001"]


def test_whatever_the_umask_the_front_door_finds_whom_it_trusts_and_nobody_the_keys(tmp_path):
    before = os.umask(0o077)
    try:
        made = CertifiedSite(tmp_path)
        made.found()
    finally:
        os.umask(before)
    for place in (made.layout.directory, made.layout.trust):
        assert stat.S_IMODE(place.stat().st_mode) == 0o755
    assert {stat.S_IMODE(each.stat().st_mode) for each in made.layout.trust.iterdir()} == {0o644}
    private = [*made.layout.directory.rglob("key.pem")]
    assert len(private) == 5
    assert {stat.S_IMODE(each.stat().st_mode) for each in private} == {0o600}
