"""What foreign scanners say of the rendered nginx: sslyze, testssl.sh and gixy-ng find nothing that matters."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from fronted_site import NAME, FrontedSite

from deepseek_local.pki import trust

ROOT = Path(__file__).parents[3]
SECURITY_TOOLS = ROOT / ".venv-security" / "bin"
"""`make fuzz` installs them there: scripts/environment .venv-security security-tools."""

pytestmark = [pytest.mark.integration, pytest.mark.fuzz, pytest.mark.usefixtures("engine")]

with_tools = pytest.mark.skipif(
    not (SECURITY_TOOLS / "sslyze").exists(), reason="sslyze and gixy-ng are not installed; `make fuzz` does it"
)
TESTSSL = shutil.which("testssl") or shutil.which("testssl.sh")
ACCEPTED = {
    # A site's own authority: its clients get the list with the root, and no address on the internet would answer.
    "cert_revocation",
    # A record in the public name system, for authorities of the web.
    "DNS_CAArecord",
}


def scanned(site: FrontedSite, to: Path, *words: str) -> dict[str, Any]:
    command = [str(SECURITY_TOOLS / "sslyze"), f"--json_out={to}", "--mozilla_config=disable", "--sni", NAME, *words]
    subprocess.run([*command, f"127.0.0.1:{site.port}"], check=True, capture_output=True, timeout=100)
    (server,) = json.loads(to.read_text())["server_scan_results"]
    results: dict[str, Any] = server["scan_result"]
    return {name: found["result"] for name, found in results.items() if found["status"] == "COMPLETED"}


@with_tools
def test_sslyze_finds_tls_13_with_two_suites_and_three_curves_and_nothing_else(site: FrontedSite, tmp_path: Path):
    every = ("--sslv2", "--sslv3", "--tlsv1", "--tlsv1_1", "--tlsv1_2", "--tlsv1_3", "--elliptic_curves", "--early_data", "--resum",
             "--heartbleed", "--robot", "--reneg", "--compression", "--openssl_ccs")  # fmt: skip
    found = scanned(site, tmp_path / "sslyze.json", *every)
    versions = [name for name, result in found.items() if name.endswith("cipher_suites")]
    assert len(versions) == 6
    accepted = {
        suite["cipher_suite"]["name"]: name for name in versions for suite in found[name]["accepted_cipher_suites"]
    }
    assert accepted == {
        "TLS_AES_256_GCM_SHA384": "tls_1_3_cipher_suites",
        "TLS_CHACHA20_POLY1305_SHA256": "tls_1_3_cipher_suites",
    }
    curves = {curve["name"] for curve in found["elliptic_curves"]["supported_curves"]}
    assert curves == {"X25519", "secp256r1", "secp384r1"}
    assert not found["tls_1_3_early_data"]["supports_early_data"]
    assert not found["heartbleed"]["is_vulnerable_to_heartbleed"]
    assert not found["tls_compression"]["supports_compression"]
    assert not found["session_renegotiation"]["is_vulnerable_to_client_renegotiation_dos"]


@pytest.mark.skipif(TESTSSL is None, reason="testssl.sh is not installed; requirements/system.txt names its package")
@pytest.mark.skipif("DEEPSEEK_LOCAL_TESTSSL" not in os.environ, reason="testssl.sh takes a minute; `make fuzz` runs it")
def test_testssl_finds_nothing_above_low(site: FrontedSite, tmp_path: Path):
    report = tmp_path / "testssl.json"
    root = site.layout.trust / trust.SERVER_ROOT
    # All but the simulation of old clients, which tells nothing about this server, and the long list of single ciphers.
    parts = ["-p", "-s", "-f", "-P", "-S", "-h", "-U"]
    command = [
        str(TESTSSL),
        "--quiet",
        "--color=0",
        "--warnings=off",
        "--nodns=none",
        f"--jsonfile={report}",
        f"--add-ca={root}",
    ]
    subprocess.run(
        [*command, *parts, f"https://127.0.0.1:{site.port}"],
        check=False,
        capture_output=True,
        timeout=250,
        stdin=subprocess.DEVNULL,
    )
    findings = json.loads(report.read_text())
    assert len(findings) > 50
    bad = {each["id"]: each["finding"] for each in findings if each["severity"] not in {"OK", "INFO", "LOW"}}
    assert {name: said for name, said in bad.items() if name not in ACCEPTED} == {}


@with_tools
def test_gixy_finds_nothing(site: FrontedSite):
    done = subprocess.run(
        [SECURITY_TOOLS / "gixy", "-f", "json", site.file], check=False, capture_output=True, text=True, timeout=60
    )
    assert json.loads(done.stdout) == []
    assert done.returncode == 0
