"""
Questions to the front door, as any client asks them: over its socket or port, with a time limit each.

The port is bound before the engine loads (`vllm/entrypoints/launchers/launcher.py`), so a client connects and hangs: without a short
limit a probe would wait as long as the engine does. A 503 says "not now" (draining, no audit record, engine dead) and is no verdict.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus

import httpx

from deepseek_local.errors import LaunchError
from deepseek_local.supervisor.address import Address
from deepseek_local.supervisor.canary import Canary, complaint

FORBIDDEN = "/metrics"
"""A route that exists and that the canary may not use."""
GUARDED = "/v1/models"
"""A route that exists and that nobody may use without identity."""
CHAT = "/v1/chat/completions"
"""The route of the golden question."""
COMPLETIONS = "/v1/completions"
"""Its route for a base model: without a chat template vLLM answers a chat with 400."""


_SHOWN = 200


class ProbeError(LaunchError):
    """The front door or the engine did something that it must not do."""


class SlowError(ProbeError):
    """The answer did not come in time; that may be a hung engine, or one with much to do."""


class NotNowError(LaunchError):
    """The front door did not answer, or answered that it cannot serve now; asking again later may help."""


class FrontDoor:
    """The front door of one deployment, seen from outside."""

    def __init__(self, address: Address, canary: Canary, probe_seconds: float, canary_seconds: float) -> None:
        self._address = address
        self._canary = canary
        self._probe = httpx.Timeout(probe_seconds)
        self._answer = httpx.Timeout(probe_seconds, read=canary_seconds)

    async def check_health(self) -> None:
        """Ask whether the engine says it is well. Raises `NotNowError` if it does not."""
        status = await self._status("/health", {})
        if status != HTTPStatus.OK:
            raise NotNowError(f"GET /health was answered with {status}")

    async def check_refusal(self) -> None:
        """Come without identity. Raises `ProbeError` if the door is not shut, `NotNowError` if it does not answer."""
        # The second status where somebody else guesses on this host, so that its address is banned.
        await self._expect(GUARDED, {}, (HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS), "without a token")

    async def check_prohibition(self) -> None:
        """Ask for what the canary may not have. Raises like `check_refusal`."""
        await self._expect(FORBIDDEN, self._headers(), (HTTPStatus.FORBIDDEN,), "by the canary")

    async def check_answer(self) -> None:
        """Ask the golden question. Raises `ProbeError` if the answer is wrong or no answer, `NotNowError` at a 503."""
        response = await self._ask(CHAT)
        if response.status_code == HTTPStatus.BAD_REQUEST:
            response = await self._ask(COMPLETIONS)
        if response.status_code != HTTPStatus.OK:
            raise ProbeError(
                f"the golden question was answered with HTTP status {response.status_code}: {response.text[:_SHOWN]!r}"
            )
        wrong = complaint(_text(response), self._canary.golden)
        if wrong is not None:
            raise ProbeError(wrong)

    async def refuses_everybody(self) -> bool:
        """Whether new requests get 503, as they must while draining."""
        return await self._status(GUARDED, {}) == HTTPStatus.SERVICE_UNAVAILABLE

    async def _expect(self, path: str, headers: Mapping[str, str], wanted: Sequence[HTTPStatus], how: str) -> None:
        status = await self._status(path, headers)
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            raise NotNowError(f"GET {path} {how} was answered with {status}")
        if status not in wanted:
            raise ProbeError(f"GET {path} {how} must be answered with {wanted[0].value}, but was with {status}")

    async def _status(self, path: str, headers: Mapping[str, str]) -> int:
        try:
            async with (
                self._address.async_client(self._probe) as client,
                client.stream("GET", path, headers=headers) as response,
            ):
                return response.status_code
        except httpx.HTTPError as error:
            raise NotNowError(f"GET {path} failed ({_reason(error)})") from error

    async def _ask(self, path: str) -> httpx.Response:
        body = self._canary.request(as_chat=path == CHAT)
        try:
            async with self._address.async_client(self._answer) as client:
                response = await client.post(path, headers=self._headers(), json=body)
        except httpx.TimeoutException as error:
            raise SlowError(f"the golden question was not answered within {self._answer.read:g} s") from error
        except httpx.HTTPError as error:
            raise NotNowError(f"POST {path} failed ({_reason(error)})") from error
        if response.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
            raise NotNowError(f"POST {path} was answered with 503")
        return response

    def _headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self._canary.token}"}


def _text(response: httpx.Response) -> str:
    """Return the answer; of a model that only thought within its tokens, the thinking."""
    try:
        choice = response.json()["choices"][0]
        message = choice.get("message", {"content": choice.get("text")})
        text = message.get("content") or message.get("reasoning") or message.get("reasoning_content") or ""
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ProbeError(
            f"the golden question was answered with something else than a completion ({error!r})"
        ) from error
    return str(text)


def _reason(error: httpx.HTTPError) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
