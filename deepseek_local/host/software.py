"""Probe the distribution, Python, the compiler, and what the installed torch was built for."""

import re
import sys
import sysconfig
from pathlib import Path

from deepseek_local.host.facts import Release, Software, Version
from deepseek_local.host.tree import Commands, Tree

PROGRAMS = ("nft", "chronyc", "gcc", "nvidia-persistenced", "nv-fabricmanager", "apt-get", "dnf")
_LINE = re.compile(r"^([A-Z0-9_]+)=(?:\"([^\"]*)\"|'([^']*)'|(\S*))\s*$", re.MULTILINE)
_CUDA = re.compile(r"^cuda\b[^=]*=\s*['\"]([\d.]+)['\"]", re.MULTILINE)
_HIP = re.compile(r"^hip\b[^=]*=\s*['\"]([\d.]+)", re.MULTILINE)


def release(tree: Tree) -> Release | None:
    """Read os-release(5); None if it names no distribution."""
    text = tree.text("/etc/os-release") or tree.text("/usr/lib/os-release") or ""
    fields = {name: next(filter(None, values), "") for name, *values in _LINE.findall(text)}
    identifier = fields.get("ID", "").lower()
    if not identifier:
        return None
    version = fields.get("VERSION_ID", "")
    return Release(identifier, version, fields.get("PRETTY_NAME") or f"{identifier} {version}".strip())


def software(tree: Tree, commands: Commands, packages: str) -> Software:
    """Look for programs, and read torch's version file without importing it."""
    build = tree.text(f"{packages}/torch/version.py") or ""
    compiler = next(filter(None, map(commands.find, ("gcc", "cc"))), None)
    header = Path(sysconfig.get_path("include"), "Python.h")
    return Software(
        sys.version_info[:3],
        str(compiler) if compiler else None,
        tree.exists(str(header)),
        _version(_CUDA, build),
        _version(_HIP, build),
        tuple(name for name in PROGRAMS if commands.find(name)),
    )


def version(text: str) -> Version | None:
    """Read the first version in a text, such as 580.65.06; None if there is none."""
    found = re.search(r"\d+(?:\.\d+)+", text)
    return tuple(int(part) for part in found[0].split(".")) if found else None


def _version(pattern: re.Pattern[str], text: str) -> Version | None:
    found = pattern.search(text)
    return version(found[1]) if found else None
