"""The front door inside vLLM's API server processes; the engine loads it by the name of `PolicyMiddleware`."""

from deepseek_local.gateway.middleware import PolicyMiddleware

__all__ = ["PolicyMiddleware"]
