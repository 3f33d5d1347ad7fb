"""
Tell systemd how we are: the sd_notify(3) datagram, without libsystemd.

systemd names a Unix socket in `NOTIFY_SOCKET` (a leading `@` means the abstract namespace) and, with `WatchdogSec=`, an interval in
`WATCHDOG_USEC`. Without them every call does nothing, so that callers need not ask where they run.
"""

import logging
import os
import socket
from collections.abc import Mapping

_log = logging.getLogger(__name__)


class Notifier:
    """The way to systemd; what it says is what `systemctl status` shows."""

    def __init__(self, address: str | None, watchdog_seconds: float | None) -> None:
        self._address = address
        self.watchdog_seconds = watchdog_seconds
        """How long systemd waits for a sign of life; None when it does not."""

    @classmethod
    def of(cls, environment: Mapping[str, str], pid: int | None = None) -> "Notifier":
        """Read `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`, which may name another process than us."""
        microseconds = environment.get("WATCHDOG_USEC", "")
        meant = environment.get("WATCHDOG_PID", "") in ("", str(pid or os.getpid()))
        watched = microseconds.isdecimal() and int(microseconds) > 0 and meant
        return cls(environment.get("NOTIFY_SOCKET") or None, int(microseconds) / 1e6 if watched else None)

    def ready(self, status: str) -> None:
        """Say that the service is up."""
        self._send(f"READY=1\nSTATUS={status}")

    def status(self, status: str) -> None:
        """Say in one line what is going on."""
        self._send(f"STATUS={status}")

    def stopping(self, status: str) -> None:
        """Say that the service goes down on purpose."""
        self._send(f"STOPPING=1\nSTATUS={status}")

    def alive(self) -> None:
        """Give the sign of life."""
        if self.watchdog_seconds is not None:
            self._send("WATCHDOG=1")

    def _send(self, message: str) -> None:
        if self._address is None:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as connection:
                connection.sendto(message.encode(), address)
        except OSError as error:
            _log.warning("systemd could not be notified at %s: %s", self._address, error)
