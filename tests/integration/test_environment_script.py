"""`scripts/environment` in a small tree of its own; Python and pip are stubs, so nothing is installed."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from served import until

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]

PYTHON = """#!/usr/bin/env bash
# As little of Python as the script needs: `-c TEST`, `-m venv DIRECTORY`, `-m pip install ...`.
case "$1 $2" in
  '-c '*) exit "${OLD:-0}" ;;
  '-m venv')
    mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && cp "$0" "$3/bin/pip"
    echo "command = python -m venv $PWD/$3" >"$3/pyvenv.cfg" ;;
  '-m pip')
    echo "$*" >>installs
    echo 'Collecting torch==1 (from here)'
    if [ -e slow ]; then trap 'exit 1' INT; touch waits; while :; do sleep 0.05; done; fi
    if [ -e broken ]; then echo 'ERROR: no matching distribution' >&2; exit 1; fi
    case "$*" in *'-e .') touch .venv/bin/deepseek-local && chmod +x .venv/bin/deepseek-local ;; esac
    echo 'Installing collected packages: torch' ;;
esac
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "a kit 前"
    for name in ("scripts", "requirements", "bin"):
        (tree / name).mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "environment", tree / "scripts")
    for name in ("build", "cpu", "torch-cpu"):
        (tree / "requirements" / f"{name}.txt").write_text("torch==1\n")
    (tree / "pyproject.toml").touch()
    (tree / "bin" / "python").write_text(PYTHON)
    (tree / "bin" / "python").chmod(0o755)
    return tree


def start(tree: Path, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        # What was started in the background ignores SIGINT, and its children with it.
        ["env", "--default-signal=INT", "scripts/environment", ".venv", "cpu"],
        cwd=tree,
        env={**os.environ, "PYTHON": str(tree / "bin" / "python"), **environment},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run(tree: Path, **environment: str) -> tuple[int, str]:
    process = start(tree, **environment)
    said = process.communicate(timeout=60)[1]
    return process.returncode, said


def installs(tree: Path) -> int:
    path = tree / "installs"
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_each_package_is_told_and_a_second_run_does_nothing(tree: Path) -> None:
    code, said = run(tree)
    assert (code, "[1/1] torch==1" in said) == (0, True)
    done = installs(tree)
    assert run(tree) == (0, "")
    assert installs(tree) == done


def test_ctrl_c_ends_it_instead_of_beginning_the_next_attempt(tree: Path) -> None:
    (tree / "slow").touch()
    process = start(tree)
    until((tree / "waits").exists, "the first installation")
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert (process.returncode, installs(tree)) == (130, 1)
    assert said.endswith("stopped; the next time it goes on from here\n")


def test_a_failure_is_told_with_the_last_words_of_pip(tree: Path) -> None:
    (tree / "broken").touch()
    code, said = run(tree)
    assert code == 1
    assert "ERROR: no matching distribution\nmake: a package could not be installed" in said


def test_an_environment_that_was_moved_is_made_again(tree: Path) -> None:
    run(tree)
    moved = tree.rename(tree.with_name("moved"))
    assert "creating .venv" in run(moved)[1]


def test_an_old_python_is_told_with_the_remedy(tree: Path) -> None:
    code, said = run(tree, OLD="1")
    assert code == 1
    assert "older than 3.11" in said
    assert "could not be installed" not in said
