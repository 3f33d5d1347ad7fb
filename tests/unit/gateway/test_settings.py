"""The middleware does not come to life with settings that are missing, open, or wrong; it says which."""

import json
from pathlib import Path
from typing import Any

import pytest

from deepseek_local import digest_keys
from deepseek_local.errors import IdentityError, LaunchError, PolicyError
from deepseek_local.gateway import settings
from deepseek_local.gateway.middleware import PolicyMiddleware
from deepseek_local.identity import keys
from deepseek_local.profile.handover import GATEWAY_VARIABLE


async def engine(*_: Any) -> None:
    raise AssertionError("no request comes here")


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    digest_keys.ensure(tmp_path / "digest-keys")
    for name in ("tokens.key", "salt.key"):
        keys.ensure(tmp_path / name)
    (tmp_path / "policy.csv").write_text("p, admin, *, *\n")
    path = tmp_path / "gateway.json"
    path.write_text(
        json.dumps(
            {
                "policy_files": [str(tmp_path / "policy.csv")],
                "tokens_file": str(tmp_path / "tokens.json"),
                "tokens_key_file": str(tmp_path / "tokens.key"),
                "internal_tokens": {},
                "audit_socket": str(tmp_path / "audit.sock"),
                "audit_timeout_seconds": 2.0,
                "digest_keys": str(tmp_path / "digest-keys"),
                "drain_file": str(tmp_path / "draining"),
                "limits": {},
                "break_glass_file": str(tmp_path / "break-glass.json"),
                "token_use_directory": str(tmp_path / "tokens.used"),
                "ledger": {
                    "kind": "sqlite",
                    "file": str(tmp_path / "quota.db"),
                    "url": None,
                    "password_file": None,
                    "timeout_seconds": 1.0,
                },
                "salt_key_file": str(tmp_path / "salt.key"),
                "served_models": ["demo"],
                "max_model_len": 2048,
                "node": "test",
            }
        )
    )
    path.chmod(0o600)
    monkeypatch.setenv(GATEWAY_VARIABLE, str(path))
    return path


def test_good_settings_make_a_middleware(file: Path):
    assert settings.load({GATEWAY_VARIABLE: str(file)}).tokens_file == file.with_name("tokens.json")
    PolicyMiddleware(engine)


@pytest.mark.parametrize("environment", [{}, {GATEWAY_VARIABLE: ""}])
def test_without_the_variable_there_are_no_settings(environment: dict[str, str]):
    with pytest.raises(LaunchError, match="DEEPSEEK_LOCAL_GATEWAY is not set"):
        settings.load(environment)


def test_a_missing_file_is_named(file: Path):
    file.unlink()
    with pytest.raises(LaunchError, match=f"the settings {file} cannot be read"):
        PolicyMiddleware(engine)


def test_settings_that_others_can_read_are_refused(file: Path):
    file.chmod(0o640)
    with pytest.raises(LaunchError, match=f"run: chmod 600 {file}"):
        PolicyMiddleware(engine)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"audit_timeout_seconds": "2"}, "audit_timeout_seconds: Input should be a valid number"),
        ({"surprise": "secret-value"}, "surprise: Extra inputs are not permitted"),
        ({"limits": {"body_bytes": 1}}, "limits.body_bytes: Input should be greater than or equal to 1024"),
    ],
)
def test_wrong_settings_are_told_without_their_values(file: Path, change: dict[str, object], part: str):
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(LaunchError) as caught:
        PolicyMiddleware(engine)
    assert part in str(caught.value)
    assert "secret-value" not in str(caught.value)


def test_a_broken_policy_is_told(file: Path):
    file.with_name("policy.csv").write_text("")
    with pytest.raises(PolicyError, match="policy is empty"):
        PolicyMiddleware(engine)


def test_a_missing_key_is_told(file: Path):
    file.with_name("tokens.key").unlink()
    with pytest.raises(IdentityError, match=r"tokens\.key cannot be read"):
        PolicyMiddleware(engine)


def test_a_missing_digest_key_is_told(file: Path):
    (file.with_name("digest-keys") / "k1").unlink()
    with pytest.raises(IdentityError, match="holds no key such as k1"):
        PolicyMiddleware(engine)
