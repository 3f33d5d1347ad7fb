"""
Ask the running model and get its answer piece by piece: a client of `/v1/chat/completions`, streamed as server-sent events.

It is an ordinary client of the front door, with a token like everybody; it knows nothing that other clients do not know, except where
`serve` wrote down how to reach it. Every failure is one sentence, and no sentence contains the token.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Literal

import httpx

from deepseek_local.errors import ClientError
from deepseek_local.supervisor import state
from deepseek_local.supervisor.address import Address

TOKEN = "DEEPSEEK_LOCAL_TOKEN"  # noqa: S105 - the name of a variable

_CONNECT_SECONDS = 5.0
_SILENCE_SECONDS = 600.0
"""The longest pause inside an answer: a queued request may wait long for its first token."""
_TOKEN = re.compile(r"[!-~]+")
_DATA = "data: "
_DONE = "[DONE]"


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to ask, and with which right."""

    address: Address
    token: str
    model: str | None
    """None when it has to be asked for."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Options:
    """What the answer shall be like; None leaves it to the model."""

    max_tokens: int | None = None
    temperature: float | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the answer."""

    text: str
    thinking: bool
    """Whether the model still thinks; this part does not belong to the conversation."""


def find(url: str | None, token_file: Path | None, environment: Mapping[str, str], state_file: Path) -> Target:
    """
    Find the front door and a token: what is given first, then a token in the environment, then what `serve` wrote down.

    The token that `serve` made is for this host, so it is sent only to the address that `serve` wrote down. Raises `ClientError`.
    """
    running = None if url else state.read(state_file)
    address = Address.parse(url or (running.url if running else ""))
    if token_file is None and environment.get(TOKEN):
        return Target(address, _checked(environment[TOKEN], TOKEN), running.model if running else None)
    if token_file is None and running and running.token_file:
        token_file = Path(running.token_file)
    if token_file is None:
        raise ClientError(
            f"there is no token for {address.url}: give --token-file FILE or set {TOKEN} (see `deepseek-local token create`)"
        )
    return Target(address, _read_token(token_file), running.model if running else None)


class Conversation:
    """An open connection to the front door."""

    def __init__(self, target: Target) -> None:
        self._target = target
        timeout = httpx.Timeout(_SILENCE_SECONDS, connect=_CONNECT_SECONDS)
        self._client = target.address.client(timeout)
        self._client.headers["authorization"] = f"Bearer {target.token}"
        self._model = target.model

    def close(self) -> None:
        """Hang up; an answer that is being streamed is aborted in the engine."""
        self._client.close()

    def ask(self, messages: Sequence[Message], options: Options) -> Iterator[Piece]:
        """Yield the answer as it comes. Raises `ClientError`; what was yielded before stays true."""
        body: dict[str, object] = {
            "model": self._model or self._first_model(),
            "messages": [{"role": message.role, "content": message.content} for message in messages],
            "stream": True,
        }
        body |= {} if options.max_tokens is None else {"max_tokens": options.max_tokens}
        body |= {} if options.temperature is None else {"temperature": options.temperature}
        try:
            with self._client.stream("POST", "/v1/chat/completions", json=body) as response:
                _check(response)
                yield from _pieces(response.iter_lines())
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    def _first_model(self) -> str:
        try:
            response = self._client.get("/v1/models")
            _check(response)
            self._model = str(response.json()["data"][0]["id"])
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        except (ValueError, LookupError, TypeError) as error:
            raise ClientError(
                f"{self._target.address.url} does not list its models as OpenAI's interface does"
            ) from error
        return self._model

    def _unreachable(self, error: httpx.HTTPError) -> ClientError:
        url = self._target.address.url
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return ClientError(f"nothing answers at {url} ({error}): is `deepseek-local serve` running and ready?")
        if isinstance(error, httpx.TimeoutException):
            return ClientError(f"{url} was silent for too long ({type(error).__name__}); try again")
        return ClientError(f"the connection to {url} broke before the answer was complete ({error}); ask again")


def _read_token(path: Path) -> str:
    try:
        token = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ClientError(f"the token file {path} cannot be read: {reason}") from error
    if not token:
        raise ClientError(f"the token file {path} is empty; create a token with `deepseek-local token create`")
    return _checked(token, f"the token file {path}")


def _checked(text: str, place: str) -> str:
    """Return the token if it can stand in a header; an error of the HTTP library would show it. Raises `ClientError`."""
    token = text.strip()
    if _TOKEN.fullmatch(token) is None:
        raise ClientError(f"{place} holds no token: it must be one word, as `deepseek-local token create` printed it")
    return token


def _pieces(lines: Iterator[str]) -> Iterator[Piece]:
    characters = 0
    for line in lines:
        if not line.startswith(_DATA):
            continue
        data = line.removeprefix(_DATA)
        if data == _DONE:
            return
        for piece in _delta(data):
            characters += len(piece.text)
            yield piece
    raise ClientError(f"the answer was cut off after {characters} characters: the server ended the stream; ask again")


def _delta(data: str) -> Iterator[Piece]:
    try:
        event = json.loads(data)
        if "error" in event:
            raise ClientError(f"the server gave up: {_message(event)}")
        for choice in event["choices"]:
            delta = choice["delta"]
            if thought := delta.get("reasoning") or delta.get("reasoning_content"):
                yield Piece(str(thought), thinking=True)
            if text := delta.get("content"):
                yield Piece(str(text), thinking=False)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ClientError(
            "the server sent something else than a streamed completion; is this the right URL?"
        ) from error


def _check(response: httpx.Response) -> None:
    """Turn a refusal into a sentence with the remedy."""
    if response.status_code == HTTPStatus.OK:
        return
    response.read()
    try:
        said = _message(response.json())
    except ValueError:
        said = response.reason_phrase or "no reason given"
    match response.status_code:
        case HTTPStatus.UNAUTHORIZED:
            remedy = "use a valid token (`deepseek-local token create`)"
        case HTTPStatus.FORBIDDEN:
            remedy = "ask for a role that allows it, in the policy file"
        case HTTPStatus.SERVICE_UNAVAILABLE:
            remedy = f"try again in {response.headers.get('retry-after', 'a few')} s"
        case _:
            remedy = f"request {response.headers.get('x-request-id', 'without an id')}"
    raise ClientError(f"{response.status_code} {said.rstrip('.')}; {remedy}")


def _message(body: object) -> str:
    """Return the sentence inside OpenAI's error shape."""
    error = body.get("error") if isinstance(body, dict) else None
    message = error.get("message") if isinstance(error, dict) else error
    return str(message or "no reason given")
