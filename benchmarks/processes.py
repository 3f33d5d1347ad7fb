"""Other programs, for as long as a block lasts, and the addresses they listen on."""

import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

START_SECONDS = 240


@contextmanager
def running(
    command: Sequence[str], descriptor: int | None = None, environment: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Run a process for as long as the block lasts, in our environment unless it gets one of its own."""
    process = subprocess.Popen(
        command,
        pass_fds=() if descriptor is None else (descriptor,),
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def wait_for(address: str | int) -> None:
    """Wait until somebody listens on a Unix socket or a port of loopback. Ends the program when nobody comes."""
    family, target = (socket.AF_UNIX, address) if isinstance(address, str) else (socket.AF_INET, ("127.0.0.1", address))
    deadline = time.monotonic() + START_SECONDS
    while True:
        with socket.socket(family) as probe:
            if probe.connect_ex(target) == 0:
                return
        if time.monotonic() > deadline:
            raise SystemExit(f"nobody listens on {address} after {START_SECONDS} s")
        time.sleep(0.05)
