"""
Unix sockets in the runtime directory: a dead one is removed, a living one is respected, and the front door's is opened to nginx's group.

The engine neither removes an old socket nor sets a mode (`vllm/entrypoints/launchers/launcher.py`, `create_server_unix_socket`), so after a
SIGKILL its next start would fail, and who may connect would depend on the umask.
"""

import asyncio
import grp
import os
import socket
import stat
from pathlib import Path

from deepseek_local.errors import LaunchError


def answers(path: Path) -> bool:
    """Whether somebody accepts connections there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(1.0)
        try:
            connection.connect(str(path))
        except TimeoutError:
            return True  # its queue is full, so it has an owner
        except OSError:
            return False
    return True


async def reacts(path: Path, timeout_seconds: float) -> bool:
    """Whether the owner, told that nothing will come, hangs up in time; connections alone are accepted by the kernel (listen(2))."""
    try:
        async with asyncio.timeout(timeout_seconds):
            reader, writer = await asyncio.open_unix_connection(path)
            try:
                writer.write_eof()
                await reader.read()
            finally:
                writer.close()
    except OSError:  # a timeout is one, too
        return False
    return True


def remove_dead(path: Path) -> None:
    """Remove a socket that its owner left behind. Raises `LaunchError` if it is in use, or no socket."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise LaunchError(f"{path} is in the way of a socket and is none; remove it")
    if answers(path):
        raise LaunchError(f"{path} is in use by another process; stop it first")
    path.unlink(missing_ok=True)


def open_to_group(path: Path, group: str | None) -> None:
    """
    Let owner and group connect: the socket gets mode 0660, and the group, if one is named, may also enter the directory.

    Raises `LaunchError` when the group does not exist or is not ours to give.
    """
    try:
        if group is not None:
            number = grp.getgrnam(group).gr_gid
            os.chown(path.parent, -1, number)
            os.chown(path, -1, number)
        path.chmod(0o660)
    except KeyError as error:
        raise LaunchError(
            f"gateway.socket_group {group!r} does not exist on this host; create it or name another"
        ) from error
    except OSError as error:
        raise LaunchError(
            f"{path} could not be opened to the group {group or 'of its owner'} ({error.strerror}); "
            "make the user that runs `serve` a member of it"
        ) from error
