"""Which packages are missing, and the command that installs them, also from a directory or a server of the site."""

import sysconfig
from dataclasses import dataclass
from pathlib import Path

from deepseek_local.errors import HostError
from deepseek_local.host.facts import Facts

STATE = "/var/lib/deepseek-local-host"
SOURCE_LIST = f"{STATE}/packages.list"
_FORBIDDEN = set(" \t\n[]\"'")
_SIGNATURES = ("InRelease", "Release.gpg")


@dataclass(frozen=True, slots=True)
class Source:
    """A flat repository: `Packages` of apt, or `repodata` of dnf."""

    url: str
    is_trusted: bool
    """Whether apt takes it without a signature: only a directory of this host that has none."""

    @classmethod
    def of(cls, text: str) -> "Source":
        """Read what people give: a directory or an address. Raises `HostError`."""
        if not text or _FORBIDDEN & set(text):
            raise HostError(
                f"{text!r} is no source of packages: give a directory or an address without blanks, quotes and brackets"
            )
        if "://" in text:
            return cls(text, is_trusted=False)
        place = Path(text).absolute()
        if not place.is_dir():
            raise HostError(f"{place} is no directory: give one that holds packages with their index, or an address")
        return cls(f"file:{place}", is_trusted=not any((place / each).exists() for each in _SIGNATURES))


def missing(facts: Facts) -> tuple[str, ...]:
    """Name what apt or dnf should install."""
    found, python = facts.software, ".".join(map(str, facts.software.python[:2]))
    computes = facts.accelerators.nvidia + facts.accelerators.amd > 0
    is_distributed = sysconfig.get_path("include").startswith("/usr/include")
    headers = f"python{python}-{'dev' if 'apt-get' in found.programs else 'devel'}"
    needed = (
        ("gcc", computes and found.compiler is None),
        (headers, computes and is_distributed and not found.has_python_header),
        ("nftables", "nft" not in found.programs),
        ("chrony", facts.clock.keeper is None and "chronyc" not in found.programs),
    )
    return tuple(name for name, is_needed in needed if is_needed)


def commands(programs: tuple[str, ...], names: tuple[str, ...], source: Source | None) -> tuple[tuple[str, ...], ...]:
    """Return what installs packages; nothing on a host with neither apt nor dnf."""
    if "apt-get" in programs:
        place = (
            f"Dir::Etc::SourceList={SOURCE_LIST}",
            "Dir::Etc::SourceParts=/dev/null",
            f"Dir::State::Lists={STATE}/lists",
        )
        options = tuple(word for each in place for word in ("-o", each)) if source else ()
        return (
            *((("mkdir", "--parents", f"{STATE}/lists/partial"),) if source else ()),
            ("apt-get", *options, "update"),
            ("apt-get", *options, "install", "--yes", "--no-install-recommends", *names),
        )
    if "dnf" in programs:
        choice = (f"--repofrompath=deepseek-local,{source.url}", "--repo=deepseek-local") if source else ()
        return (("dnf", "--assumeyes", *choice, "install", *names),)
    return ()


def listing(source: Source) -> str:
    """Return the line by which apt knows a source."""
    return f"deb {'[trusted=yes] ' if source.is_trusted else ''}{source.url} ./\n"
