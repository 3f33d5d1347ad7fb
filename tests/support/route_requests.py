"""For every route of the catalogue, a path and a body that a client with the right would send."""

import json

from deepseek_local.access import Body
from deepseek_local.policy.routes import Route

MODEL = "stub"
_SAY = [{"role": "user", "content": "hello"}]
_DOCUMENTS: dict[str, dict[str, object]] = {
    "/v1/chat/completions": {"model": MODEL, "messages": _SAY},
    "/v1/completions": {"model": MODEL, "prompt": "hello"},
    "/v1/chat/completions/batch": {"model": MODEL, "messages": [_SAY, _SAY]},
    "/v1/responses": {"model": MODEL, "input": "hello"},
    "/v1/messages": {"model": MODEL, "messages": _SAY, "max_tokens": 8},
    "/v1/messages/count_tokens": {"model": MODEL, "messages": _SAY},
    "/tokenize": {"model": MODEL, "prompt": "hello"},
    "/detokenize": {"model": MODEL, "tokens": [1, 2]},
    "/v1/embeddings": {"model": MODEL, "input": "hello"},
    "/v2/embed": {"model": MODEL, "texts": ["hello"], "input_type": "search_query"},
    "/pooling": {"model": MODEL, "input": "hello"},
    "/classify": {"model": MODEL, "input": "hello"},
    "/score": {"model": MODEL, "text_1": "hello", "text_2": "you"},
    "/v1/score": {"model": MODEL, "text_1": "hello", "text_2": "you"},
    "/scale_elastic_ep": {"new_data_parallel_size": 2},
    "/fault_tolerance/apply": {"instruction": "retry"},
    "/v1/load_lora_adapter": {"lora_name": "a", "lora_path": "/a"},
    "/v1/unload_lora_adapter": {"lora_name": "a"},
}
_DOCUMENTS |= {
    path: {"model": MODEL, "query": "hello", "documents": ["you"]} for path in ("/rerank", "/v1/rerank", "/v2/rerank")
}
_DOCUMENTS |= {
    path: {"model": MODEL, "query": "hello", "items": ["you"], "label_token_ids": [1]}
    for path in ("/generative_scoring", "/v1/systemone", "/v1/decisions")
}
_BOUNDARY = "x"
_FORM = f'--{_BOUNDARY}\r\ncontent-disposition: form-data; name="model"\r\n\r\n{MODEL}\r\n--{_BOUNDARY}--\r\n'.encode()


def path_of(route: Route) -> str:
    """Return the path with something in the place of its variable part."""
    return route.access.route.replace("{id}", "resp_1").replace("{name}", "x")


def content_of(route: Route) -> tuple[str, bytes] | None:
    """Return type and bytes of the body; None for a route without one."""
    if route.access.body is Body.JSON:
        return "application/json", json.dumps(_DOCUMENTS[route.access.route]).encode()
    if route.access.body is Body.MULTIPART:
        return f"multipart/form-data; boundary={_BOUNDARY}", _FORM
    return None
