"""
The sequencer's Unix socket: claimed without a race for the path, readable by the group, and only for known users.

A socket file that nobody answers is the trace of a killed process and is replaced; one that answers is left alone. The kernel says who
connects (SO_PEERCRED, unix(7)); a client cannot lie about it.
"""

import os
import socket
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deepseek_local.audit.segments import failure
from deepseek_local.errors import AuditError

MODE_MASK = 0o117
"""The umask that gives the socket mode 0660."""
PATH_LIMIT = 107
"""Bytes of a socket's path, by `struct sockaddr_un`."""

_CREDENTIALS = struct.Struct("3i")


@dataclass(frozen=True, slots=True)
class Peer:
    """The process at the other end, as the kernel saw it connect."""

    pid: int
    uid: int
    gid: int


def peer(connection: socket.socket) -> Peer:
    """Ask the kernel who is at the other end."""
    return Peer(*_CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)))


@contextmanager
def claim(path: Path) -> Iterator[socket.socket]:
    """
    Bind the path; clients are refused until the caller listens, and the file is gone at the end.

    Raises `AuditError` when another process answers there, or the path cannot be used.
    """
    _make_room(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.settimeout(0)
        _bind(listener, path)
        mine = path.stat().st_ino
        try:
            yield listener
        finally:
            _remove(path, mine)


def _make_room(path: Path) -> None:
    if len(os.fsencode(path)) > PATH_LIMIT:
        raise AuditError(
            f"the socket path {path} is longer than {PATH_LIMIT} bytes, which Unix does not allow: choose a shorter one"
        )
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise failure("examine", path, error) from error
    if not stat.S_ISSOCK(kind):
        raise AuditError(f"{path} exists and is not a socket: remove it, or choose another path")
    if _answers(path):
        raise AuditError(f"another process answers on {path}: stop it first, or choose another path")
    path.unlink(missing_ok=True)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(0)
        try:
            probe.connect(os.fspath(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except BlockingIOError:  # its queue is full, so somebody listens
            return True
        except OSError as error:
            raise failure("examine", path, error) from error
    return True


def _bind(listener: socket.socket, path: Path) -> None:
    previous = os.umask(MODE_MASK)
    try:
        listener.bind(os.fspath(path))
    except OSError as error:
        raise failure("bind", path, error) from error
    finally:
        os.umask(previous)


def _remove(path: Path, inode: int) -> None:
    """Remove our socket, but not one that has taken its place."""
    try:
        if path.lstat().st_ino == inode:
            path.unlink()
    except FileNotFoundError:
        return
