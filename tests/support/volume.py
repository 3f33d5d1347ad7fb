"""An encrypted volume in a file: the real cryptsetup, the real commands, and a token of SoftHSM."""

import json
import os
import shutil
import sys
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from soft_token import SoftToken

from deepseek_local.cli import main
from deepseek_local.hsm.uri import TokenURI
from deepseek_local.storage import cryptsetup, header
from deepseek_local.storage.header import HSM_SLOT, Header

SIZE_BYTES = 48 * 1024 * 1024
KEY = "object=volumes"
NEXT_KEY = "object=volumes-next"
MISSING = "cryptsetup is not there; requirements/system.txt names its package"

_INSTEAD = """#!/bin/bash
# The real cryptsetup, with a cheap recovery slot; it can kill who called it, and itself.
place={place}
echo "$*" >> "$place/calls"
words=("$@")
case "$*" in *argon2id*) words=("${{words[0]}}" --pbkdf-memory 64 --pbkdf-force-iterations 4 "${{words[@]:1}}");; esac
if [ -s "$place/kill_at" ] && [ "$(wc -l < "$place/calls")" = "$(cat "$place/kill_at")" ]; then
  case "$(cat "$place/kill_how")" in
    before) kill -9 $PPID; exit 1 ;;
    after) {real} "${{words[@]}}"; kill -9 $PPID; exit 1 ;;
    *) {real} "${{words[@]}}" & sleep "$(cat "$place/kill_how")"; kill -9 $! $PPID; exit 1 ;;
  esac
fi
exec {real} "${{words[@]}}"
"""


def is_installed() -> bool:
    return real() is not None


def real() -> str | None:
    return shutil.which("cryptsetup", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


@dataclass
class Ran:
    """What a command did."""

    code: int
    out: str
    said: str

    @property
    def data(self) -> dict:
        return json.loads(self.out)


@dataclass
class Volume:
    """One file, and what is beside it."""

    place: Path
    token: SoftToken
    image: Path = field(init=False)
    recovery_key: str = field(init=False, default="")
    copy: Path = field(init=False)
    """Of the header, as it was made."""

    def __post_init__(self) -> None:
        self.image = self.place / "volume.img"
        self.records = self.place / "records"
        self.bin = self.place / "bin"

    def make(self) -> None:
        """Make the program that stands before cryptsetup."""
        self.bin.mkdir()
        instead = self.bin / "cryptsetup"
        instead.write_text(_INSTEAD.format(place=self.place, real=real()))
        instead.chmod(0o700)

    def clear(self) -> None:
        """Let the file be empty."""
        self.image.unlink(missing_ok=True)
        with self.image.open("wb") as stream:
            stream.truncate(SIZE_BYTES)

    def kill_at(self, step: int | None, how: str = "before") -> None:
        """Choose the call of cryptsetup at which the caller is killed; from now on they are counted from 1."""
        (self.place / "calls").write_text("")
        (self.place / "kill_at").write_text("" if step is None else str(step))
        (self.place / "kill_how").write_text(how)

    def calls(self) -> list[str]:
        """Return the first words of the calls since then."""
        return [line.split(" ")[0] for line in (self.place / "calls").read_text().splitlines()]

    def backup(self) -> Path:
        """Name a file that is not there yet."""
        return self.place / f"header-{len(list(self.place.glob('header-*')))}"

    def newest_backup(self) -> Path:
        """Return the copy that was made last."""
        return max(self.place.glob("header-*"), key=lambda path: int(path.name.removeprefix("header-")))

    def environment(self) -> dict[str, str]:
        settings = {
            "DEEPSEEK_LOCAL_STORAGE_DEVICE": str(self.image),
            "DEEPSEEK_LOCAL_STORAGE_KEY": self.token.uri(KEY),
            "DEEPSEEK_LOCAL_STORAGE_RECORDS": str(self.records),
        }
        return {**os.environ, "PATH": f"{self.bin}:{os.environ['PATH']}", **settings}

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "deepseek_local", "storage", *words]

    def run(self, *words: str, typed: str = "", **changed: str) -> Ran:
        """Run a command of `storage` in a fork of this process, which is quicker than a new one; `changed` are variables."""
        files = [self.place / name for name in ("stdin", "stdout", "stderr")]
        for file in files:
            file.write_text(typed if file.name == "stdin" else "")
        child = os.fork()
        if child == 0:
            _command(files, {**self.environment(), **changed}, ("storage", *words))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        ran = Ran(code, *(file.read_text() for file in files[1:]))
        assert "Traceback" not in ran.said, ran.said
        return ran

    def done(self, *words: str, **more: str) -> Ran:
        """Run a command that succeeds."""
        ran = self.run(*words, **more)
        assert ran.code == 0, ran.said
        return ran

    def init(self, *words: str) -> str:
        """Make the volume and return its recovery key."""
        return self.done("init", "--yes", "--format=json", "--header-backup", str(self.backup()), *words).data[
            "recovery_key"
        ]

    def refused(self, *words: str, **more: str) -> str:
        """Run a command that fails, and return its one sentence."""
        ran = self.run(*words, **more)
        assert ran.code in (1, 4), ran
        (sentence,) = ran.said.strip().splitlines()[-1:]
        return sentence

    def header(self) -> Header:
        return header.read(self.image)

    def parsed(self, key: str = KEY) -> TokenURI:
        return self.token.parsed(key)

    def opens_with(self, passphrase: bytes | str, slot: int | None = None) -> bool:
        """Whether a passphrase opens the volume, or one slot of it."""
        secret = passphrase.encode() if isinstance(passphrase, str) else passphrase
        return cryptsetup.unlocks(self.image, secret, slot) is not None

    def slots(self) -> list[int]:
        return sorted(slot.number for slot in self.header().slots)

    def is_whole(self) -> bool:
        """Whether it has one way through the HSM, one recovery key, and nothing else."""
        read = self.header()
        return len(read.wrapped) == len(read.recovery) == 1 and self.slots() == [HSM_SLOT, *read.recovery_slots]

    def waiting(self) -> list[dict]:
        """Return the records that wait."""
        path = self.records / "records.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line) for line in lines if not line.startswith("#")]


def _command(files: list[Path], environment: dict[str, str], words: tuple[str, ...]) -> NoReturn:
    """Be a command from here on."""
    code = 70
    try:
        for number, file in enumerate(files):
            os.dup2(os.open(file, os.O_RDWR | os.O_APPEND), number)
        sys.stdin, sys.stdout, sys.stderr = (os.fdopen(number, mode) for number, mode in enumerate("rww"))
        os.environ.update(environment)
        code = main.run(words)
    except BaseException:  # noqa: BLE001 -- a fork must not go on as the test
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
