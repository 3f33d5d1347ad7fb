"""`deploy render` and `deploy check`, with the real nginx and real certificates."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from certified_site import NGINX
from fronted_site import FrontedSite
from quick_engine import QuickEngine
from waiting import wait_until

from deepseek_local.cli.main import run
from deepseek_local.pki import trust
from deepseek_local.proxy.configuration import KEY_FILE

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(NGINX is None, reason="there is no nginx; requirements/system.txt names its package"),
]


@pytest.fixture(scope="module")
def own(short: Path) -> FrontedSite:
    return FrontedSite(short / "own", replicas=2)


@pytest.fixture
def deploy(own: FrontedSite, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Run a command of `deploy`; return its exit code, and what it printed to stdout and stderr."""
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(own.places.runtime))

    def deploy(*words: str) -> tuple[int, str, str]:
        there = own.surroundings
        options = ["--home", str(own.places.home), "--profile", "cpu-demo", "--refusals", str(there.refusals)]
        options += ["--nginx-user", there.user, "--nginx-logs", str(there.logs)]
        options += ["--nginx-pid", str(there.pid), "--nginx-temporary", str(there.temporary)]
        options += [word for setting in own.settings for word in ("--set", setting)]
        code = run(["deploy", words[0], *options, *words[1:]])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return deploy


@pytest.fixture
def installed(own: FrontedSite, deploy: Callable[..., Any]) -> Path:
    assert deploy("render", "--to", str(own.file))[0] == 0
    return own.file


def test_what_is_shown_is_what_is_installed(own: FrontedSite, deploy: Callable[..., Any], installed: Path):
    code, shown, _ = deploy("render")
    assert code == 0
    assert shown == installed.read_text()
    assert json.loads(deploy("render", "--format", "json")[1])["configuration"] == shown
    assert deploy("render", "--nginx-version", "1.27.4")[1].count("keepalive_min_timeout 10s;") == 1
    key = installed.parent / KEY_FILE
    assert (key.stat().st_mode & 0o777, installed.stat().st_mode & 0o777) == (0o600, 0o644)
    assert key.read_text() == f"proxy_set_header X-DS-Proxy {own.places.proxy_key.read_bytes().hex()};\n"
    assert own.places.proxy_key.read_bytes().hex() not in shown


def test_what_is_right_is_called_right(deploy: Callable[..., Any], installed: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "/usr/sbin:/usr/bin:/bin")  # without gixy
    code, said, _ = deploy("check", "--nginx-config", str(installed))
    assert (code, [line[:4] for line in said.splitlines() if not line.startswith(" ")]) == (0, ["ok  "] * 5)
    assert "gixy is not installed" in said


def test_a_change_of_the_profile_is_found_and_shown(own: FrontedSite, deploy: Callable[..., Any], installed: Path):
    code, said, _ = deploy("check", "--nginx-config", str(installed), "--set", "tls.burst=77")
    assert code == 1
    assert "FAIL it is what is installed" in said
    assert any(line.strip().startswith("+") and "burst=77" in line for line in said.splitlines())
    code, said, _ = deploy("check", "--nginx-config", str(installed), "--down", str(own.sockets[1]))
    assert (code, "fail_timeout=5s down;" in said) == (1, True)


def test_a_profile_by_which_nobody_gets_through_is_found(deploy: Callable[..., Any], installed: Path):
    lacking = (
        "gateway.socket_group=null",
        "gateway.certificates.issuers=[]",
        "tls.stream_seconds=60",
        "engine.drain_timeout_seconds=61",
    )
    words = [word for setting in lacking for word in ("--set", setting)]
    code, said, _ = deploy("check", "--nginx-config", str(installed), *words)
    assert code == 1
    for setting in (
        "gateway.socket_group is not set",
        "gateway.certificates.issuers is empty",
        "tls.stream_seconds (60)",
    ):
        assert setting in said


