"""A piece of work that is killed at one of its changes to the file system: a fork, and an audit hook that ends it without another word."""

import os
import sys
from collections.abc import Callable, Iterator

_CHANGES = frozenset({"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.symlink", "os.chmod", "os.link"})
_KILLED = 9


def _changes(event: str, arguments: tuple) -> bool:
    return event in _CHANGES or (
        event == "open" and isinstance(arguments[2], int) and bool(arguments[2] & os.O_ACCMODE)
    )


def killed_at(number: int, work: Callable[[], object]) -> bool:
    """Do the work in another process that dies at its change of this number, from 0; False when it ended before."""
    child = os.fork()
    if child == 0:
        left = number

        def hook(event: str, arguments: tuple) -> None:
            nonlocal left
            if _changes(event, arguments):
                left -= 1
                if left < 0:
                    os._exit(_KILLED)

        sys.addaudithook(hook)
        try:
            work()
        except BaseException:  # noqa: BLE001 -- the parent sees the exit code
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, _KILLED), f"the work failed by itself, with exit code {code}"
    return code == _KILLED


def every_death(prepare: Callable[[], object], work: Callable[[], object], stride: int = 1) -> Iterator[int]:
    """Prepare and kill again and again, some changes later each time, until the work survives; yields after each death."""
    number = 0
    prepare()
    while killed_at(number, work):
        yield number
        number += stride
        prepare()
