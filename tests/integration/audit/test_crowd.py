"""Many clients at once: none of them makes the others wait long, or takes their places."""

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from waiting import wait_until

from deepseek_local.audit.door import USER_LIMIT
from deepseek_local.audit.sequencer import BATCH_BYTES
from deepseek_local.errors import AuditError

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

CLIENTS = 40
RECORDS = 60
PAD = "x" * 900


def line(cseq: int, **fields) -> bytes:
    return json.dumps({"cseq": cseq, "kind": "admin", **fields}).encode() + b"\n"


@pytest.fixture
def crowd(sequencer):
    """Connect so many clients; they are gone after the test."""
    with contextlib.ExitStack() as stack:
        yield lambda count: [stack.enter_context(sequencer.connect()) for _ in range(count)]


def test_a_batch_is_bounded_and_shared_by_all_who_have_something_to_say(sequencer, crowd):
    process = sequencer.start()
    streams = crowd(CLIENTS)
    for stream in streams:
        stream.sendall(line(1))
        stream.recv(100)
    os.kill(process, signal.SIGSTOP)  # until everybody has said it
    for number, stream in enumerate(streams):
        stream.sendall(b"".join(line(cseq, client=number, pad=PAD) for cseq in range(2, RECORDS + 2)))
    os.kill(process, signal.SIGCONT)
    for stream in streams:
        with stream.makefile("rb") as answers:
            while json.loads(answers.readline())["ack"] < RECORDS + 1:
                pass
    batches = defaultdict(list)
    for record in sequencer.records():
        if "client" in record:
            batches[record["mono"]].append(record["client"])
    assert max(map(len, batches.values())) * len(PAD) <= BATCH_BYTES
    first, second, *_ = batches.values()
    assert set(first) == set(second) == set(range(CLIENTS))


def test_more_clients_of_a_user_than_the_limit_are_told_so(sequencer, crowd):
    sequencer.start()
    streams = crowd(USER_LIMIT)
    streams[0].sendall(line(1))
    assert json.loads(streams[0].recv(100)) == {"ack": 1}
    with pytest.raises(AuditError, match=f"{USER_LIMIT} clients of user {os.geteuid()} are connected already"):
        sequencer.append()
    for stream in streams:
        stream.close()
    for _ in range(100):  # until it has noticed that they are gone
        with contextlib.suppress(AuditError):
            sequencer.append(note="room again")
            break
    assert sequencer.records()[-1]["note"] == "room again"


HOARDER = """
import os, socket, sys
os.chdir(sys.argv[1])
os.seteuid(65534)
streams = [socket.socket(socket.AF_UNIX) for _ in range(int(sys.argv[2]))]
for stream in streams:
    stream.connect("audit.sock")
streams[-1].recv(1000)
print(flush=True)
sys.stdin.read()
"""


@pytest.mark.root
def test_a_user_who_takes_all_places_takes_only_its_own(sequencer, tmp_path):
    tmp_path.chmod(0o755)
    sequencer.start("--allow-uid", "65534")
    sequencer.socket.chmod(0o666)
    command = [sys.executable, "-c", HOARDER, str(tmp_path), "256"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as hoarder:
        assert hoarder.stdout.readline() == "\n"
        sequencer.append(note="by root")
    assert sequencer.records()[-1]["note"] == "by root"


def test_clients_leave_the_log_the_descriptors_that_it_needs(sequencer, crowd):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
    try:
        process = sequencer.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    first, *_ = crowd(64)
    first.sendall(line(1))
    assert json.loads(first.recv(100)) == {"ack": 1}
    with pytest.raises(AuditError, match="the limit of 64 open files has no room for more clients; raise it"):
        sequencer.append()
    os.kill(process, signal.SIGUSR1)
    wait_until(lambda: len(sequencer.segments()) == 2)
    first.sendall(line(2))
    assert json.loads(first.recv(100)) == {"ack": 2}
    code, said = sequencer.end()
    assert (code, "Traceback" in said) == (0, False)


def test_a_sequencer_that_cannot_accept_lets_clients_wait_and_goes_on(sequencer, crowd):
    """Without a descriptor for the connection, it waits in the kernel until there is one."""
    process = sequencer.start()
    (first,) = crowd(1)
    first.sendall(line(1))
    assert json.loads(first.recv(100)) == {"ack": 1}
    wait_until((sequencer.log / "tlog/checkpoint").exists)
    soft, hard = resource.prlimit(process, resource.RLIMIT_NOFILE)
    resource.prlimit(process, resource.RLIMIT_NOFILE, (8, hard))
    (waiting,) = crowd(1)
    waiting.sendall(line(1, note="late"))
    read_until_it_cannot_accept(sequencer)
    before = processor_ticks(process)
    read_until_it_cannot_accept(sequencer)
    assert processor_ticks(process) - before < 50  # it slept between two attempts
    resource.prlimit(process, resource.RLIMIT_NOFILE, (soft, hard))
    assert json.loads(waiting.recv(100)) == {"ack": 1}
    first.sendall(line(2))
    assert json.loads(first.recv(100)) == {"ack": 2}
    assert sequencer.end()[0] == 0


def read_until_it_cannot_accept(sequencer) -> None:
    while "no client can be accepted for now: Too many open files" not in (said := sequencer.process.stderr.readline()):
        assert said


def processor_ticks(process: int) -> int:
    """Hundredths of a second, of user and system together."""
    _, _, fields = Path(f"/proc/{process}/stat").read_text("ascii").rpartition(")")
    return sum(map(int, fields.split()[11:13]))
