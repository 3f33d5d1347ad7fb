"""Checks of where things lie: port and sockets are free, directories can be written and have room."""

import errno
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

from deepseek_local.doctor import holder
from deepseek_local.finding import Finding, error, warning
from deepseek_local.plan import Plan
from deepseek_local.profile.front_door import Listen
from deepseek_local.supervisor import sockets

_MIB = 1024 * 1024
_LEAST_FREE_BYTES = 256 * _MIB
_LITTLE_FREE_BYTES = 10 * 1024 * _MIB
_LITTLE_FREE_SHARE = 0.15
_HIGHEST_PORT = 65_535


def port(plan: Plan) -> Iterator[Finding]:
    """Find out whether the front door's port can be bound."""
    if plan.profile.gateway.listen is not Listen.LOOPBACK:
        return
    number = plan.profile.gateway.port
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", number))
        except OSError as reason:
            yield _port_taken(number, reason)


def unix_sockets(plan: Plan) -> Iterator[Finding]:
    """Find out whether the sockets can be bound."""
    paths = [] if plan.places.foreign_audit_socket else [plan.places.audit_socket]
    if plan.profile.gateway.listen is Listen.UNIX:
        paths.append(plan.places.front_socket(plan.profile))
    for path in paths:
        if path.is_socket() and sockets.answers(path):
            who = holder.of_socket(path) or "another process"
            yield error(
                "socket.in-use", f"the socket {path} is in use by {who}", "stop it first, or choose another --home"
            )


def runtime(plan: Plan) -> Iterator[Finding]:
    """Look at the runtime directory: it holds sockets and secrets."""
    path = plan.places.runtime
    if not path.exists():
        yield from _creatable("runtime.unwritable", path)
        return
    if not os.access(path, os.W_OK | os.X_OK):
        yield error(
            "runtime.unwritable",
            f"the runtime directory {path} cannot be written by user {os.geteuid()}",
            "correct its owner",
        )
    elif path.stat().st_uid not in (os.geteuid(), 0):
        yield error(
            "runtime.owner",
            f"the runtime directory {path} belongs to user {path.stat().st_uid}",
            f"give it to user {os.geteuid()}",
        )


def home(plan: Plan) -> Iterator[Finding]:
    """Find out whether the home directory can be written."""
    yield from _creatable("home.unwritable", plan.places.home)


def audit(plan: Plan) -> Iterator[Finding]:
    """Find out whether the audit log can be written, and for how long; one that somebody else writes is theirs to look after."""
    if plan.places.foreign_audit_socket is not None:
        return
    path = plan.places.audit(plan.profile)
    yield from _creatable("audit.unwritable", path)
    usage = shutil.disk_usage(_existing(path))
    if usage.free < _LEAST_FREE_BYTES:
        yield error(
            "audit.no-space",
            f"the volume of the audit log {path} has {usage.free // _MIB} MiB left",
            "free some space, or move audit.directory",
        )
    elif usage.free < min(_LITTLE_FREE_BYTES, usage.total * _LITTLE_FREE_SHARE):
        yield warning(
            "audit.little-space",
            f"the volume of the audit log {path} has {usage.free // _MIB} MiB left",
            "when it is full, every request is refused",
        )


def _port_taken(number: int, reason: OSError) -> Finding:
    if reason.errno == errno.EADDRINUSE:
        who = holder.of_port(number) or "another process"
        return error(
            "port.in-use",
            f"port {number} on 127.0.0.1 is in use by {who}",
            f"stop it first, or choose another gateway.port, as with DEEPSEEK_LOCAL_GATEWAY__PORT={_other(number)}",
        )
    return error(
        "port.refused", f"port {number} on 127.0.0.1 cannot be used ({reason.strerror})", "choose another gateway.port"
    )


def _other(port: int) -> int:
    return port + 1 if port < _HIGHEST_PORT else port - 1


def _creatable(identifier: str, path: Path) -> Iterator[Finding]:
    parent = _existing(path)
    if not parent.is_dir():
        yield error(identifier, f"{parent} is in the way of the directory {path}", "remove it, or choose another place")
    elif not os.access(parent, os.W_OK | os.X_OK):
        yield error(
            identifier,
            f"{parent} cannot be written by user {os.geteuid()}, which {path} needs",
            "correct its owner or choose another place",
        )


def _existing(path: Path) -> Path:
    """Return the path, or the closest of its parents that exists."""
    return next(place for place in (path, *path.parents) if place.exists())