def test_a_wrong_key_or_mode_is_found(deploy: Callable[..., Any], installed: Path):
    key = installed.parent / KEY_FILE
    key.write_text("proxy_set_header X-DS-Proxy 00;\n")
    key.chmod(0o644)
    installed.chmod(0o666)
    code, said, _ = deploy("check", "--nginx-config", str(installed), "--format", "json")
    assert code == 1
    (finding,) = [each for each in json.loads(said) if not each["is_right"]]
    assert [next(word for word in ("proxy's key", "chmod 600", "chmod 644") if word in text) for text in finding["said"]] == [
        "proxy's key", "chmod 600", "chmod 644",
    ]  # fmt: skip


def test_what_is_not_installed_or_binary_is_one_sentence(deploy: Callable[..., Any], tmp_path: Path, installed: Path):
    code, said, _ = deploy("check", "--nginx-config", str(tmp_path / "none.conf"))
    assert (code, "cannot be read: No such file or directory" in said) == (1, True)
    code, said, _ = deploy("check", "--nginx-config", str(tmp_path))
    assert (code, "--nginx-config" in said or "directory" in said) != (0, False)
    installed.write_bytes(bytes(range(256)) * 10)
    assert deploy("check", "--nginx-config", str(installed))[0] == 1


def test_what_nginx_does_not_accept_is_not_installed(own: FrontedSite, deploy: Callable[..., Any], installed: Path):
    before = installed.read_bytes()
    lists = own.layout.trust / trust.AUTHORITIES
    good = lists.read_bytes()
    lists.write_text("nonsense")
    try:
        code, _, said = deploy("render", "--to", str(installed), "--set", "tls.burst=78")
        assert (code, "does not accept" in said, "client-authorities.pem" in said) == (1, True, True)
        assert installed.read_bytes() == before
        code, said, _ = deploy("check", "--nginx-config", str(installed))
        assert (code, "FAIL nginx accepts it" in said) == (1, True)
    finally:
        lists.write_bytes(good)


def test_a_directory_that_cannot_be_written_is_one_sentence(deploy: Callable[..., Any], tmp_path: Path):
    code, _, said = deploy("render", "--to", str(tmp_path / "missing" / "nginx.conf"))
    assert (code, "cannot be written: No such file or directory" in said) == (1, True)


def test_words_that_do_not_go_together_are_refused(deploy: Callable[..., Any], tmp_path: Path):
    assert deploy("render", "--reload")[0] == 2
    assert deploy("render", "--to", str(tmp_path / "x"), "--nginx-version", "1.22.1")[0] == 2
    assert deploy("render", "--nginx-version", "newest")[0] == 2
    assert deploy("render", "--nginx-version", "1.22.1", "--set", "gateway.listen=loopback")[0] == 3
    assert deploy("render", "--nginx-version", "1.22.1", "--set", "tls.server_names=[]")[0] == 1


def test_a_replica_is_taken_out_by_one_command_and_put_back_by_another(own: FrontedSite, deploy: Callable[..., Any]):
    one, two = (QuickEngine(place, name) for place, name in zip(own.sockets, ("one", "two"), strict=True))

    def names() -> set[str]:
        return {own.ask(own.alice).headers["x-engine"] for _ in range(10)}

    with one.served(), two.served(), own.served():
        assert names() == {"one", "two"}
        assert deploy("render", "--to", str(own.file), "--reload", "--down", str(own.sockets[1]))[0] == 0
        wait_until(lambda: names() == {"one"})
        code, said, _ = deploy("render", "--to", str(own.file), "--reload")
        assert (code, said) == (0, f"{own.file} is installed and nginx is told to reload.\n")
        wait_until(lambda: names() == {"one", "two"})


def test_without_a_running_nginx_a_reload_is_refused_in_one_sentence(own: FrontedSite, deploy: Callable[..., Any]):
    code, _, said = deploy("render", "--to", str(own.file), "--reload")
    assert (code, "nginx cannot be told to reload" in said) == (1, True)
