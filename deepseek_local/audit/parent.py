"""
A process that ends with its parent, whatever ends the parent (prctl(2), PR_SET_PDEATHSIG).

The kernel sends the signal when the *thread* that started this process ends, so the parent must start it from a thread that lives on.
"""

import ctypes
import os
import signal

from deepseek_local.errors import AuditError

_PR_SET_PDEATHSIG = 1


def follow_to_death(number: signal.Signals = signal.SIGTERM) -> None:
    """Ask the kernel to send us a signal when our parent dies. Raises `AuditError` when it has died already."""
    parent = os.getppid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0):
        raise AuditError(
            f"cannot tie this process to its parent: {os.strerror(ctypes.get_errno())}; start it without that option"
        )
    if os.getppid() != parent:
        raise AuditError("the parent process ended before this one was ready; start it again")
