"""
Ask the running sequencer for a new segment.

It is a signal, SIGUSR1, and no line on the socket: everybody who may write records could send a line, and close a segment for each; the
kernel lets a signal pass only from root and from the sequencer's own user. The process is the one that listens on the socket, as the
kernel says (SO_PEERCRED, unix(7)), so no file with a process id can be wrong.
"""

import os
import signal
import socket
import time
from pathlib import Path

from deepseek_local.audit import segments
from deepseek_local.audit.listener import peer
from deepseek_local.errors import AuditError

SIGNAL = signal.SIGUSR1

_PATIENCE_SECONDS = 10.0
_LOOK_SECONDS = 0.02


def rotate(directory: Path, place: Path) -> Path:
    """Return the new segment, whose first record closes the one before. Raises `AuditError` when there is none in time."""
    before = segments.numbers(directory)
    process = _sequencer(place)
    try:
        os.kill(process, SIGNAL)
    except OSError as error:
        raise AuditError(
            f"process {process}, which keeps the audit log, cannot be asked for a new segment: {error.strerror}; "
            "run this as root or as the sequencer's user"
        ) from error
    end = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < end:
        if (numbers := segments.numbers(directory)) != before:
            return segments.path(directory, numbers[-1])
        time.sleep(_LOOK_SECONDS)
    raise AuditError(
        f"no new segment appeared in {directory} within {_PATIENCE_SECONDS:g} s; check that the sequencer on {place} writes there"
    )


def _sequencer(place: Path) -> int:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
        stream.settimeout(_PATIENCE_SECONDS)
        try:
            stream.connect(os.fspath(place))
        except OSError as error:
            raise AuditError(
                f"the audit sequencer on {place} cannot be reached: {error.strerror or error}; start it with `audit serve`"
            ) from error
        process = peer(stream).pid
    if process <= 0:
        raise AuditError(f"the process behind {place} is not visible from here; run this where the sequencer runs")
    return process
