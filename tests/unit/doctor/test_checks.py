import grp
import os
import socket
from pathlib import Path

import pytest
from certificates import Authority

from deepseek_local.doctor import access, model, places, software
from deepseek_local.finding import Finding, Severity
from deepseek_local.models import checkpoint


def ids(findings) -> list[str]:
    return [finding.id for finding in findings]


def hollow_model(directory: Path) -> None:
    """Write the smallest directory that counts as a checkpoint."""
    directory.mkdir()
    keys = "hidden_size intermediate_size max_position_embeddings num_attention_heads num_hidden_layers vocab_size"
    numbers = ", ".join(f'"{key}": 8' for key in keys.split())
    (directory / "config.json").write_text(f'{{"architectures": ["LlamaForCausalLM"], {numbers}}}')
    (directory / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")


def test_a_missing_model_is_found(plan) -> None:
    (finding,) = model.model(plan())
    assert finding.id == "model.unusable"
    assert "does not exist" in finding.message


def test_a_model_of_another_revision_is_found(plan, home: Path) -> None:
    hollow_model(home / "model")
    right = checkpoint.inspect(home / "model").revision
    wrong = f"sha256:{'0' * 64}"
    assert ids(model.model(plan(f"model.revision={right}"))) == []
    (finding,) = model.model(plan(f"model.revision={wrong}"))
    assert finding.id == "model.revision"
    assert right in finding.message
    assert wrong in finding.message


def test_a_free_port_is_fine_and_a_taken_one_names_its_holder(plan) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        taken = plan("gateway.listen=loopback", f"gateway.port={listener.getsockname()[1]}")
        (finding,) = places.port(taken)
    assert finding.id == "port.in-use"
    assert f"(process {os.getpid()})" in finding.message
    assert f"DEEPSEEK_LOCAL_GATEWAY__PORT={taken.profile.gateway.port + 1}" in finding.remedy
    assert ids(places.port(taken)) == []


def test_a_port_does_not_matter_to_a_front_door_on_a_socket(plan) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        assert ids(places.port(plan(f"gateway.port={listener.getsockname()[1]}"))) == []


def test_a_socket_in_use_names_its_holder_and_a_dead_one_is_fine(plan) -> None:
    chosen = plan()
    chosen.places.runtime.mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(chosen.places.audit_socket))
        listener.listen()
        (finding,) = places.unix_sockets(chosen)
    assert finding.id == "socket.in-use"
    assert f"(process {os.getpid()})" in finding.message
    assert ids(places.unix_sockets(chosen)) == []


def test_empty_directories_are_fine(plan) -> None:
    chosen = plan()
    for check in (places.home, places.runtime, places.audit):
        assert [finding for finding in check(chosen) if finding.severity is Severity.ERROR] == []


def test_a_file_in_the_way_of_a_directory_is_found(plan, home: Path) -> None:
    (home / "audit").write_text("")
    assert "audit.unwritable" in ids(places.audit(plan()))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_without_permission_is_found(plan, home: Path) -> None:
    home.chmod(0o500)
    assert ids(places.home(plan())) == ["home.unwritable"]
    assert ids(places.runtime(plan())) == ["runtime.unwritable"]


@pytest.mark.parametrize(
    ("free", "expected"), [(1, ["audit.no-space"]), (300 * 2**20, ["audit.little-space"]), (200 * 2**30, [])]
)
def test_a_full_volume_is_found_before_it_refuses_requests(plan, monkeypatch, free: int, expected: list[str]) -> None:
    usage = type("Usage", (), {"free": free, "total": 400 * 2**30})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    assert ids(places.audit(plan())) == expected


def test_the_shipped_policy_lets_the_canary_sing(plan) -> None:
    assert ids(access.policy(plan())) == []


def policy(home: Path, text: str) -> str:
    (home / "mine.csv").write_text(text)
    return 'gateway.policy=["mine.csv"]'


def test_a_policy_without_the_canary_names_the_two_lines(plan, home: Path) -> None:
    chosen = plan(policy(home, "p, operator, inference_*, execute\ng, u:demo, operator\n"))
    (finding,) = access.policy(chosen)
    assert finding.id == "policy.canary-refused"
    assert "`p, canary, inference_chat, execute`" in finding.remedy
    assert "`g, s:canary, canary`" in finding.remedy


def test_a_policy_that_opens_everything_to_the_canary_is_found(plan, home: Path) -> None:
    chosen = plan(
        policy(home, "p, reader, *, read\np, reader, inference_*, *\ng, s:canary, reader\ng, u:demo, reader\n")
    )
    assert ids(access.policy(chosen)) == ["policy.canary-allowed"]


def test_a_local_principal_without_a_role_is_worth_a_word(plan) -> None:
    chosen = plan('gateway.policy=["shipped:seed.csv"]')
    assert ids(access.policy(chosen)) == ["policy.local-principal"]


