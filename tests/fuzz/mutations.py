"""What can be done to a request: to its target, its head, its body, and to the borders between requests."""

import json
import string
from collections.abc import Callable, Mapping
from random import Random

from tests.fuzz.drafts import Draft

NAUGHTY = (
    "/", "//", "/.", "/..", "/./", "/../", "%2f", "%2e", "%00", "%", "%zz", "%25", "%c0%af", ";", ";x=y", "?", "#", "\\", "%5c",
    "@", ":", "*", "~", "{id}", "%0d%0a", "%20", "+", "&", "=", "a" * 300, "invocations", "health", "v1", "_", "%e2%80%ae",
)  # fmt: skip
VALUES: tuple[object, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**53, 2**63, 2**64, 10**40, 1.5, -0.0, 1e300, "", "a", "stub", "other", "\0", "é" * 50, [], [[]],
    {}, {"a": {}}, ["a"] * 40, [None], "x" * 5000, "../../etc/passwd", "{{7*7}}", "u:root",
)  # fmt: skip
FIELDS = (
    "model", "messages", "prompt", "input", "n", "best_of", "max_tokens", "max_completion_tokens", "max_output_tokens", "stream",
    "stream_options", "logprobs", "top_logprobs", "prompt_logprobs", "tools", "tool_choice", "response_format", "structured_outputs",
    "priority", "cache_salt", "chat_template", "chat_template_kwargs", "prompt_embeds", "kv_transfer_params", "vllm_xargs", "documents",
    "request_id", "session_id", "data_parallel_rank", "mm_processor_kwargs", "store", "background", "previous_response_id", "user",
    "temperature", "stop", "add_generation_prompt", "unheard_of",
)  # fmt: skip
HEADERS = (
    "x-ds-user", "x-ds-proxy", "x_ds_user", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "forwarded", "x-original-url",
    "x-rewrite-url", "x-http-method-override", "x-request-id", "x-vllm-priority", "x-data-parallel-rank", "x-session-id", "cookie",
    "x-amzn-sagemaker-adapter-identifier", "endpoint-load-metrics-format", "content-encoding", "accept-encoding", "range", "te", "via",
    "content-type", "authorization", "proxy-authorization", "host", "origin", "referer", "if-match", "x-api-key", "api-key",
)  # fmt: skip
METHODS = (
    "GET",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "HEAD",
    "OPTIONS",
    "TRACE",
    "PROPFIND",
    "BREW",
    "get",
    "WEBSOCKET",
    "M-SEARCH",
)
OF_BODIES = frozenset(("field", "deep", "repeated_key", "bytes_in_body", "encoding", "other_body"))
"""Mutations that leave the head alone."""
_UPGRADE = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"


def _path(random: Random, draft: Draft) -> None:
    position = random.randint(0, len(draft.target))
    draft.target = (draft.target[:position] + random.choice(NAUGHTY) + draft.target[position:]) or "/"


def _letter(random: Random, draft: Draft) -> None:
    position = random.randrange(len(draft.target))
    letter = draft.target[position]
    other = random.choice(
        (letter.upper(), f"%{ord(letter) % 256:02x}", "", letter * 2, random.choice(string.punctuation))
    )
    draft.target = (draft.target[:position] + other + draft.target[position + 1 :]) or "/"


def _absolute(random: Random, draft: Draft) -> None:
    draft.target = (
        random.choice(("http://localhost", "https://a", "http://a@b", "//a", "ftp://a", "")) + draft.target or "/"
    )


def _bytes_in_target(random: Random, draft: Draft) -> None:
    position = random.randint(0, len(draft.target))
    draft.target = draft.target[:position] + _character(random, draft) + draft.target[position:]


def _character(random: Random, draft: Draft) -> str:
    character = chr(random.randrange(256))
    # With the end of a line the head can end before its time.
    draft.is_broken = draft.is_broken or character in "\r\n"
    return character


def _method(random: Random, draft: Draft) -> None:
    draft.method = random.choice(METHODS)


def _header(random: Random, draft: Draft) -> None:
    value = random.choice(
        ("", "1", "-9", "u:root", "/health", "localhost/health?", "gzip", "JSON", "a, b", "Bearer x", "é", "x" * 9000)
    )
    draft.headers.insert(random.randint(0, len(draft.headers)), (random.choice(HEADERS), value))


def _repeated_header(random: Random, draft: Draft) -> None:
    draft.headers.append(random.choice(draft.headers))


def _lost_header(random: Random, draft: Draft) -> None:
    draft.headers.remove(random.choice(draft.headers))
    draft.headers = draft.headers or [("host", "a")]


def _bytes_in_header(random: Random, draft: Draft) -> None:
    index = random.randrange(len(draft.headers))
    name, value = draft.headers[index]
    position = random.randint(0, len(value))
    draft.headers[index] = (name, value[:position] + _character(random, draft) + value[position:])


def _bytes_in_header_name(random: Random, draft: Draft) -> None:
    index = random.randrange(len(draft.headers))
    name, value = draft.headers[index]
    draft.headers[index] = (name + _character(random, draft), value)


def _field(random: Random, draft: Draft) -> None:
    if draft.document is None:
        return
    draft.document[random.choice(FIELDS)] = random.choice(VALUES)
    draft.body = json.dumps(draft.document).encode()


def _deep(random: Random, draft: Draft) -> None:
    depth = random.choice((10, 100, 1_000, 20_000))
    opening, closing = random.choice((("[", "]"), ('{"a":', "}")))
    draft.body = b'{"model":"stub","messages":' + (opening * depth + "1" + closing * depth).encode() + b"}"


