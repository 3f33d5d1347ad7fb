import json
import os
from pathlib import Path

import pytest

from deepseek_local import chat
from deepseek_local.chat import Conversation, Message, Options, Piece
from deepseek_local.errors import ClientError
from deepseek_local.supervisor import state
from deepseek_local.supervisor.state import State

SECRET = "dsk_0a1b2c3d4e5f_secret"
NOTHING_SPECIAL = Options()
HELLO = [Message("user", "hello")]


def event(**delta: str) -> bytes:
    return b"data: " + json.dumps({"choices": [{"delta": delta}]}).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


def ask(
    url: str, options: Options = NOTHING_SPECIAL, messages: list[Message] = HELLO, model: str | None = "demo"
) -> list[Piece]:
    target = chat.Target(chat.Address.parse(url), SECRET, model)
    conversation = Conversation(target)
    try:
        return list(conversation.ask(messages, options))
    finally:
        conversation.close()


@pytest.mark.parametrize("listen", ["tcp", "unix"])
def test_the_answer_comes_in_pieces_over_tcp_and_unix_sockets(web, reply, listen: str) -> None:
    seen = []

    def answer(request):
        seen.append(request)
        return reply(chunks=(event(role="assistant", content=""), event(content="Pa"), event(content="ris"), DONE))

    url = web(answer, listen)
    pieces = ask(url, Options(max_tokens=5, temperature=0), [Message("system", "be brief"), *HELLO])
    assert pieces == [Piece("Pa", thinking=False), Piece("ris", thinking=False)]
    assert json.loads(seen[0].body) == {
        "model": "demo",
        "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello"}],
        "stream": True,
        "max_tokens": 5,
        "temperature": 0,
    }
    assert {name.lower(): value for name, value in seen[0].headers.items()}["authorization"] == f"Bearer {SECRET}"


def test_thinking_is_kept_apart_from_the_answer(web, reply) -> None:
    url = web(lambda _: reply(chunks=(event(reasoning="hm"), event(reasoning_content="hm"), event(content="4"), DONE)))
    assert [(piece.text, piece.thinking) for piece in ask(url)] == [("hm", True), ("hm", True), ("4", False)]


def test_the_first_model_of_the_list_is_asked_when_nobody_named_one(web, reply) -> None:
    seen = []

    def answer(request):
        if request.path == "/v1/models":
            return reply(chunks=(b'{"data": [{"id": "listed"}]}',))
        seen.append(json.loads(request.body)["model"])
        return reply(chunks=(DONE,))

    ask(web(answer), model=None)
    assert seen == ["listed"]


@pytest.mark.parametrize(
    ("status", "headers", "said"),
    [
        (401, {}, "401 who are you; use a valid token"),
        (403, {}, "403 who are you; ask for a role"),
        (503, {"retry-after": "7"}, "503 who are you; try again in 7 s"),
        (503, {}, "503 who are you; try again in a few s"),
        (400, {"x-request-id": "r-1"}, "400 who are you; request r-1"),
    ],
)
def test_a_refusal_is_one_sentence_with_the_remedy(web, reply, status: int, headers: dict[str, str], said: str) -> None:
    url = web(lambda _: reply(status, (b'{"error": {"message": "who are you."}}',), headers))
    with pytest.raises(ClientError, match=said) as caught:
        ask(url)
    assert SECRET not in str(caught.value)


def test_a_refusal_without_a_reason_still_is_a_sentence(web, reply) -> None:
    url = web(lambda _: reply(502, (b"<html>",)))
    with pytest.raises(ClientError, match="502 Bad Gateway; request without an id"):
        ask(url)


@pytest.mark.parametrize(
    ("how", "said"), [({}, "cut off after 3 characters"), ({"cut": True}, "broke before the answer was complete")]
)
def test_a_stream_that_ends_early_is_an_error_after_what_came(web, reply, how: dict[str, bool], said: str) -> None:
    url = web(lambda _: reply(chunks=(event(content="Par"),), **how))
    conversation = Conversation(chat.Target(chat.Address.parse(url), SECRET, "demo"))
    pieces = conversation.ask(HELLO, Options())
    assert next(pieces).text == "Par"
    with pytest.raises(ClientError, match=said):
        next(pieces)
    conversation.close()


