"""
The FAKE engine's main: vLLM's command line, log lines and manners, without a model.

It binds its socket before it "loads", puts `--middleware` around its app, keeps a child of its own as vLLM keeps workers, and drains on
SIGTERM. The file `fault.txt` beside the checkpoint's weights says what goes wrong; it is read again for every request.
"""

import asyncio
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import uvicorn

GOLDEN = "The capital of France is Paris."


class Engine:
    """An ASGI app with the engine's routes, and the faults."""

    def __init__(self, directory: Path) -> None:
        self._fault = directory / "fault.txt"

    @property
    def fault(self) -> str:
        return self._fault.read_text().strip() if self._fault.exists() else ""

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http":
            return
        if self.fault == "hangs":
            await asyncio.sleep(3600)
        if scope["path"] == "/v1/chat/completions":
            request = json.loads((await receive())["body"])
            await (self._stream(receive, send) if request.get("stream") else self._whole(send))
        else:
            await self._answer(send, {"data": [{"id": "demo"}]})

    async def _whole(self, send) -> None:
        if self.fault == "fails":
            await self._answer(send, {"error": {"message": "broken"}}, status=500)
            return
        text = "is is is France France France" if self.fault == "garbage" else GOLDEN
        await self._answer(send, {"choices": [{"message": {"role": "assistant", "content": text}}]})

    async def _stream(self, receive, send) -> None:
        """
        Write a word each time the file `tick.txt` grows by a byte, so that a test decides how long a stream lasts.

        Like vLLM, notice that the client has left.
        """
        left = asyncio.ensure_future(receive())
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        ticks = self._fault.with_name("tick.txt")
        sent = 0
        while sent < 3 and not left.done():
            if ticks.exists() and ticks.stat().st_size > sent:
                sent += 1
                event = {"choices": [{"delta": {"content": f"word{sent} "}}]}
                await send(
                    {"type": "http.response.body", "body": f"data: {json.dumps(event)}\n\n".encode(), "more_body": True}
                )
            await asyncio.sleep(0.01)
        if not left.done():
            left.cancel()
            await send({"type": "http.response.body", "body": b"data: [DONE]\n\n", "more_body": False})

    async def _answer(self, send, body: object, status: int = 200) -> None:
        content = json.dumps(body).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})


def bound(arguments: dict[str, str]) -> socket.socket:
    if "uds" in arguments:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(arguments["uds"])
    else:
        listener = socket.socket(socket.AF_INET)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((arguments["host"], int(arguments["port"])))
    return listener


def main() -> None:
    arguments = dict(token.removeprefix("--").split("=", 1) for token in sys.argv[1:] if "=" in token)
    directory = Path(sys.argv[2])
    engine = Engine(directory)
    listener = bound(arguments)
    if engine.fault in ("ignores-sigterm", "hangs"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # Like a worker: it is in the engine's group and does not notice the engine's death.
    subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"])
    print("(EngineCore pid=1) INFO 11-24 06:59:16 [core.py:133] Initializing a V1 LLM engine (FAKE)", flush=True)
    if engine.fault == "loads-for-ever":
        time.sleep(3600)
    if engine.fault == "dies-while-loading":
        print(
            "(Worker pid=1) ERROR 11-24 06:59:29 [core.py:1] torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB."
        )
        print("RuntimeError: Engine core initialization failed. See root cause above.", flush=True)
        os._exit(1)
    print("(Worker pid=1) INFO 11-24 06:59:26 [default_loader.py:501] Loading weights took 0.01 seconds", flush=True)
    app = engine
    if engine.fault != "open-door":
        module, _, name = arguments["middleware"].rpartition(".")
        app = getattr(importlib.import_module(module), name)(engine)
    config = uvicorn.Config(
        app, log_level="info", access_log=False, timeout_graceful_shutdown=int(arguments["shutdown-timeout"])
    )
    server = uvicorn.Server(config)
    if engine.fault == "ignores-sigterm":
        server.capture_signals = importlib.import_module("contextlib").nullcontext
    server.run(sockets=[listener])
