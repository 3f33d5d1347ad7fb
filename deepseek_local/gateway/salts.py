"""
Cache salts: whose prompts may be recognised by how fast the engine answers them.

vLLM's prefix cache answers the sooner the more of a prompt it has seen, so who shares it can guess the prompts of others; blocks with
different salts are never shared (`vllm/v1/core/kv_cache_utils.py`). Requests of one tenant share a salt. Who has no tenant shares with
nobody: the name is the namespace then. Decision 0017.
"""

import base64
import hmac
from functools import lru_cache


@lru_cache(maxsize=4_096)
def salt(key: bytes, tenant: str | None, principal: str) -> str:
    """Return 43 characters that only the deployment can work out: HMAC-SHA256 of the namespace, in base64url."""
    # No tenant and no principal has a blank in its name, so no two namespaces are spelled alike.
    namespace = f"tenant {tenant}" if tenant is not None else f"principal {principal}"
    digest = hmac.digest(key, namespace.encode("utf-8"), "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
