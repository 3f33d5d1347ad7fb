"""`deepseek-local audit hash` and `audit keys`: digests of a text, and the life of a key."""

import hashlib
import hmac
import io
import json
from pathlib import Path

import pytest

from deepseek_local import digest_keys
from deepseek_local.cli.main import run
from deepseek_local.errors import ExitCode


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEEPSEEK_LOCAL_HOME", str(tmp_path))
    digest_keys.ensure(tmp_path / "digest-keys")
    return tmp_path


def test_a_text_has_one_digest_per_key_the_newest_first(home: Path, capsys: pytest.CaptureFixture[str]):
    digest_keys.rotate(home / "digest-keys")
    text = home / "text"
    text.write_bytes(b"a\r\n\xff")
    expected = [
        f"{name}:{hmac.new((home / 'digest-keys' / name).read_bytes(), text.read_bytes(), hashlib.sha256).hexdigest()}"
        for name in ("k2", "k1")
    ]
    assert run(["audit", "hash", str(text)]) == ExitCode.OK
    assert capsys.readouterr().out.split() == expected
    assert run(["audit", "hash", str(text), "--format", "json"]) == ExitCode.OK
    assert json.loads(capsys.readouterr().out) == [{"hmac": digest, "bytes": 4} for digest in expected]


def test_a_text_may_come_from_stdin(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"text")))
    assert run(["audit", "hash", "-"]) == ExitCode.OK
    assert capsys.readouterr().out.strip() == digest_keys.newest(home / "digest-keys").digest(b"text")


def test_a_key_is_rotated_listed_and_destroyed(home: Path, capsys: pytest.CaptureFixture[str]):
    assert run(["audit", "keys", "rotate"]) == ExitCode.OK
    output = capsys.readouterr()
    assert output.out == "Texts are digested under k2 from now on; k1 still finds those before.\n"
    assert "no audit log takes a record" in output.err
    assert run(["audit", "keys", "destroy", "k1"]) == ExitCode.USAGE
    assert "write --yes" in capsys.readouterr().err
    assert (home / "digest-keys" / "k1").exists()
    assert run(["audit", "keys", "destroy", "k1", "--yes"]) == ExitCode.OK
    capsys.readouterr()
    assert run(["audit", "keys", "list", "--format", "json"]) == ExitCode.OK
    (key,) = json.loads(capsys.readouterr().out)
    assert (key["key"], key["state"]) == ("k2", "in use")


def test_the_key_in_use_is_not_destroyed(home: Path, capsys: pytest.CaptureFixture[str]):
    assert run(["audit", "keys", "destroy", "k1", "--yes"]) == ExitCode.PREFLIGHT_REFUSED
    assert "k1 is in use" in capsys.readouterr().err
    assert (home / "digest-keys" / "k1").exists()


def test_a_home_without_keys_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert run(["audit", "keys", "list", "--home", str(tmp_path)]) == ExitCode.PREFLIGHT_REFUSED
    assert "cannot be read" in capsys.readouterr().err
