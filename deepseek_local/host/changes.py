"""What a preparation would change: files with their content, and commands that make them count; a value, until somebody applies it."""

import ipaddress
from dataclasses import dataclass

from deepseek_local.host.packages import Source

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Argv = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class File:
    """A file as it should be."""

    path: str
    """Absolute, below the root of the host."""
    content: str
    mode: int = 0o644


@dataclass(frozen=True, slots=True)
class Change:
    """One step, which is whole or can be repeated."""

    name: str
    """For `--only`."""
    title: str
    files: tuple[File, ...] = ()
    commands: tuple[Argv, ...] = ()
    """Run when the files are there."""
    undo: tuple[Argv, ...] = ()
    """Run before the files are put back."""
    is_met: bool = True
    """Whether the running host already is as the commands would make it."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What people choose."""

    ports: tuple[int, ...]
    """TCP ports that stay open to everybody."""
    peers: tuple[Network, ...] = ()
    """Hosts and networks that reach every port, such as the other nodes of one engine."""
    source: Source | None = None
    """Where packages come from; None is what the host is set up with."""
