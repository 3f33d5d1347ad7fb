"""A real Redis server on a Unix socket in a directory of the test, which can be killed and started again."""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

EXECUTABLE = shutil.which("redis-server")


class RedisServer:
    def __init__(self, directory: Path, *options: str) -> None:
        self.socket = directory / "redis.sock"
        self._options = ("--save", "", "--appendonly", "no", "--maxmemory", "64mb", *options)
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def start(self) -> None:
        assert EXECUTABLE is not None
        command = (EXECUTABLE, "--port", "0", "--unixsocket", str(self.socket), "--dir", str(self._directory))
        self._process = subprocess.Popen((*command, *self._options), stdout=subprocess.DEVNULL)
        for _ in range(500):
            with socket.socket(socket.AF_UNIX) as client:
                if client.connect_ex(os.fspath(self.socket)) == 0:
                    return
            time.sleep(0.01)
        raise AssertionError("redis-server did not start within 5 s")

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)
