"""Streams through the rendered nginx: word by word, over several replicas, within limits, and across reloads."""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openai
import pytest
from fronted_site import FrontedSite
from quick_engine import WORD, QuickEngine
from waiting import wait_until
from websockets.sync.client import connect

pytestmark = pytest.mark.integration
STREAM = "/v1/chat/completions?stream"


def test_the_first_word_arrives_before_the_last_is_said(site: FrontedSite, engine: QuickEngine):
    with site.through(site.alice) as client, client.stream("POST", STREAM, content=b"{}") as answer:
        words = answer.iter_raw()
        assert next(words) == WORD
        assert not engine.go_on.is_set()
        engine.go_on.set()
        assert b"".join(words) == WORD


def test_a_stream_outlives_a_renewed_certificate_and_a_reload(site: FrontedSite, engine: QuickEngine):
    with site.through(site.alice) as client, client.stream("POST", STREAM, content=b"{}") as answer:
        words = answer.iter_raw()
        assert next(words) == WORD
        site.renew()
        site.reload()
        with site.through(site.alice) as another:
            assert another.get("/v1/models").status_code == 200
        engine.go_on.set()
        assert b"".join(words) == WORD


@pytest.mark.usefixtures("engine")
def test_new_requests_never_fail_while_nginx_is_reloaded_again_and_again(site: FrontedSite):
    stop = threading.Event()
    statuses: list[int] = []

    def ask() -> None:
        while not stop.is_set():
            statuses.append(site.ask(site.alice).status)

    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(ask) for _ in range(2)]
        try:
            for _ in range(5):
                site.renew()
                site.reload()
        finally:
            stop.set()
        for each in running:
            each.result()
    assert len(statuses) > 20
    assert set(statuses) == {200}


@pytest.mark.usefixtures("engine")
def test_a_websocket_passes_and_nothing_else_does_there(site: FrontedSite):
    address = f"wss://127.0.0.1:{site.port}/v1/realtime"
    with connect(address, ssl=site.context(site.alice), proxy=None) as socket_:
        socket_.send("hello")
        assert socket_.recv() == "hello"
    assert site.ask(site.alice, b"GET /v1/realtime HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").status == 404


@pytest.mark.usefixtures("engine")
def test_a_client_that_leaves_ends_its_request_at_the_engine(site: FrontedSite):
    with site.through(site.alice) as client, client.stream("POST", STREAM, content=b"{}") as answer:
        assert next(answer.iter_raw()) == WORD
    wait_until(lambda: any(line["path"] == "/v1/chat/completions" and line["status"] == 200 for line in site.logged()))


@pytest.fixture(scope="module")
def pair(short: Path) -> Iterator[FrontedSite]:
    site = FrontedSite(short / "pair", ("tls.requests_per_second=10000", "tls.burst=10000"), replicas=2)
    with site.served():
        yield site


def names(site: FrontedSite, count: int = 20) -> set[str]:
    with site.through(site.alice) as client:
        answers = [client.post("/v1/completions", content=b"{}") for _ in range(count)]
    assert {answer.status_code for answer in answers} == {200}
    return {answer.headers["x-engine"] for answer in answers}


def test_two_replicas_share_and_one_that_is_dead_is_passed_over(pair: FrontedSite):
    one, two = (QuickEngine(place, name) for place, name in zip(pair.sockets, ("one", "two"), strict=True))
    with two.served():
        with one.served():
            assert names(pair) == {"one", "two"}
        assert names(pair) == {"two"}
        # Killed without a word, its socket is still there.
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(pair.sockets[0]))
        assert names(pair) == {"two"}
        pair.sockets[0].unlink()


def test_without_any_replica_the_refusal_is_in_json_and_comes_back_soon(pair: FrontedSite):
    answer = pair.ask(pair.alice)
    assert (answer.status, answer.code, answer.headers["retry-after"]) == (502, "engine_unreachable", "5")
    line = pair.logged("error")[-1]
    assert (line["status"], line["request"]) == (502, answer.headers["x-request-id"])
    text = (pair.place / "logs" / "deepseek-local.internal.log").read_text()
    assert "/v1/models" not in text


def test_a_replica_that_is_taken_out_gets_nothing_new_and_keeps_its_streams(pair: FrontedSite):
    one, two = (QuickEngine(place, name) for place, name in zip(pair.sockets, ("one", "two"), strict=True))
    with one.served():
        pair.reload()  # forgets that both were dead
        with pair.through(pair.alice) as client, client.stream("POST", STREAM, content=b"{}") as answer:
            words = answer.iter_raw()
            assert next(words) == WORD
            with two.served():
                pair.down = (pair.sockets[0],)
                pair.reload()
                assert names(pair) == {"two"}
                one.go_on.set()
                assert b"".join(words) == WORD
                pair.down = ()
                pair.reload()
                assert names(pair) == {"one", "two"}


@pytest.fixture(scope="module")
def narrow(short: Path) -> Iterator[FrontedSite]:
    sets = ("tls.requests_per_second=1", "tls.burst=3", "tls.concurrent_requests=2")
    site = FrontedSite(short / "narrow", sets)
    with site.served():
        yield site


@pytest.fixture(scope="module")
def narrow_engine(narrow: FrontedSite) -> Iterator[QuickEngine]:
    engine = QuickEngine(narrow.sockets[0])
    with engine.served():
        yield engine


@pytest.mark.usefixtures("narrow_engine")
def test_one_certificate_has_a_rate_and_another_is_not_touched_by_it(narrow: FrontedSite):
    answers = [narrow.ask(narrow.alice) for _ in range(10)]
    refused = [answer for answer in answers if answer.status == 429]
    assert len(refused) >= 4
    assert (refused[0].code, refused[0].headers["retry-after"]) == ("rate_limited", "1")
    assert narrow.ask(narrow.client("u:bob")).status == 200


def test_one_certificate_has_a_number_of_requests_at_the_same_time(narrow: FrontedSite, narrow_engine: QuickEngine):
    carol = narrow.client("u:carol")
    with (
        narrow.through(carol) as client,
        client.stream("POST", STREAM, content=b"{}") as first,
        client.stream("POST", STREAM, content=b"{}") as second,
    ):
        assert (first.status_code, second.status_code) == (200, 200)
        third = client.get("/v1/models")
        assert (third.status_code, third.json()["error"]["code"]) == (429, "rate_limited")
        assert narrow.ask(narrow.client("u:dora")).status == 200
        narrow_engine.go_on.set()


@pytest.mark.usefixtures("narrow_engine")
def test_the_official_client_understands_the_refusals(narrow: FrontedSite):
    eve = narrow.client("u:eve")
    with narrow.through(eve) as http:
        client = openai.OpenAI(
            base_url=f"https://127.0.0.1:{narrow.port}/v1", api_key="none", http_client=http, max_retries=0
        )
        with pytest.raises(openai.NotFoundError, match="There is no such route"):
            client.files.list()
        with pytest.raises(openai.RateLimitError, match="Too many requests"):
            _ask(client, 10)


def _ask(client: openai.OpenAI, times: int) -> None:
    for _ in range(times):
        client.models.list()