def test_a_missing_policy_file_is_found(plan, home: Path) -> None:
    (finding,) = access.policy(plan('gateway.policy=["shipped:seed.csv", "users.csv"]'))
    assert finding.id == "policy.missing"
    assert str(home / "users.csv") in finding.message


def test_every_mistake_of_a_policy_is_a_finding(plan, home: Path) -> None:
    found: list[Finding] = list(access.policy(plan(policy(home, "nonsense\np, one\n"))))
    assert [finding.id for finding in found] == ["policy.unusable"] * len(found)
    assert "mine.csv:1" in found[0].message


def test_an_expectation_that_the_policy_breaks_is_found(plan, home: Path) -> None:
    chosen = plan(f'gateway.policy=["shipped:seed.csv", "{home}/mine.csv"]')
    (home / "mine.csv").write_text("g, u:demo, operator\n")
    (home / "mine.tests.csv").write_text(
        "u:demo, POST /v1/chat/completions, , allow\nu:demo, GET /v1/models, , allow\n"
    )
    (finding,) = access.policy(chosen)
    assert finding.id == "policy.unusable"
    assert "mine.tests.csv:2" in finding.message


def test_an_empty_policy_is_found(plan, home: Path) -> None:
    assert ids(access.policy(plan(policy(home, "")))) == ["policy.unusable"]


def test_a_token_store_open_to_others_is_found(plan, home: Path) -> None:
    assert ids(access.tokens(plan())) == []
    store = home / "tokens.json"
    store.write_text('{"version": 1, "tokens": []}')
    store.chmod(0o644)
    (finding,) = access.tokens(plan())
    assert finding.id == "tokens.unusable"
    assert "chmod 600" in finding.message


def test_what_certificates_and_json_web_tokens_are_checked_with_is_read(plan, home: Path) -> None:
    site = plan("tls.site=lab", "gateway.certificates.issuers=[clients.pem]")
    provider = plan("gateway.jwt.keys=jwks.json", "gateway.jwt.issuer=idp", "gateway.jwt.audience=deepseek")
    for chosen, name in ((site, "clients.pem"), (provider, "jwks.json")):
        (finding,) = access.identity_sources(chosen)
        assert (finding.id, finding.severity) == ("identity-source.unusable", Severity.ERROR)
        assert str(home / name) in finding.message
    (home / "clients.pem").write_bytes(Authority().pem)
    assert ids(access.identity_sources(site)) == []
    (home / "denied-serials.txt").write_text("what?\n")
    assert ids(access.identity_sources(site)) == ["identity-source.unusable"]
    assert ids(access.identity_sources(plan())) == []


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("tokens.key", access.tokens),
        ("digest-keys/k1", access.site_keys),
        ("salt.key", access.site_keys),
        ("proxy.key", access.site_keys),
    ],
)
def test_a_key_open_to_others_is_found(plan, home: Path, name: str, check) -> None:
    (home / name).parent.mkdir(exist_ok=True)
    (home / name).write_bytes(bytes(32))
    (home / name).chmod(0o640)
    (finding,) = check(plan())
    assert "chmod 600" in finding.message


def test_a_module_that_is_not_there_and_a_pin_that_others_can_read_are_found(plan, tmp_path) -> None:
    assert ids(access.signing_key(plan())) == []
    module, pin = tmp_path / "module.so", tmp_path / "pin"
    pin.write_text("1234")
    pin.chmod(0o644)
    chosen = plan(f"audit.signing_key=pkcs11:object=a?module-path={module}&pin-source={pin}")
    told = []
    for mend in (lambda: None, module.touch, lambda: pin.chmod(0o600)):
        mend()
        told += [str(finding) for finding in access.signing_key(chosen)]
    assert len(told) == 2
    assert f"{module} is not there" in told[0]
    assert f"chmod 600 {pin}" in told[1]


def test_a_socket_group_that_does_not_exist_is_found(plan) -> None:
    assert ids(access.socket_group(plan("gateway.socket_group=no-such-group"))) == ["socket-group.missing"]
    assert ids(access.socket_group(plan(f"gateway.socket_group={grp.getgrgid(0).gr_name}"))) == []


def test_a_script_that_the_engine_would_run_is_found(plan, home: Path) -> None:
    script = home / "model.py"
    assert ids(software.foreign_script(plan(), script)) == []
    script.write_text("")
    assert ids(software.foreign_script(plan(), script)) == ["engine.foreign-script"]


def test_a_missing_engine_names_the_extra_to_install(plan, monkeypatch) -> None:
    monkeypatch.setattr(software, "installed_version", lambda: None)
    (finding,) = software.engine(plan())
    assert "deepseek-local-kit[cpu]" in finding.remedy
