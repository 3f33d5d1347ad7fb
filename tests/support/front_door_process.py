"""
One API server process: the front door around an engine that answers everything at once, on a free port of 127.0.0.1.

    DEEPSEEK_LOCAL_GATEWAY=gateway.json python front_door_process.py    print the port, and serve until SIGTERM
"""

import socket

import uvicorn

from deepseek_local.gateway.middleware import PolicyMiddleware

ANSWER = b'{"choices":[],"usage":{"prompt_tokens":2,"completion_tokens":1}}'


async def engine(scope, receive, send) -> None:
    if scope["type"] == "lifespan":
        await live(receive, send)
        return
    while (await receive()).get("more_body", False):
        pass
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(ANSWER))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": ANSWER})


async def live(receive, send) -> None:
    for event in ("startup", "shutdown"):
        assert (await receive())["type"] == f"lifespan.{event}"
        await send({"type": f"lifespan.{event}.complete"})


def main() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(PolicyMiddleware(engine), lifespan="on", log_level="critical"))
        print(listener.getsockname()[1], flush=True)
        server.run([listener])


if __name__ == "__main__":
    main()
