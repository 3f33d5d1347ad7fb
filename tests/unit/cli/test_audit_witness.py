"""`audit witness`: a key is printed once and nothing begins without memory."""

import json

import pytest

from deepseek_local.cli.main import run
from deepseek_local.tlog.keys import KeyType, Verifier


def test_init_prints_the_verifier_key_for_policies(tmp_path, capsys):
    assert run(["audit", "witness", "init", "audit.example/w1", "--directory", str(tmp_path / "w")]) == 0
    key = Verifier.parse(capsys.readouterr().out.strip())
    assert (key.name, key.kind) == ("audit.example/w1", KeyType.COSIGNATURE)


def test_init_prints_json_where_that_is_wanted(tmp_path, capsys):
    run(["audit", "witness", "init", "w1", "--directory", str(tmp_path / "w"), "--format", "json"])
    assert json.loads(capsys.readouterr().out)["name"] == "w1"


def test_init_does_not_make_a_witness_anew(tmp_path, capsys):
    arguments = ["audit", "witness", "init", "w1", "--directory", str(tmp_path / "w")]
    assert [run(arguments), run(arguments)] == [0, 1]
    assert "there is a witness" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["two words", "a+b", ""])
def test_a_name_that_no_key_can_have_is_refused(tmp_path, name):
    assert run(["audit", "witness", "init", name, "--directory", str(tmp_path / "w")]) == 1


def test_serve_without_memory_does_not_begin(tmp_path, capsys):
    assert run(["audit", "witness", "serve", "--directory", str(tmp_path), "--policy", str(tmp_path / "p")]) == 1
    assert "must not sign" in capsys.readouterr().err


@pytest.mark.parametrize("address", ["", "host", "host:", ":7380", "host:65536", "::1:7380", "[::1]", "host:x"])
def test_an_address_is_a_host_and_a_port(tmp_path, address):
    assert run(["audit", "witness", "serve", "--policy", str(tmp_path / "p"), "--listen", address]) == 2


def test_submit_without_a_policy_is_a_failure(tmp_path, capsys):
    assert run(["audit", "witness", "submit", "--directory", str(tmp_path), "--policy", str(tmp_path / "p")]) == 1
    assert "cannot be read" in capsys.readouterr().err
