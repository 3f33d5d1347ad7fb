"""
The shipped texts of which nginx's configuration is made, with places such as `@{port}` to fill in.

What is filled in is no longer searched for places, and only words of which nginx makes nothing else are let in: see `word`.
"""

import re
import string
from functools import cache
from pathlib import Path

from deepseek_local.errors import ProxyError
from deepseek_local.profile.library import shipped_file

_WORD = re.compile(r"[A-Za-z0-9_./:@,+=*\[\]-]+")
_INDENT = "    "


class _Text(string.Template):
    delimiter = "@"
    braceidpattern = "[a-z_]+"
    idpattern = "(?!)"
    """A place has braces; `@` alone is a character."""


def fill(name: str, **values: object) -> str:
    """Return the shipped text with every place filled, its comments and indentation as they are."""
    return _Text(_shipped(name)).substitute(values).rstrip("\n")


def indent(lines: str, depth: int) -> str:
    """Move lines to the right by so many steps; empty ones stay empty."""
    return "\n".join(f"{_INDENT * depth}{line}" if line else line for line in lines.split("\n"))


def word(text: str | Path, setting: str) -> str:
    """Return what is one word for nginx, whatever stands around it. Raises `ProxyError` for everything else."""
    if not _WORD.fullmatch(str(text)):
        raise ProxyError(
            f"{setting} is {str(text)[:80]!r}, which nginx would not read as one word; use letters, digits and . _ - / there"
        )
    return str(text)


@cache
def _shipped(name: str) -> str:
    return shipped_file("nginx", f"{name}.conf").read_text("ascii")
