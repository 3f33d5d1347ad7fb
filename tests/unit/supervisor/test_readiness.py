import asyncio
import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from deepseek_local.errors import LaunchError
from deepseek_local.models.card import Golden
from deepseek_local.supervisor.activity import Activity
from deepseek_local.supervisor.address import Address
from deepseek_local.supervisor.canary import Canary
from deepseek_local.supervisor.children import Tail
from deepseek_local.supervisor.front_door import FrontDoor
from deepseek_local.supervisor.heart import Heart
from deepseek_local.supervisor.notify import Notifier
from deepseek_local.supervisor.readiness import wait_until_ready
from deepseek_local.supervisor.watchdog import Rhythm, watch

GOLDEN = Golden("What is the capital of France?", "Paris", exact=False, max_tokens=8)
TOKEN = "dsk_0a1b2c3d4e5f_secret"


def completion(text: str | None) -> tuple[bytes, ...]:
    return (json.dumps({"choices": [{"message": {"content": text}}]}).encode(),)


def good(reply, **changed) -> Callable[..., object]:
    """Answer as a healthy front door does, but for the paths that `changed` names by their last part."""

    def answer(request):
        name = request.path.rsplit("/", 1)[-1]
        if name in changed:
            wrong = changed[name]
            return wrong(request) if callable(wrong) else wrong
        known = {key.lower(): value for key, value in request.headers.items()}.get("authorization") == f"Bearer {TOKEN}"
        match name:
            case "health":
                return reply()
            case "models":
                return reply(403 if known else 401)
            case "metrics":
                return reply(403 if known else 401)
            case _:
                return reply(chunks=completion("It is Paris."))

    return answer


def door(url: str) -> FrontDoor:
    return FrontDoor(Address.parse(url), Canary("demo", TOKEN, GOLDEN), probe_seconds=5, canary_seconds=5)


def wait(url: str, timeout_seconds: float = 5) -> list[str]:
    reported: list[str] = []
    asyncio.run(wait_until_ready(door(url), timeout_seconds, reported.append))
    return reported


@pytest.mark.parametrize("listen", ["tcp", "unix"])
def test_a_healthy_shut_and_sane_front_door_is_ready(web, reply, listen: str) -> None:
    assert wait(web(good(reply), listen))[-1] == "asking the golden question"


def test_a_door_that_bans_who_guesses_is_shut(web, reply) -> None:
    assert wait(web(good(reply, models=reply(429))))[-1] == "asking the golden question"


def test_a_base_model_which_cannot_chat_is_asked_for_a_completion(web, reply) -> None:
    def completions(request):
        if request.path == "/v1/chat/completions":
            return reply(400, (b'{"error": {"message": "no chat template"}}',))
        return reply(chunks=(json.dumps({"choices": [{"text": "It is Paris."}]}).encode(),))

    assert wait(web(good(reply, completions=completions)))[-1] == "asking the golden question"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"models": {"status": 200}}, "GET /v1/models without a token must be answered with 401, but was with 200"),
        ({"metrics": {"status": 200}}, "GET /metrics by the canary must be answered with 403, but was with 200"),
        ({"metrics": {"status": 401}}, "must be answered with 403, but was with 401"),
        ({"completions": {"status": 500}}, "the golden question was answered with HTTP status 500"),
        ({"completions": {"chunks": completion("Lyon")}}, "lacks 'Paris'"),
        ({"completions": {"chunks": completion(None)}}, "'' \\(0 characters\\) lacks 'Paris'"),
        ({"completions": {"chunks": (b"[]",)}}, "something else than a completion"),
    ],
)
def test_an_open_door_or_a_wrong_answer_ends_the_start(
    web, reply, changed: dict[str, dict[str, object]], said: str
) -> None:
    url = web(good(reply, **{name: reply(**how) for name, how in changed.items()}))
    with pytest.raises(LaunchError, match=said) as caught:
        wait(url)
    assert TOKEN not in str(caught.value)


def test_what_cannot_be_asked_yet_is_asked_again(web, reply) -> None:
    statuses = iter([503, 503, 200])
    assert wait(web(good(reply, health=lambda _: reply(next(statuses)))))


def test_a_front_door_that_never_answers_well_ends_the_start(web, reply) -> None:
    with pytest.raises(
        LaunchError, match=r"was not ready within 0 s .GET /health was answered with 503.; raise engine.start_"
    ):
        wait(web(good(reply, health=reply(503))), timeout_seconds=0)


class Lines:
    """What the engine's log says, one piece for each time that it is asked."""

    def __init__(self, *pieces: str) -> None:
        self.left = list(pieces)

    def lines(self) -> list[str]:
        return [self.left.pop(0)]


def watched(url: str, heart: Heart | None = None, log: Lines | None = None, canary_seconds: float = 5) -> str:
    asked = FrontDoor(Address.parse(url), Canary("demo", TOKEN, GOLDEN), probe_seconds=5, canary_seconds=canary_seconds)
    activity = Activity(log or Tail(Path("/dev/null"), 0))

    async def limited() -> str:
        async with asyncio.timeout(10):
            return await watch(asked, Rhythm(0.01, 0.01), heart or Heart(Notifier.of({})), activity)

    return asyncio.run(limited())


def test_three_missed_health_probes_restart_the_engine(web, reply) -> None:
    assert watched(web(good(reply, health=reply(503)))).startswith("the health probe failed 3 times in a row")


def test_two_wrong_answers_restart_the_engine(web, reply) -> None:
    reason = watched(web(good(reply, completions=reply(chunks=completion("Lyon")))))
    assert reason.startswith("the golden question failed 2 times in a row")


def test_one_wrong_answer_between_good_ones_does_not(web, reply) -> None:
    texts = iter(["Lyon", "Paris"] * 5 + ["Lyon", "Lyon"])
    asked = []

    def completions(request):
        asked.append(request)
        return reply(chunks=completion(next(texts)))

    watched(web(good(reply, completions=completions)))
    assert len(asked) == 12


def test_a_question_that_met_503_says_nothing_about_the_engine(web, reply) -> None:
    answers = iter([503] * 5 + [500] * 2)
    asked = []

    def completions(request):
        asked.append(request)
        return reply(next(answers))

    watched(web(good(reply, completions=completions)))
    assert len(asked) == 7


COMPUTES = (
    "INFO [loggers.py:302] Engine 000: Avg prompt throughput: 0.0 tokens/s, Avg generation throughput: 18.3 tokens/s"
)
IDLES = COMPUTES.replace("18.3", "0.0")


@pytest.mark.parametrize("busy", [0, 3])
def test_a_late_answer_of_a_busy_engine_is_no_verdict(web, reply, busy: int) -> None:
    log = Lines(*[COMPUTES] * busy, IDLES, IDLES)
    over = threading.Event()

    def completions(_):
        over.wait(10)
        return reply(chunks=completion("Paris"))

    try:
        reason = watched(web(good(reply, completions=completions)), log=log, canary_seconds=0.05)
    finally:
        over.set()
    assert "was not answered within 0.05 s" in reason
    assert log.left == []


def test_the_heart_stops_while_a_probe_fails(web, reply) -> None:
    heart = Heart(Notifier.of({}))
    heard = []
    heart.hear = lambda probe, *, well: heard.append((probe, well))
    statuses = iter([200, 503, 200, 503, 503, 503])
    watched(web(good(reply, health=lambda _: reply(next(statuses)))), heart)
    assert [well for probe, well in heard if "health" in probe] == [True, False, True, False, False]
