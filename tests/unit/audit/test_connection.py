"""What one client is answered when some of its records are turned away."""

import json
import socket

import pytest

from deepseek_local.audit.connection import Connection
from deepseek_local.audit.listener import peer
from deepseek_local.audit.record import Kind


@pytest.fixture
def ends():
    ours, theirs = socket.socketpair()
    ours.settimeout(0)
    with ours, theirs:
        yield Connection(ours, peer(ours)), theirs


def admits(kind: Kind) -> bool:
    return kind is not Kind.DECISION


@pytest.mark.parametrize(
    ("kinds", "answers"),
    [
        ("aa", [{"ack": 2}]),
        ("dd", [{"full": 2}]),
        ("da", [{"full": 1}, {"ack": 2}]),
        ("aaddda", [{"ack": 2}, {"full": 5}, {"ack": 6}]),
    ],
)
def test_answers_of_both_sorts_come_in_order(ends, kinds, answers):
    client, theirs = ends
    names = {"a": Kind.ADMIN, "d": Kind.DECISION}
    lines = [{"cseq": n, "kind": names[kind], "req": "r", "dec": "allow"} for n, kind in enumerate(kinds, start=1)]
    theirs.sendall(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
    admitted = client.turn_away(client.receive(), admits)
    assert [request.cseq for request in admitted] == [n for n, kind in enumerate(kinds, start=1) if kind == "a"]
    client.answer()
    assert [json.loads(line) for line in theirs.recv(1000).splitlines()] == answers
    client.answer()
    theirs.settimeout(0)
    with pytest.raises(BlockingIOError):
        theirs.recv(1)
