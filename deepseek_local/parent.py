"""
A process that ends with the one that started it, whatever ends that (prctl(2), PR_SET_PDEATHSIG).

The kernel sends the signal when the *thread* that started this process ends, so the parent must start it from a thread that lives on.
A parent that died before the question is found out by comparing: `getppid` has changed by then.
"""

import ctypes
import os
import signal

from deepseek_local.errors import LaunchError

VARIABLE = "DEEPSEEK_LOCAL_PARENT"
"""Names the process id of the parent in the environment of its children."""

_PR_SET_PDEATHSIG = 1


def end_with(process: int) -> None:
    """Ask the kernel for SIGTERM when our parent `process` dies. Raises `LaunchError` when that cannot be had, or it is dead already."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0):
        reason = os.strerror(ctypes.get_errno())
        raise LaunchError(
            f"this process cannot be tied to the one that started it ({reason}); start it without {VARIABLE}"
        )
    if os.getppid() != process:
        raise LaunchError(
            f"the process {process}, with which this one would end, is gone or did not start it; nothing is started"
        )
