import socket
from pathlib import Path

import pytest

from deepseek_local.supervisor.notify import Notifier


def listen(address: str | bytes) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(address)
    listener.settimeout(5)
    return listener


def test_ready_reaches_the_socket_that_systemd_named(tmp_path: Path) -> None:
    with listen(str(tmp_path / "notify")) as listener:
        Notifier.of({"NOTIFY_SOCKET": str(tmp_path / "notify")}).ready("serving demo")
        assert listener.recv(1024) == b"READY=1\nSTATUS=serving demo"


def test_an_abstract_socket_is_understood(tmp_path: Path) -> None:
    name = f"deepseek-local-{tmp_path.name}-{id(tmp_path)}"
    with listen(b"\0" + name.encode()) as listener:
        Notifier.of({"NOTIFY_SOCKET": f"@{name}"}).stopping("draining")
        assert listener.recv(1024) == b"STOPPING=1\nSTATUS=draining"


def test_a_sign_of_life_is_sent_only_when_systemd_waits_for_one(tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    with listen(path) as listener:
        Notifier.of({"NOTIFY_SOCKET": path}).alive()
        watched = Notifier.of({"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "30000000"})
        watched.alive()
        assert watched.watchdog_seconds == 30.0
        assert listener.recv(1024) == b"WATCHDOG=1"


def test_a_watchdog_meant_for_another_process_is_not_ours() -> None:
    environment = {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}
    assert Notifier.of(environment, pid=2).watchdog_seconds is None
    assert Notifier.of(environment, pid=1).watchdog_seconds == 30.0


def test_without_systemd_nothing_happens() -> None:
    Notifier.of({}).ready("serving")


def test_a_vanished_socket_is_a_warning_not_a_crash(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Notifier.of({"NOTIFY_SOCKET": str(tmp_path / "gone")}).status("serving")
    assert "could not be notified" in caplog.text
