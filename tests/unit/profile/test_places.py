"""Where the files of one deployment lie."""

from pathlib import Path

import pytest

from deepseek_local.profile.library import names
from deepseek_local.profile.load import load
from deepseek_local.profile.places import Places

PLACES = Places.of(Path("/srv/deepseek"), {"RUNTIME_DIRECTORY": "/run/deepseek:/run/other"})


def test_runtime_is_what_systemd_says_and_else_below_home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert PLACES.runtime == Path("/run/deepseek")
    assert Places.of(Path("var"), {}) == Places(tmp_path / "var", tmp_path / "var/run")
    assert Places.of(Path("var"), {"RUNTIME_DIRECTORY": ""}).runtime == tmp_path / "var/run"


def test_a_sequencer_that_somebody_else_keeps_is_where_the_environment_says():
    environment = {
        "RUNTIME_DIRECTORY": "/run/deepseek",
        "DEEPSEEK_LOCAL_AUDIT_SOCKET": "/run/deepseek-audit/audit.sock",
    }
    places = Places.of(Path("var"), environment)
    assert places.audit_socket == places.foreign_audit_socket == Path("/run/deepseek-audit/audit.sock")
    for nothing in ({}, {"DEEPSEEK_LOCAL_AUDIT_SOCKET": ""}):
        assert Places.of(Path("/srv"), nothing).audit_socket == Path("/srv/run/audit.sock")
        assert Places.of(Path("/srv"), nothing).foreign_audit_socket is None


def test_the_checkpoint_is_the_path_or_lies_under_the_name_of_the_card():
    assert PLACES.model(load("a100x2")) == Path("/srv/deepseek/models/deepseek-llm-67b-chat-w4a16")
    assert PLACES.model(load("cpu-demo")) == Path("/srv/deepseek/models/smollm2-135m-instruct")
    assert PLACES.model(load("cpu-demo", sets=["model.path=/mnt/m"])) == Path("/mnt/m")


def test_the_key_of_the_tokens_lies_beside_them():
    profile = load("cpu-demo", sets=["gateway.tokens=/etc/deepseek/t.json"])
    assert (PLACES.tokens(profile), PLACES.tokens_key(profile)) == (
        Path("/etc/deepseek/t.json"),
        Path("/etc/deepseek/t.key"),
    )


@pytest.mark.parametrize("name", names())
def test_no_two_places_are_the_same(name):
    profile = load(name)
    fixed = (
        PLACES.digest_keys,
        PLACES.cache,
        PLACES.engine_log,
        PLACES.gateway,
        PLACES.audit_socket,
        PLACES.state,
        PLACES.local_token,
        PLACES.drain,
    )
    chosen = (
        place(profile) for place in (PLACES.model, PLACES.tokens, PLACES.tokens_key, PLACES.audit, PLACES.front_socket)
    )
    places = [*fixed, *chosen]
    assert len(set(places)) == len(places)
    assert all(path.is_relative_to(PLACES.home) or path.parent == PLACES.runtime for path in places)