def test_an_error_inside_the_stream_is_told(web, reply) -> None:
    url = web(lambda _: reply(chunks=(b'data: {"error": {"message": "engine died"}}\n\n',)))
    with pytest.raises(ClientError, match="the server gave up: engine died"):
        ask(url)


@pytest.mark.parametrize("data", [b"data: nonsense\n\n", b"data: []\n\n", b'data: {"choices": [{}]}\n\n'])
def test_something_else_than_a_completion_is_told(web, reply, data: bytes) -> None:
    url = web(lambda _: reply(chunks=(data,)))
    with pytest.raises(ClientError, match="is this the right URL"):
        ask(url)


# httpcore does not close a Unix socket that found nobody.
@pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning")
def test_nobody_at_the_address_is_told(tmp_path: Path) -> None:
    with pytest.raises(ClientError, match=r"nothing answers at unix:.*is `deepseek-local serve` running"):
        ask(f"unix:{tmp_path}/front.sock")


def running(tmp_path: Path, token_file: Path | None) -> Path:
    state.write(
        tmp_path / "state.json",
        State("unix:/run/front.sock", "demo", str(token_file) if token_file else None, os.getpid()),
    )
    return tmp_path / "state.json"


def test_what_serve_wrote_down_is_used_when_nothing_is_given(tmp_path: Path) -> None:
    (tmp_path / "local.token").write_text(f"{SECRET}\n")
    target = chat.find(None, None, {}, running(tmp_path, tmp_path / "local.token"))
    assert (target.address.socket, target.token, target.model) == ("/run/front.sock", SECRET, "demo")


def test_the_environment_comes_before_what_serve_wrote_down(tmp_path: Path) -> None:
    (tmp_path / "local.token").write_text("of this start")
    environment = {chat.TOKEN: SECRET, "OPENAI_BASE_URL": "http://elsewhere"}
    target = chat.find(None, None, environment, running(tmp_path, tmp_path / "local.token"))
    assert (target.address.socket, target.token, target.model) == ("/run/front.sock", SECRET, "demo")


def test_who_gives_an_address_is_asked_for_nothing_that_serve_wrote_down(tmp_path: Path) -> None:
    target = chat.find("http://gpu01:8000/v1", None, {chat.TOKEN: SECRET}, tmp_path / "none")
    assert (target.address.base, target.token, target.model) == ("http://gpu01:8000", SECRET, None)


def test_the_token_of_this_start_is_not_sent_to_another_address(tmp_path: Path) -> None:
    (tmp_path / "local.token").write_text(SECRET)
    with pytest.raises(ClientError, match="there is no token for http://elsewhere"):
        chat.find("http://elsewhere", None, {}, running(tmp_path, tmp_path / "local.token"))


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "cannot be read: No such file"), (b"", "is empty"), (b"\xff\xfe", "cannot be read: it is no text")],
)
def test_a_bad_token_file_is_told(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ClientError, match=said):
        chat.find("unix:/x", path, {}, tmp_path / "none")


def test_a_serve_that_crashed_is_not_asked(tmp_path: Path) -> None:
    state.write(tmp_path / "state.json", State("unix:/run/front.sock", "demo", None, 2**22 + 1))
    with pytest.raises(ClientError, match="has ended without tidying up"):
        chat.find(None, None, {}, tmp_path / "state.json")


@pytest.mark.parametrize("content", [b"", b"{}", b'{"url": 1}', b"\xff"])
def test_a_damaged_state_file_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "state.json").write_bytes(content)
    with pytest.raises(ClientError, match="it is not what `serve` writes"):
        chat.find(None, None, {}, tmp_path / "state.json")


@pytest.mark.parametrize("token", ["two words", "two\nlines", "con\x01trol", "Grüße", " \n"])
def test_what_cannot_stand_in_a_header_is_no_token_and_is_not_shown(tmp_path: Path, token: str) -> None:
    (tmp_path / "token").write_text(token, "utf-8")
    for file, environment in ((tmp_path / "token", {}), (None, {chat.TOKEN: token})):
        with pytest.raises(ClientError) as caught:
            chat.find("unix:/x", file, environment, tmp_path / "none")
        assert token not in str(caught.value)