def _repeated_key(random: Random, draft: Draft) -> None:
    draft.body = b'{"%b":1,' % random.choice(FIELDS).encode() + draft.body[1:]


def _bytes_in_body(random: Random, draft: Draft) -> None:
    position = random.randint(0, len(draft.body))
    draft.body = (
        draft.body[:position]
        + random.randbytes(random.choice((1, 1, 4)))
        + draft.body[position + random.randint(0, 2) :]
    )


def _encoding(random: Random, draft: Draft) -> None:
    text = draft.body.decode("latin-1")
    draft.body = random.choice(
        (b"\xef\xbb\xbf" + draft.body, text.encode("utf-16"), text.encode("utf-32"), draft.body[::-1])
    )


def _other_body(random: Random, draft: Draft) -> None:
    draft.body = random.choice(
        (b"", b"null", b"[]", b"1", b'"a"', b"{}", b"NaN", b'{"n":1e999}', b"{" * 50, random.randbytes(200))
    )


def _chunks(random: Random, draft: Draft) -> None:
    draft.framing = "transfer-encoding: chunked\r\n"
    step = random.choice((1, 7, 100, 10_000))
    parts = [draft.body[start : start + step] for start in range(0, min(len(draft.body), step * 50), step)]
    extension = random.choice(("", ";a", ";a=b", ' ;a="b"'))
    draft.tail = b"".join(b"%x%b\r\n%b\r\n" % (len(part), extension.encode(), part) for part in parts)
    draft.tail += random.choice((b"0\r\n\r\n", b"0\r\nx: y\r\n\r\n", b"00\r\n\r\n", b"0\r\nauthorization: x\r\n\r\n"))
    draft.is_broken = True


def _lying_length(random: Random, draft: Draft) -> None:
    length = random.choice((0, 1, len(draft.body) - 1, len(draft.body) + 1, 10**9, 10**30, -1))
    draft.framing = random.choice(
        ("content-length: {}\r\n", "content-length: +{}\r\n", "content-length:{} \r\n")
    ).format(length)
    draft.tail, draft.is_broken = draft.body, True


def _two_framings(random: Random, draft: Draft) -> None:
    framings = ["content-length: 5\r\n", "transfer-encoding: chunked\r\n", "content-length: 6\r\n", "transfer-encoding: identity\r\n", "transfer-encoding: xchunked\r\n", "content-length: 5, 5\r\n", "transfer-encoding : chunked\r\n"]  # fmt: skip
    draft.framing = "".join(random.sample(framings, 2))
    draft.tail = b"0\r\n\r\nGET /v1/models HTTP/1.1\r\nhost: a\r\n\r\n"
    draft.is_broken = True


def _bad_chunks(random: Random, draft: Draft) -> None:
    draft.framing = "transfer-encoding: chunked\r\n"
    draft.tail = random.choice(
        (
            b"zz\r\nab\r\n",
            b"-1\r\n",
            b"fffffffffffffffff\r\na",
            b"5\r\nab\r\n0\r\n\r\n",
            b"2\nab\n0\n\n",
            b"0x2\r\nab\r\n0\r\n\r\n",
            b"2;" + b"a" * 70_000,
        )
    )
    draft.is_broken = True


def _cut_off(random: Random, draft: Draft) -> None:
    draft.kept, draft.is_broken = random.random(), True


def _version(random: Random, draft: Draft) -> None:
    draft.version = random.choice(
        ("HTTP/1.0", "HTTP/2.0", "HTTP/0.9", "HTTP/1.2", "http/1.1", "HTTP/1.1 ", "RTSP/1.0", "")
    )
    draft.is_broken = True


def _upgrade(random: Random, draft: Draft) -> None:
    draft.framing = random.choice(
        (_UPGRADE, "connection: upgrade\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n")
    )
    draft.tail, draft.is_broken = draft.body, True


def _connect(_: Random, draft: Draft) -> None:
    draft.method, draft.is_broken = "CONNECT", True


def _asking_first(_: Random, draft: Draft) -> None:
    draft.headers.append(("expect", "100-continue"))
    draft.is_broken = True


def _line_ends(random: Random, draft: Draft) -> None:
    draft.framing = random.choice(
        ("\n", "x: y\n", "x: y\r", " folded\r\n", "x: y\r\n folded\r\n", ": no name\r\n", "no colon\r\n")
    )
    draft.tail, draft.is_broken = draft.body, True


def _spoken(_: Random, draft: Draft) -> None:
    """An honest WebSocket handshake."""
    draft.method, draft.target, draft.framing, draft.is_broken = "GET", "/v1/realtime", _UPGRADE, True
    draft.tail = b""


Mutation = Callable[[Random, Draft], None]
_WEIGHTS: Mapping[Mutation, int] = {
    _path: 16, _letter: 12, _absolute: 4, _bytes_in_target: 4, _method: 8, _header: 16, _repeated_header: 6, _lost_header: 4,
    _bytes_in_header: 4, _bytes_in_header_name: 2, _field: 24, _deep: 2, _repeated_key: 5, _bytes_in_body: 12, _encoding: 5, _other_body: 7,
    _chunks: 1, _lying_length: 1, _two_framings: 1, _bad_chunks: 1, _cut_off: 1, _version: 1, _upgrade: 1, _connect: 1, _asking_first: 1,
    _line_ends: 1, _spoken: 1,
}  # fmt: skip
MUTATIONS = tuple(mutate for mutate, weight in _WEIGHTS.items() for _ in range(weight))
"""Each as often as it is to be chosen."""
