"""The sequencer as a process: order, acknowledgements, hostile clients, one writer only, and an orderly end."""

import contextlib
import json
import os
import select
import signal
import stat
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]


def line(cseq: int, kind: str = "admin", **fields) -> bytes:
    return json.dumps({"cseq": cseq, "kind": kind, **fields}).encode() + b"\n"


def read_all(stream) -> list[dict]:
    """Read answers until the sequencer hangs up; the kernel calls it a reset when the sequencer left something unread."""
    said = []
    with stream.makefile("rb") as answers, contextlib.suppress(ConnectionResetError):
        said.extend(json.loads(each) for each in answers)
    return said


def kinds(records) -> list[str]:
    return [record["kind"] for record in records]


@pytest.fixture
def running(sequencer):
    sequencer.start()
    return sequencer


def test_a_record_is_in_the_log_when_it_is_acknowledged(running):
    running.append(note="x")
    record = running.records()[-1]
    assert (record["kind"], record["note"], record["pid"], record["node"]) == ("admin", "x", os.getpid(), "gpu01")
    assert kinds(running.records()) == ["start", "client_hello", "admin"]


def test_a_connection_without_records_leaves_no_trace(running):
    running.connect().close()
    running.append()
    assert kinds(running.records()) == ["start", "client_hello", "admin"]


def test_acknowledgements_grow_and_the_last_one_covers_everything(running):
    with running.connect() as stream, stream.makefile("rb") as answers:
        stream.sendall(b"".join(line(cseq) for cseq in range(1, 1001)))
        acknowledged = []
        while 1000 not in acknowledged:
            acknowledged.append(json.loads(answers.readline())["ack"])
            assert running.records()[-1]["cseq"] >= acknowledged[-1]
    assert acknowledged == sorted(set(acknowledged))
    assert [record["cseq"] for record in running.records()[2:]] == list(range(1, 1001))


def test_a_record_that_follows_an_acknowledgement_follows_in_the_log(running):
    with running.connect() as first, running.connect() as second:
        for cseq in range(1, 21):
            for stream, name in ((first, "first"), (second, "second")):
                stream.sendall(line(cseq, client=name))
                assert json.loads(stream.recv(100)) == {"ack": cseq}
    written = [(record["client"], record["cseq"]) for record in running.records() if "client" in record]
    assert written == [(name, cseq) for cseq in range(1, 21) for name in ("first", "second")]


def test_a_line_may_come_in_pieces(running):
    with running.connect() as stream:
        for byte in line(1, act="in pieces"):
            stream.send(bytes([byte]))
        assert json.loads(stream.recv(100)) == {"ack": 1}
    assert running.records()[-1]["act"] == "in pieces"


@pytest.mark.parametrize(
    ("garbage", "reason"),
    [
        (b"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n", "not a JSON object"),
        (bytes(range(256)) * 4 + b"\n", "not a JSON object"),
        (b"x" * 100_000, "more than 15360 bytes"),
        (line(2, pad="x" * 20_000), "more than 15360 bytes"),
        (b'{"a":' * 2500 + b"\n", "not a JSON object"),
        (line(1), "cseq 1 follows 1; it must grow"),
        (line(2, kind="recovery"), "not for clients to send"),
        (line(2, seq=1), "set by the sequencer"),
    ],
)
def test_a_client_that_talks_nonsense_is_told_once_and_cut_off(running, garbage, reason):
    with running.connect() as stream:
        stream.sendall(line(1) + garbage)
        acknowledged, refused = read_all(stream)
    assert acknowledged == {"ack": 1}
    assert reason in refused["error"]
    running.append(note="others go on")
    assert [record.get("note") for record in running.records() if record["kind"] == "admin"] == [None, "others go on"]


def test_a_client_that_leaves_within_a_line_takes_only_that_line_along(running):
    with running.connect() as stream:
        stream.sendall(line(1) + line(2)[:-5])
        assert json.loads(stream.recv(100)) == {"ack": 1}
    running.append(note="next")
    assert [record.get("note") for record in running.records() if record["kind"] == "admin"] == [None, "next"]


def test_records_of_a_client_that_did_not_wait_are_kept(running):
    with running.connect() as stream:
        stream.sendall(line(1, note="hurry"))
    running.append()
    assert "hurry" in [record.get("note") for record in running.records()]


def test_a_client_that_never_reads_is_dropped_and_blocks_nobody(running):
    def talk_without_listening(stream):
        for cseq in range(1, 100_000):
            stream.sendall(line(cseq))
            if cseq % 50 == 0:
                running.append()

    with running.connect() as stream, pytest.raises((BrokenPipeError, ConnectionResetError)):
        talk_without_listening(stream)
    running.append()


