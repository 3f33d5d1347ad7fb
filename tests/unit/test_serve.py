import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from deepseek_local import serve
from deepseek_local.cli import main
from deepseek_local.engine import installed
from deepseek_local.errors import ExitCode, LaunchError

HOST = {"PATH": "/usr/bin", "SECRET": "hidden", "RAY_AUTH_TOKEN_PATH": "/etc/ray.token"}


def test_two_a100_are_planned_on_a_desk_without_gpu_engine_or_model(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(installed, "DISTRIBUTIONS", ())
    prepared = serve.prepare("a100x2", tmp_path, model=Path("/path"), sets=(), host_environment=HOST)
    assert prepared.engine.argv[:5] == (sys.executable, "-m", "deepseek_local.engine.launcher", "serve", "/path")
    assert "--tensor-parallel-size=2" in prepared.engine.argv
    assert {"engine.missing", "model.unusable"} <= {finding.id for finding in prepared.findings}
    assert "SECRET" not in prepared.engine.environment
    assert not list(tmp_path.iterdir())


def test_what_looks_like_a_secret_is_not_shown(tmp_path: Path) -> None:
    prepared = serve.prepare("a100x8", tmp_path, model=None, sets=(), host_environment=HOST)
    assert prepared.engine.environment["RAY_AUTH_TOKEN_PATH"] == "/etc/ray.token"
    assert "/etc/ray.token" not in prepared.shown_environment.values()


@pytest.mark.parametrize("name", ["my model", "no", "a: b", "café"])
def test_a_model_path_is_taken_as_it_is_written(tmp_path: Path, name: str) -> None:
    prepared = serve.prepare("a100x2", tmp_path, model=tmp_path / name, sets=(), host_environment={})
    assert prepared.plan.model_path == tmp_path / name


def test_a_dry_run_prints_a_command_that_a_shell_takes(tmp_path: Path, capfd, monkeypatch) -> None:
    monkeypatch.setenv("LC_ODD", "it's a $HOME value")
    arguments = ["serve", "--profile", "cpu-demo", "--home", str(tmp_path), "--model", "/my model", "--dry-run"]
    assert main.run(arguments) == ExitCode.OK
    out, err = capfd.readouterr()
    words = shlex.split(out)
    assert words[:2] == ["env", "-i"]
    assert "LC_ODD=it's a $HOME value" in words
    assert words[words.index("serve") + 1] == "/my model"
    assert "error [model.unusable]" in err


def test_a_dry_run_is_also_data(tmp_path: Path, capfd) -> None:
    assert (
        main.run(["serve", "--profile", "cpu-demo", "--home", str(tmp_path), "--dry-run", "--format", "json"])
        == ExitCode.OK
    )
    data = json.loads(capfd.readouterr().out)
    assert data["argv"][1:4] == ["-m", "deepseek_local.engine.launcher", "serve"]
    assert data["environment"]["HF_HUB_OFFLINE"] == "1"
    assert data["findings"][0]["severity"] == "error"


def test_a_host_that_is_not_ready_ends_with_exit_code_4_before_anything_is_written(tmp_path: Path, capfd) -> None:
    code = main.run(
        ["serve", "--profile", "a100x2", "--home", str(tmp_path / "home"), "--model", str(tmp_path / "none")]
    )
    assert code == ExitCode.PREFLIGHT_REFUSED
    err = capfd.readouterr().err
    assert "model.unusable" in err
    assert "policy.missing" in err
    assert not (tmp_path / "home").exists()


def test_heads_that_three_gpus_cannot_share_end_with_exit_code_4(tmp_path: Path, capfd) -> None:
    sets = ["--set", "engine.tensor_parallel_size=3", "--set", "hardware.count=3"]
    assert (
        main.run(["serve", "--profile", "a100x2", "--home", str(tmp_path), *sets, "--dry-run"])
        == ExitCode.PREFLIGHT_REFUSED
    )
    assert "64 attention heads cannot be shared equally by 3 GPUs" in capfd.readouterr().err


def test_a_dry_run_imports_no_engine(tmp_path: Path) -> None:
    program = (
        "import sys; from deepseek_local.cli import main; "
        f"main.run(['serve', '--profile', 'cpu-demo', '--home', {str(tmp_path)!r}, '--dry-run']); "
        "sys.exit(sum(name in sys.modules for name in ('vllm', 'torch', 'transformers', 'ray')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False, env=dict(os.environ))
    assert done.returncode == 0


def test_a_signing_key_for_a_sequencer_that_somebody_else_keeps_is_refused(tmp_path: Path) -> None:
    key = "audit.signing_key=pkcs11:token=a;object=b?module-path=/m.so"
    environment = {**HOST, "DEEPSEEK_LOCAL_AUDIT_SOCKET": str(tmp_path / "audit.sock")}
    foreign = serve.prepare("a100x2", tmp_path, model=None, sets=(), host_environment=environment)
    assert serve._own_sequencer(foreign.plan, environment) is None
    signed = serve.prepare("a100x2", tmp_path, model=None, sets=(key,), host_environment=environment)
    with pytest.raises(LaunchError, match="give it to that sequencer with DEEPSEEK_LOCAL_AUDIT_SIGNING_KEY"):
        serve._own_sequencer(signed.plan, environment)
    own = serve.prepare("a100x2", tmp_path, model=None, sets=(key,), host_environment=HOST)
    assert "--signing-key" in serve._own_sequencer(own.plan, HOST).argv
