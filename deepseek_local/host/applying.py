"""Apply changes one after the other, each on record before it begins, and take them back in the opposite order."""

import difflib
import glob
import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from deepseek_local import files
from deepseek_local.errors import HostError
from deepseek_local.host import journal
from deepseek_local.host.changes import Argv, Change, File
from deepseek_local.host.journal import Entry, Written
from deepseek_local.host.tree import Commands, Tree

_COMMAND_SECONDS, _PACKAGES_SECONDS = 120.0, 3600.0
_LARGEST_BYTES = 1024 * 1024
_RELOAD: Argv = ("systemctl", "daemon-reload")


def pending(changes: Sequence[Change], tree: Tree) -> tuple[Change, ...]:
    """Return the changes that the host does not have yet. Raises `HostError` for a file that cannot be replaced."""
    return tuple(
        change for change in changes if not change.is_met or any(_differs(each, tree) for each in change.files)
    )


def difference(change: Change, tree: Tree) -> Iterator[str]:
    """Show a change as people read one: the files as a unified diff, the commands after them."""
    yield f"# {change.name}: {change.title}"
    for each in change.files:
        before = (_before(tree, each.path)[0] or b"").decode(errors="backslashreplace")
        lines = before.splitlines(), each.content.splitlines()
        yield from difflib.unified_diff(*lines, each.path if before else "/dev/null", each.path, lineterm="", n=1)
    yield from (f"run: {' '.join(argv)}" for argv in change.commands)


def apply(change: Change, tree: Tree, commands: Commands | None, *, has_systemd: bool) -> tuple[Argv, ...]:
    """
    Make one change, and return the commands that are left to be run when the host has booted.

    With `commands` None, as for an image, these are only what enables units: the rest happens at every boot. Raises `HostError`; what was begun is on record and can be repeated.
    """
    runnable = [argv for argv in change.commands if commands and (has_systemd or argv[0] != "systemctl")]
    with _locked(tree):
        entry = Entry(
            datetime.now(UTC).isoformat(timespec="seconds"),
            change.name,
            change.title,
            tuple(_written(tree, each) for each in change.files if _differs(each, tree)),
            change.commands,
            change.undo,
        )
        if entry.files or runnable:
            journal.write(tree, (*journal.read(tree), entry))
        for each in change.files:
            if _differs(each, tree):
                _write(tree, each.path, each.content.encode(), each.mode)
        names = {each.path for each in change.files}
        for argv in runnable:
            _run(commands or Commands(()), [str(tree.at(word)) if word in names else word for word in argv])
    return tuple(argv for argv in change.commands if argv not in runnable and (commands or "enable" in argv))


def undo(tree: Tree, commands: Commands | None, *, has_systemd: bool, tell: Callable[[str], None]) -> int:
    """Take back everything, the newest first, and return how many steps; `tell` hears what stays. Raises `HostError`."""
    count = 0
    with _locked(tree):
        entries = journal.read(tree)
        while entries:
            for argv in entries[-1].undo if commands else ():
                _try(commands or Commands(()), argv, has_systemd=has_systemd, tell=tell)
            for each in entries[-1].files:
                _restore(tree, each, tell)
            entries, count = entries[:-1], count + 1
            journal.write(tree, entries)
        if count and commands and has_systemd:
            _try(commands, _RELOAD, has_systemd=has_systemd, tell=tell)
    return count


@contextmanager
def _locked(tree: Tree) -> Iterator[None]:
    path = journal.place(tree)
    _insist_below(tree, path)
    try:
        files.make_directory(path.parent, 0o755)
        descriptor = files.lock(path)
    except OSError as error:
        raise HostError(f"{path.parent} cannot be used ({error.strerror}): run this as root") from error
    try:
        yield
    finally:
        os.close(descriptor)


def _before(tree: Tree, path: str) -> tuple[bytes | None, int]:
    """Return what a file holds now, and its mode. Raises `HostError` if it is none that can be put back."""
    place = tree.at(path)
    try:
        status = place.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST_BYTES:
            raise HostError(
                f"{place} is no regular file of at most 1 MiB: move it away, since it could not be put back"
            )
        return place.read_bytes(), stat.S_IMODE(status.st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return None, 0
    except OSError as error:
        raise HostError(f"{place} cannot be read ({error.strerror}): run this as root") from error


def _differs(wanted: File, tree: Tree) -> bool:
    return _before(tree, wanted.path) != (wanted.content.encode(), wanted.mode)


def _written(tree: Tree, wanted: File) -> Written:
    before, mode = _before(tree, wanted.path)
    return Written(wanted.path, before, mode, hashlib.sha256(wanted.content.encode()).hexdigest())


def _write(tree: Tree, path: str, content: bytes, mode: int) -> None:
    place = tree.at(path)
    _insist_below(tree, place)
    try:
        if not place.parent.is_dir():
            files.make_directory(place.parent, 0o755)
        _sweep(place)
        files.write_atomic(place, content, mode, keep_owner=True)
    except OSError as error:
        raise HostError(
            f"{place} could not be written ({error.strerror}): put that right and repeat, or take it back with --undo"
        ) from error


def _insist_below(tree: Tree, place: Path) -> None:
    """Refuse a way that a link leads out of an image."""
    if not place.parent.resolve().is_relative_to(tree.root.resolve()):
        raise HostError(f"{place.parent} leads out of {tree.root} to {place.parent.resolve()}: remove the link")


def _restore(tree: Tree, written: Written, tell: Callable[[str], None]) -> None:
    _sweep(tree.at(written.path))
    content, _ = _before(tree, written.path)
    if content == written.before:
        return
    if content is not None and hashlib.sha256(content).hexdigest() != written.digest:
        tell(f"{written.path} stays: somebody changed it since")
    elif written.before is not None:
        _write(tree, written.path, written.before, written.mode)
    elif content is not None:
        _remove(tree.at(written.path))


def _sweep(place: Path) -> None:
    """Remove the drafts of a step that was killed; the lock keeps those of others away."""
    try:
        for draft in place.parent.glob(f".{glob.escape(place.name)}.*"):
            draft.unlink()
    except OSError as error:
        raise HostError(
            f"a draft beside {place} could not be removed ({error.strerror}): put that right and repeat"
        ) from error


def _remove(place: Path) -> None:
    try:
        place.unlink()
        files.sync_directory(place.parent)
    except OSError as error:
        raise HostError(f"{place} could not be removed ({error.strerror}): put that right and repeat") from error


def _try(commands: Commands, argv: Argv, *, has_systemd: bool, tell: Callable[[str], None]) -> None:
    if argv[0] == "systemctl" and not has_systemd:
        return
    try:
        _run(commands, argv)
    except HostError as error:
        tell(str(error))


def _run(commands: Commands, argv: Sequence[str]) -> None:
    program = commands.find(argv[0])
    said = " ".join(argv)
    if program is None:
        raise HostError(f"{argv[0]} is not installed, so `{said}` could not be run: install it and repeat")
    try:
        ended = commands.run(
            (str(program), *argv[1:]), _PACKAGES_SECONDS if argv[0] in ("apt-get", "dnf") else _COMMAND_SECONDS
        )
    except OSError as error:
        raise HostError(f"`{said}` could not be run ({error}): put that right and repeat") from error
    if ended.code != 0:
        complaint = (ended.complaint.strip() or ended.answer.strip() or "it said nothing").splitlines()[-1][:300]
        raise HostError(f"`{said}` ended with exit code {ended.code} ({complaint}): put that right and repeat")
