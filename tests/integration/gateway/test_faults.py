"""When the sequencer, the engine or the client fails: nothing leaves without its record, and probes are still answered."""

import signal
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import httpx
import pytest

from deepseek_local.gateway import documents
from tests.integration.gateway.conftest import Door, wait_until
from tests.integration.gateway.stub_engine import DONE, WORD

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def _restored(door: Door) -> Iterator[None]:
    yield
    door.engine.go_on.set()
    door.sequencer.stop()
    door.sequencer.start()
    wait_until(lambda: door.ask(door.olga).status_code == 200, "requests are recorded again")


def is_unavailable(response: httpx.Response) -> bool:
    return (response.status_code, response.headers["retry-after"], response.json()["error"]["code"]) == (
        503,
        "5",
        "no_record",
    )


def test_a_dead_sequencer_stops_everything_but_health(door: Door):
    door.sequencer.signal(signal.SIGKILL)
    seen = len(door.engine.seen)
    for response in (door.ask(door.olga), door.ask(None), door.ask(door.ann), door.ask(door.root, "GET", "/nowhere")):
        assert is_unavailable(response)
    assert len(door.engine.seen) == seen
    assert door.ask(None, "GET", "/health").status_code == 200
    door.sequencer.start()
    wait_until(lambda: door.ask(door.olga).status_code == 200, "requests are recorded again")


def test_the_log_says_once_that_records_stop_and_once_that_they_go_on(door: Door, caplog: pytest.LogCaptureFixture):
    door.sequencer.signal(signal.SIGKILL)
    for _ in range(3):
        assert is_unavailable(door.ask(door.olga))
    door.sequencer.start()
    for _ in range(3):
        wait_until(lambda: door.ask(door.olga).status_code == 200, "requests are recorded again")
    stopped, again = [
        record.getMessage() for record in caplog.records if record.name == "deepseek_local.gateway.journal"
    ]
    assert stopped.startswith("requests are refused with 503 until their records can be written: ")
    assert again == "records can be written again"


def test_a_check_that_fails_refuses_on_record_and_tells_no_content(
    door: Door, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def parse(body: bytes) -> None:
        raise ValueError(body.decode())

    monkeypatch.setattr(documents, "parse", parse)
    seen = len(door.engine.seen)
    response = door.ask(door.olga, json={"model": "m", "messages": ["secret"]})
    assert (response.status_code, response.json()["error"]["code"]) == (500, "failed")
    assert len(door.engine.seen) == seen
    decision = door.decision(response)
    assert (decision["dec"], decision["reason"], decision["status"]) == ("deny", "failed", 500)
    (told,) = [one.getMessage() for one in caplog.records if one.name == "deepseek_local.gateway.checks"]
    assert told.startswith("a request is refused because a check failed: ValueError in test_faults.py, line ")
    assert "secret" not in caplog.text


def test_a_silent_sequencer_stops_everything_but_health(door: Door):
    door.sequencer.signal(signal.SIGSTOP)
    assert is_unavailable(door.ask(door.olga))
    assert is_unavailable(door.ask(None))
    assert door.ask(None, "GET", "/health").status_code == 200
    door.sequencer.signal(signal.SIGCONT)
    wait_until(lambda: door.ask(door.olga).status_code == 200, "requests are recorded again")


def test_an_answer_whose_outcome_cannot_be_recorded_becomes_503(door: Door, pool: "Pool"):
    pending = pool.chat(kind="answer", pause=True)
    wait_until(lambda: len(door.engine.seen) == pool.seen + 1, "the engine has the request")
    door.sequencer.signal(signal.SIGKILL)
    door.engine.go_on.set()
    assert is_unavailable(pending.result(20))


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP])
def test_a_stream_whose_outcome_cannot_be_recorded_ends_without_its_last_words(door: Door, fault: signal.Signals):
    received = b""

    def read() -> None:
        nonlocal received
        with stream(door, kind="stream", pause=True) as response:
            for chunk in response.iter_raw():
                received += chunk
                if received == WORD * 3:
                    door.sequencer.signal(fault)
                    door.engine.go_on.set()

    with pytest.raises(httpx.RemoteProtocolError):
        read()
    assert received.startswith(WORD * 3)
    assert DONE not in received


def test_an_engine_that_dies_before_its_answer_is_500(door: Door):
    response = door.chat(kind="die")
    assert (response.status_code, response.json()["error"]["code"]) == (500, "failed")
    assert (door.outcome(response)["status"], door.outcome(response)["aborted"]) == (500, False)


def test_an_engine_that_dies_within_a_stream_leaves_it_truncated_and_recorded(door: Door):
    with pytest.raises(httpx.RemoteProtocolError), stream(door, kind="stream", die=True) as response:
        for _ in response.iter_raw():
            pass
    assert (door.outcome(response)["status"], door.outcome(response)["aborted"]) == (200, True)
    assert door.outcome(response)["answer"]["bytes"] == len(WORD) * 3


def test_the_engine_is_told_when_the_client_leaves_within_a_stream(door: Door):
    with stream(door, kind="wait") as response:
        assert next(response.iter_raw()) == WORD
    assert door.seen(response).left.wait(10)
    wait_until(lambda: len(door.records_of(response)) == 2, "the outcome is recorded")
    assert (door.outcome(response)["aborted"], door.outcome(response)["answer"]["bytes"]) == (True, len(WORD))


def test_the_engine_is_told_when_the_client_leaves_before_any_answer(door: Door):
    seen = len(door.engine.seen)
    with pytest.raises(httpx.ReadTimeout):
        door.client.post(
            "/v1/chat/completions",
            json={"metadata": {"kind": "never"}},
            headers={"authorization": f"Bearer {door.olga}"},
            timeout=httpx.Timeout(20, read=0.2),
        )
    (request,) = door.engine.seen[seen:]
    assert request.left.wait(10)
    wait_until(lambda: len(door.sequencer.records_of(request.id)) == 2, "the outcome is recorded")
    outcome = door.sequencer.records_of(request.id)[1]
    assert (outcome["status"], outcome["aborted"], outcome["answer"]["bytes"]) == (0, True, 0)


def stream(door: Door, **stub: object):  # type: ignore[no-untyped-def]  # httpx names no type for it
    headers = {"authorization": f"Bearer {door.olga}"}
    return door.client.stream("POST", "/v1/chat/completions", json={"stream": True, "metadata": stub}, headers=headers)


class Pool:
    """Asks in a thread of its own, so that the test can go on meanwhile."""

    def __init__(self, door: Door, executor: ThreadPoolExecutor) -> None:
        self.seen = len(door.engine.seen)
        self._door = door
        self._executor = executor

    def chat(self, **stub: object) -> Future[httpx.Response]:
        return self._executor.submit(self._door.chat, **stub)


@pytest.fixture
def pool(door: Door) -> Iterator[Pool]:
    with ThreadPoolExecutor(1) as executor:
        yield Pool(door, executor)
