"""
Count as one API server process of the engine, and print what the engine's own `/metrics` shows then.

    python tests/integration/count_and_show.py DIGEST REFUSALS

Begins to count at a line on standard input and prints at a second one, so that several processes can count before one shows.
"""

import asyncio
import sys

import httpx
from fastapi import FastAPI
from vllm.entrypoints.serve.instrumentator.metrics import attach_router

from deepseek_local.gateway import metrics


async def shown() -> str:
    """Ask the engine's own route."""
    app = FastAPI()
    attach_router(app)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://engine") as client:
        return (await client.get("/metrics")).text


def main() -> None:
    digest, refusals = sys.argv[1:]
    input()
    metrics.policy_generation(f"sha256:{digest * 64}")
    for _ in range(int(refusals)):
        metrics.refused("forbidden")
        metrics.decided(8e-6)
        metrics.stream_began()
    metrics.admitted(0.0004)
    metrics.stop()  # no server runs here that would pour them
    print("counted", flush=True)
    input()
    print(asyncio.run(shown()), flush=True)


if __name__ == "__main__":
    main()
