"""The timers are there, and what they start works: a certificate is renewed under a real nginx, and the log is verified."""

import json
import shutil

import pytest
from container import KIT, Container
from served import until

pytestmark = pytest.mark.integration

HOME = "/var/lib/deepseek-local/demo"
SITE = ("--profile", "/etc/deepseek-local/demo.yaml", "--home", HOME)
NGINX = f"""
pid /run/nginx.pid;
error_log /var/log/nginx/error.log;
events {{}}
http {{
    access_log off;
    server {{
        listen 127.0.0.1:8443 ssl;
        ssl_protocols TLSv1.3;
        ssl_certificate {HOME}/pki/live/server/current/certificate.pem;
        ssl_certificate_key {HOME}/pki/live/server/current/key.pem;
        return 204;
    }}
}}
"""
TIMERS = ("deepseek-local-certs-rotate", "deepseek-local-certs-crl", "deepseek-local-audit-verify")


def test_the_timers_wait_for_their_next_moment(host: Container) -> None:
    host.systemctl("start", *(f"{name}@demo.timer" for name in TIMERS))
    listed = json.loads(host.systemctl("list-timers", "--all", "--output=json"))
    coming = {each["activates"]: each["next"] for each in listed}
    for name in TIMERS:
        assert coming[f"{name}@demo.service"] > 0
        assert host.show(f"{name}@demo.timer", "Persistent") == "yes"


@pytest.mark.skipif(
    shutil.which("nginx") is None, reason="there is no nginx; requirements/system.txt names its package"
)
def test_a_rotation_renews_the_certificate_that_nginx_serves(host: Container) -> None:
    host.run("install", "-d", "-o", "deepseek-local", "-g", "deepseek-local", "-m", "0750", HOME, ok=(0,))
    host.run("install", "-d", "/var/lib/nginx", "/var/log/nginx", ok=(0,))
    host.write("/etc/nginx/nginx.conf", NGINX)
    host.program("certs", "init", *SITE)
    host.program("certs", "issue", "server", *SITE)
    host.run("nginx", ok=(0,))
    host.write("/etc/deepseek-local/demo.certs", "DEEPSEEK_LOCAL_CERTS_NOW=1\n")
    before = serial(host)
    host.systemctl("start", "deepseek-local-certs-rotate@demo.service")
    assert host.show("deepseek-local-certs-rotate@demo.service", "Result") == "success"
    assert serial(host) != before
    host.systemctl("start", "deepseek-local-certs-crl@demo.service")
    assert "revocation lists are valid until" in host.journal()


def serial(host: Container) -> str:
    """Return the serial number of the certificate that is served."""
    asking = "openssl s_client -connect 127.0.0.1:8443 </dev/null 2>/dev/null | openssl x509 -noout -serial"
    return host.run("sh", "-c", asking, ok=(0,)).stdout


def test_the_log_is_verified_and_that_it_was_is_on_record(host: Container) -> None:
    sequencer, verification = "deepseek-local-audit@demo.service", "deepseek-local-audit-verify@demo.service"
    host.systemctl("start", sequencer)
    until(lambda: host.run("test", "-S", "/run/deepseek-audit/demo/audit.sock").returncode == 0, "the socket", 20)
    directory = "/var/lib/deepseek-audit/demo"
    become = (
        "setpriv",
        "--reuid=deepseek-audit",
        "--regid=deepseek-audit",
        "--init-groups",
        f"{KIT}/bin/deepseek-local",
    )
    places = ("--directory", f"{directory}/log", "--keys", directory, "--format", "json")
    shown = json.loads(host.run(*become, "audit", "init", *places, ok=(0,)).stdout)
    host.write("/etc/deepseek-local/demo.verifier", shown["verifier_key"] + "\n")
    host.systemctl("start", verification)
    assert host.show(verification, "Result") == "success"
    assert "audit_verify" in host.run("sh", "-c", f"cat {directory}/log/segment-*.jsonl", ok=(0,)).stdout
    host.run("sh", "-c", f"sed -i 's/audit_verify/audit_verifY/' {directory}/log/segment-*.jsonl", ok=(0,))
    assert host.run("systemctl", "start", verification).returncode != 0
    assert host.show(verification, "ExecMainStatus") == "5"
