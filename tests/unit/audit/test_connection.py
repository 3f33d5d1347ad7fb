"""What one client is answered when some of its records are turned away."""

import json
import socket

import pytest

from deepseek_local.audit.connection import JUMP_LIMIT, Connection
from deepseek_local.audit.listener import peer
from deepseek_local.audit.record import Kind


@pytest.fixture
def ends():
    ours, theirs = socket.socketpair()
    ours.settimeout(0)
    with ours, theirs:
        yield Connection(ours, peer(ours), may_prune=False), theirs


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


@pytest.mark.parametrize("may_prune", [False, True])
def test_only_who_can_delete_records_may_say_that_they_go(may_prune):
    ours, theirs = socket.socketpair()
    ours.settimeout(0)
    with ours, theirs:
        client = Connection(ours, peer(ours), may_prune=may_prune)
        theirs.send(b'{"cseq":1,"kind":"admin","act":"token_create"}\n{"cseq":2,"kind":"admin","act":"audit_prune"}\n')
        assert [request.cseq for request in client.receive()] == ([1, 2] if may_prune else [1])
        assert client.ended is not may_prune
        client.answer()
        first, *rest = theirs.recv(4096).splitlines()
    assert json.loads(first) == {"ack": 2 if may_prune else 1}
    assert all(b"may not record audit_prune; prune as root" in line for line in rest)
    assert len(rest) == (not may_prune)


@pytest.mark.parametrize(
    ("first", "second", "accepted"), [(1, 1 + JUMP_LIMIT, 2), (1, 2 + JUMP_LIMIT, 1), (10**12, 10**12 + 9, 2)]
)
def test_a_number_may_skip_records_of_other_connections_but_not_absurdly_many(ends, first, second, accepted):
    client, theirs = ends
    theirs.sendall(b"".join(b'{"cseq":%d,"kind":"admin"}\n' % number for number in (first, second)))
    assert [request.cseq for request in client.receive()] == [first, second][:accepted]
    client.answer()
    acknowledged, *refused = theirs.recv(4096).splitlines()
    assert json.loads(acknowledged) == {"ack": (first, second)[accepted - 1]}
    assert all(b"count the records of the process one by one" in line for line in refused)
    assert len(refused) == 2 - accepted
