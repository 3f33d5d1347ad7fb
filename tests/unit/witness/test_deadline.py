"""A reader that stops at a moment, however often something arrives."""

import io
import socket

import pytest

from deepseek_local.witness.deadline import DeadlineReader


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_a_read_waits_only_for_what_is_left(pair):
    ours, theirs = pair
    now = [100.0]
    reader = DeadlineReader(ours, 10, lambda: now[0])
    for moment, left in ((100.0, 10.0), (104.0, 6.0), (109.5, 0.5)):
        now[0] = moment
        theirs.sendall(b"x")
        assert reader.read(1) == b"x"
        assert ours.gettimeout() == left


def test_after_the_end_nothing_is_read_even_if_it_is_there(pair):
    ours, theirs = pair
    now = [100.0]
    reader = DeadlineReader(ours, 10, lambda: now[0])
    theirs.sendall(b"x")
    now[0] = 110.0
    with pytest.raises(TimeoutError, match="too slow"):
        reader.read(1)
    reader.extend(5)
    assert reader.read(1) == b"x"


def test_the_end_of_the_stream_is_the_end(pair):
    ours, theirs = pair
    theirs.sendall(b"line\nrest")
    theirs.close()
    lines = io.BufferedReader(DeadlineReader(ours, 10))
    assert [lines.readline(), lines.readline(), lines.readline()] == [b"line\n", b"rest", b""]