def test_hostile_values_cannot_forge_a_line(running):
    running.append(
        user="x\n" + json.dumps({"seq": 999, "kind": "decision", "dec": "allow"}), bidi="\u202e", lone="\ud800"
    )
    forged, *_ = [record for record in running.records() if "user" in record]
    assert forged["clip"] == ["bidi", "lone", "user"]
    assert len(running.records()) == 3


def test_a_second_sequencer_on_the_same_directory_is_refused(running, make_sequencer, tmp_path):
    second = make_sequencer()
    second.socket = tmp_path / "other.sock"
    assert f"another audit sequencer writes to {running.log}: stop it first" in second.refused()
    assert not second.socket.exists()
    running.append()
    assert kinds(running.records()) == ["start", "client_hello", "admin"]


def test_a_second_sequencer_on_the_same_socket_is_refused(running, make_sequencer, tmp_path):
    second = make_sequencer(tmp_path / "other")
    assert f"another process answers on {running.socket}: stop it first" in second.refused()
    assert second.segments() == []
    running.append()


def test_the_socket_of_a_killed_sequencer_is_replaced(running):
    running.end(signal.SIGKILL)
    assert running.socket.exists()
    running.start()
    running.append()
    assert kinds(running.records()) == ["start", "segment_sealed", "start", "client_hello", "admin"]


def test_a_file_that_is_no_socket_is_left_alone(sequencer):
    sequencer.socket.write_text("precious")
    assert f"{sequencer.socket} exists and is not a socket" in sequencer.refused()
    assert sequencer.socket.read_text() == "precious"


def test_a_socket_path_that_unix_does_not_allow_is_named(sequencer, tmp_path):
    sequencer.socket = tmp_path / ("x" * 100)
    assert "is longer than 107 bytes" in sequencer.refused()


def test_a_damaged_log_is_not_continued_and_nobody_is_accepted(running):
    running.append()
    running.end()
    (segment,) = running.segments()
    segment.chmod(0o600)
    segment.write_bytes(segment.read_bytes().replace(b'"seq":1', b'"seq":7'))
    assert "line 2 at byte" in running.refused()
    assert not running.socket.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_log_in_order(running, number):
    running.append()
    code, said = running.end(number)
    assert (code, "Traceback" in said) == (0, False)
    last = running.records()[-1]
    assert (last["kind"], last["reason"]) == ("stop", number.name)
    assert not running.socket.exists()


def test_the_socket_is_for_the_group_and_the_open_segment_for_nobody_else(running):
    assert stat.S_IMODE(running.socket.stat().st_mode) == 0o660
    (segment,) = running.segments()
    assert stat.S_IMODE(segment.stat().st_mode) == 0o600


FOREIGNER = """
import os, sys, pathlib
from deepseek_local.audit.client import append_once
os.chdir(sys.argv[1])
os.seteuid(65534)
append_once(pathlib.Path("audit.sock"), "admin", {"act": "test"})
"""


@pytest.mark.root
def test_another_user_is_refused_unless_allowed(sequencer, tmp_path):
    tmp_path.chmod(0o755)

    def append_as_nobody() -> subprocess.CompletedProcess[str]:
        sequencer.socket.chmod(0o666)
        command = [sys.executable, "-c", FOREIGNER, str(tmp_path)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    sequencer.start()
    assert (
        "user 65534 may not write to the audit log; start the sequencer with --allow-uid 65534"
        in append_as_nobody().stderr
    )
    code, said = sequencer.end()
    assert (code, "of user 65534" in said) == (0, True)
    sequencer.start("--allow-uid", "65534")
    assert append_as_nobody().returncode == 0
    hello, _ = sequencer.records()[-2:]
    assert (hello["kind"], hello["uid"]) == ("client_hello", 65534)


PARENT = """
import os, subprocess, sys, time
child = subprocess.Popen([*sys.argv[1:], "--parent", str(os.getpid())])
print(child.pid, flush=True)
time.sleep(60)
"""


def test_a_sequencer_ends_in_order_when_its_parent_is_killed(sequencer):
    command = [sys.executable, "-c", PARENT, *sequencer.command()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        orphan = os.pidfd_open(int(parent.stdout.readline()))
        try:
            while not sequencer.accepts():
                assert parent.poll() is None
            parent.kill()
            ended, _, _ = select.select([orphan], [], [], 20)
        finally:
            parent.kill()
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(orphan, signal.SIGKILL)
            os.close(orphan)
    assert ended
    assert kinds(sequencer.records()) == ["start", "stop"]


def test_a_sequencer_does_not_start_for_a_parent_that_is_gone(sequencer):
    ended = subprocess.run(
        [*sequencer.command(), "--parent", "1"], check=False, capture_output=True, text=True, timeout=60
    )
    assert (ended.returncode, "the process 1, with which this one would end, is gone" in ended.stderr) == (1, True)
    assert not sequencer.accepts()
