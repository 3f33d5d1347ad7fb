"""
The commands of cryptsetup(8), which does all the cryptography of a volume; one function for each that is needed.

A passphrase reaches it through a pipe. What it complains of becomes a part of our sentence.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from deepseek_local import proc
from deepseek_local.errors import StorageError
from deepseek_local.proc import Answered, Piped

LABEL = "deepseek-local"
"""Label of the volumes that are made here, which `lsblk -f` shows."""

_TIMEOUT_SECONDS = 600.0
_SYSTEM = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PASSED_ON = ("DM_DISABLE_UDEV", "LOOPDEV")
_LINES = 3
"""Of what it complains of; the first tells the cause, the last what did not work."""
_UNLOCKED = re.compile(r"Key slot (\d+) unlocked")

FAST = ("--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000")
"""For a passphrase of 384 random bits, which nobody guesses however fast."""
SLOW = ("--pbkdf", "argon2id")
"""For one that people write down."""


def format_volume(device: Path, uuid: str, slot: int, passphrase: bytes) -> None:
    """Make a LUKS2 header with one key slot; whatever was on the device is gone. Raises `StorageError`."""
    cipher = ("--cipher", "aes-xts-plain64", "--key-size", "512", *FAST)
    names = ("--type", "luks2", "--uuid", uuid, "--label", LABEL, "--key-slot", str(slot))
    insist(device, "luksFormat", *names, *cipher, "--key-file", Piped(passphrase), str(device))


def add_key(device: Path, slot: int, passphrase: bytes, added: bytes, *cost: str) -> None:
    """Let one more passphrase open the volume. Raises `StorageError`."""
    slots = ("--key-slot", str(slot), *cost)
    insist(device, "luksAddKey", *slots, "--key-file", Piped(passphrase), str(device), Piped(added))


def change_key(device: Path, slot: int, passphrase: bytes, new: bytes) -> None:
    """Replace the passphrase of a slot; the slot opens with one of the two at every moment. Raises `StorageError`."""
    slots = ("--key-slot", str(slot), *FAST)
    insist(device, "luksChangeKey", *slots, "--key-file", Piped(passphrase), str(device), Piped(new))


def kill_slot(device: Path, slot: int, passphrase: bytes) -> None:
    """Destroy a slot; the passphrase opens another one. Raises `StorageError`."""
    insist(device, "luksKillSlot", "--key-file", Piped(passphrase), str(device), str(slot))


def unlocks(device: Path, passphrase: bytes, slot: int | None = None) -> int | None:
    """Return the number of the slot that the passphrase opens, of all or of one; None when it opens none. Raises `StorageError`."""
    where = () if slot is None else ("--key-slot", str(slot))
    found = call("open", "--test-passphrase", "--verbose", *where, "--key-file", Piped(passphrase), str(device))
    if found.code not in (0, 1, 2):
        raise failed("cryptsetup open --test-passphrase", device, found)
    unlocked = _UNLOCKED.search(found.answer + found.complaint) if found.code == 0 else None
    return None if unlocked is None else int(unlocked[1])


def open_volume(device: Path, name: str, slot: int, passphrase: bytes) -> None:
    """Make /dev/mapper/NAME, the volume in the clear. Raises `StorageError`."""
    insist(
        device, "open", "--type", "luks2", "--key-slot", str(slot), "--key-file", Piped(passphrase), str(device), name
    )


def close_volume(name: str) -> None:
    """Take /dev/mapper/NAME away, and the volume's key out of the kernel. Raises `StorageError`."""
    insist(name, "close", name)


def import_token(device: Path, json: bytes) -> None:
    """Write a token into the header. Raises `StorageError`."""
    insist(device, "token", "import", "--json-file", Piped(json), str(device))


def remove_token(device: Path, number: int) -> None:
    """Take a token out of the header. Raises `StorageError`."""
    insist(device, "token", "remove", "--token-id", str(number), str(device))


def backup_header(device: Path, file: Path) -> None:
    """Copy header and key slots into a new file. Raises `StorageError`."""
    insist(device, "luksHeaderBackup", "--header-backup-file", str(file), str(device))


def erase(device: Path) -> None:
    """Destroy all key slots. Raises `StorageError`."""
    insist(device, "erase", str(device))


def insist(what: object, *words: str | Piped) -> Answered:
    """Call cryptsetup, which must succeed. Raises `StorageError`."""
    answered = call(*words)
    if answered.code != 0:
        raise failed(f"cryptsetup {words[0]}", what, answered)
    return answered


def call(*words: str | Piped) -> Answered:
    """Call cryptsetup. Raises `StorageError` when it cannot be started or does not end."""
    return run(("cryptsetup", words[0], "--batch-mode", *words[1:]), "cryptsetup-bin")


def run(argv: Sequence[str | Piped], package: str) -> Answered:
    """Run a program of the system, in the language of its documentation. Raises `StorageError`."""
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    environment |= {"LC_ALL": "C", "PATH": f"{os.environ.get('PATH', '')}:{_SYSTEM}".removeprefix(":")}
    try:
        return proc.ask(argv, environment, _TIMEOUT_SECONDS)
    except FileNotFoundError as error:
        raise StorageError(f"{argv[0]} is not installed; install the package {package}") from error
    except OSError as error:
        raise StorageError(
            f"{argv[0]} could not be run: {error}; check that the host answers, then try again"
        ) from error


def failed(action: str, what: object, answered: Answered) -> StorageError:
    """Say what a command complained of."""
    said = [line.strip().rstrip(".") for line in (answered.complaint or answered.answer).splitlines() if line.strip()]
    reason = "; ".join(dict.fromkeys(said[-_LINES:])) or f"exit code {answered.code}"
    return StorageError(f"{action} {what} failed: {reason}; mend that and try again")
