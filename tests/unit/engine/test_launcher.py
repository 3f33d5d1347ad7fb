"""The engine's process as the launcher prepares it, with a stand-in for vLLM's command line that tells what it finds."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deepseek_local.engine.installed import installed_version
from deepseek_local.parent import VARIABLE as PARENT

LAUNCHER = [sys.executable, "-m", "deepseek_local.engine.launcher"]
STAND_IN = """
import importlib.metadata, json, os, sys, time
def main():
    mask = os.umask(0)
    try:
        version = importlib.metadata.version("vllm")
    except importlib.metadata.PackageNotFoundError as missing:
        version = str(missing)
    print(json.dumps({"argv": sys.argv[1:], "umask": mask, "version": version}), flush=True)
    if "--sleep" in sys.argv:
        time.sleep(60)
"""
SPAWNING = """
import multiprocessing
from api_server import protocol
def main():
    context = multiprocessing.get_context("spawn")
    answers = context.SimpleQueue()
    child = context.Process(target=protocol, args=(answers,))
    child.start()
    child.join()
    protocol(answers)
    print(answers.get(), answers.get())
"""
FRONT_DOOR = "--middleware=front_door.Door"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Put the stand-in and a middleware on the import path, before the real vLLM."""
    package = tmp_path / "vllm" / "entrypoints" / "cli"
    package.mkdir(parents=True)
    for directory in (package, *package.parents[:2]):
        (directory / "__init__.py").touch()
    (package / "main.py").write_text(STAND_IN)
    (tmp_path / "front_door.py").write_text("class Door: ...")
    (tmp_path / "broken_door.py").write_text("raise RuntimeError('the door is broken')")
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {"PATH": os.environ["PATH"], "PYTHONPATH": path}


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*LAUNCHER, *arguments], env=environment, capture_output=True, text=True, check=False)


def test_the_engine_gets_its_arguments_and_a_closed_umask(environment):
    found = json.loads(run(environment, "serve", "/model", FRONT_DOOR).stdout)
    assert found["argv"] == ["serve", "/model", FRONT_DOOR]
    assert found["umask"] == 0o007


def test_every_process_of_the_engine_limits_heads(environment, tmp_path):
    # The engine starts its API servers by `spawn`; what they run is pickled by the name of its module.
    (tmp_path / "api_server.py").write_text(
        "def protocol(answers):\n    from uvicorn.protocols.http import auto\n    answers.put(auto.AutoHTTPProtocol.__name__)\n"
    )
    (tmp_path / "vllm" / "entrypoints" / "cli" / "main.py").write_text(SPAWNING)
    assert run(environment, "serve", "/model", FRONT_DOOR).stdout.split() == ["LimitedProtocol", "LimitedProtocol"]
    # Python runs this before everything else: as if httptools were not installed.
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['httptools'] = None\n")
    assert run(environment, "serve", "/model", FRONT_DOOR).stdout.split() == ["H11Protocol", "H11Protocol"]


@pytest.mark.skipif(installed_version() is None, reason="vLLM is not installed")
def test_the_cpu_build_answers_for_the_version_of_vllm(environment):
    found = json.loads(run(environment, "serve", "/model", FRONT_DOOR).stdout)
    assert found["version"] in (installed_version(), f"{installed_version()}+cpu")


def test_without_a_front_door_nothing_starts(environment):
    done = run(environment, "serve", "/model")
    assert done.returncode == 1
    assert "without a front door" in done.stderr
    assert not done.stdout


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("no_such_module.Door", "no_such_module"),
        ("front_door.Window", "Window"),
        ("broken_door.Door", "the door is broken"),
    ],
)
def test_a_front_door_that_cannot_be_imported_stops_the_start_at_once(environment, path, words):
    done = run(environment, "serve", "/model", FRONT_DOOR, f"--middleware={path}")
    assert done.returncode == 1
    assert words in done.stderr
    assert not done.stdout


def test_importing_the_launcher_starts_nothing(environment):
    code = "import sys, deepseek_local.engine.launcher; print('vllm' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_the_engine_ends_with_a_supervisor_that_was_killed(environment):
    supervisor = (
        "import os, subprocess, sys; "
        f"subprocess.run(sys.argv[1:], env=os.environ | {{'{PARENT}': str(os.getpid())}}, check=False)"
    )
    command = [sys.executable, "-c", supervisor, *LAUNCHER, "serve", "--sleep", FRONT_DOOR]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"{")
        process.send_signal(signal.SIGKILL)
        # The engine holds the other end of the pipe: it closes when the engine, too, has ended.
        assert process.stdout.read() == b""


def test_an_engine_whose_supervisor_is_gone_does_not_start(environment):
    done = run(environment | {PARENT: "1"}, "serve", "/model", FRONT_DOOR)
    assert done.returncode == 1
    assert "process 1" in done.stderr
    assert not done.stdout
