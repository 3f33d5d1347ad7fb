"""
The only place that prints: results go to stdout, talk goes to stderr, and every result exists as text and as JSON.

A command hands over what it found, once as data and once as lines; which of the two is shown is the user's choice.
"""

import dataclasses
import getpass
import io
import json
import os
import stat
import sys
import traceback
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path

import click

from deepseek_local.errors import Error, OutputError, ProblemsError


class Format(StrEnum):
    """How results are written."""

    TEXT = "text"
    JSON = "json"


def result(output: Format, data: object, lines: Iterable[str]) -> None:
    """Print one result to stdout: `data` as one JSON value, or the `lines`."""
    if output is Format.JSON:
        _write(f"{_json(data)}\n")
    else:
        for line in lines:
            _write(f"{line}\n")


def stream(text: str) -> None:
    """Print a piece of a result at once and without a line break, as an answer that is still being written."""
    # Without `color`, click would take escape sequences out of what goes into a pipe.
    _write(text, color=True)


def content(data: bytes) -> None:
    """Write bytes to stdout as they are. Raises `OutputError`."""
    _write(data)


def insist_on_shown() -> None:
    """Return when what was printed has left this process, and is on disk where it goes to a file. Raises `OutputError`."""
    if sys.stdout is None:
        raise OutputError("stdout is closed, so nobody got the result: run the command again with stdout open")
    try:
        descriptor = sys.stdout.fileno()
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.fsync(descriptor)
    except io.UnsupportedOperation:  # a text in memory
        return
    except OSError as error:
        raise _unwritten(error) from error


def is_terminal() -> bool:
    """Whether results are shown on a terminal; stdout may be closed."""
    return sys.stdout is not None and sys.stdout.isatty()


def ask(prompt: str) -> str:
    """Let the user type a line; Ctrl-D is an empty one."""
    try:
        return input(prompt)
    except EOFError:
        note("")
        return ""


def ask_secret(prompt: str) -> str:
    """Let the user type a line that the terminal does not show; what is no terminal is read."""
    return getpass.getpass(prompt) if sys.stdin is not None and sys.stdin.isatty() else ask("")


def note(text: str) -> None:
    """Tell the user on stderr what is going on."""
    click.echo(text, err=True)


def failure(error: Error, output: Format, *, verbose: bool) -> None:
    """Print why a command failed to stderr, with the traceback where that was asked for."""
    if verbose:
        click.echo("".join(traceback.format_exception(error)), err=True, nl=False)
    if output is Format.JSON:
        click.echo(_json({"error": _failure(error)}), err=True)
    else:
        click.echo(str(error), err=True)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Set rows below their headings, each column as wide as its longest cell."""
    cells = [tuple(headings), *(tuple(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def accept_any_text() -> None:
    """Let streams show what they cannot encode as an escape, and take what they cannot decode: a file name may hold any byte."""
    handling = ((sys.stdin, "surrogateescape"), (sys.stdout, "backslashreplace"), (sys.stderr, "backslashreplace"))
    for text, errors in handling:
        if hasattr(text, "reconfigure"):
            text.reconfigure(errors=errors)


def _write(text: str | bytes, *, color: bool | None = None) -> None:
    """Write to stdout. Raises `OutputError`, but leaves it to click when the reader went away."""
    try:
        click.echo(text, nl=False, color=color)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise _unwritten(error) from error


def _unwritten(error: OSError) -> OutputError:
    return OutputError(f"the result could not be written ({error.strerror}): free some space at its place")


def _failure(error: Error) -> dict[str, object]:
    """Describe an error as data."""
    described: dict[str, object] = {"message": str(error), "exit_code": int(error.exit_code)}
    if isinstance(error, ProblemsError):
        described["problems"] = error.problems
    return described


def _json(data: object) -> str:
    """Write data as JSON; dataclasses become objects and paths strings."""
    return json.dumps(data, indent=2, ensure_ascii=False, default=_plain)


def _plain(value: object) -> object:
    """Turn what `json` does not know into what it knows."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
