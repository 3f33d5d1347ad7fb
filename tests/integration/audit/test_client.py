"""The client against the real sequencer: stopped, killed, restarted, missing."""

import asyncio
import os
import signal
import socket

import pytest
import uvloop

from deepseek_local.audit.client import AuditClient, append_once
from deepseek_local.errors import AuditError

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

PATIENCE_SECONDS = 20.0


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request):
    """Run a coroutine on either event loop."""

    def run(coroutine) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop if request.param == "uvloop" else None) as runner:
            runner.run(coroutine)

    return run


def kinds(sequencer) -> list[str]:
    return [record["kind"] for record in sequencer.records()]


def cseqs(sequencer) -> list[int]:
    return [record["cseq"] for record in sequencer.records() if record["cseq"]]


async def append(client, **fields) -> None:
    await client.append("admin", {"act": "test", **fields})


def test_all_appends_of_a_process_share_one_connection(run, sequencer):
    sequencer.start()

    async def scenario():
        client = AuditClient(sequencer.socket, PATIENCE_SECONDS)
        await asyncio.gather(*(append(client) for _ in range(500)))
        client.close()

    run(scenario())
    assert kinds(sequencer) == ["start", "client_hello", *["admin"] * 500]
    numbers = cseqs(sequencer)
    assert numbers == list(range(numbers[0], numbers[0] + 500))


def test_a_stopped_sequencer_fails_an_append_in_time_and_none_after_it_goes_on(run, sequencer):
    pid = sequencer.start()

    async def scenario():
        client = AuditClient(sequencer.socket, 0.2)
        await append(client, note="before")
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(AuditError, match=r"did not confirm a record within 0\.2 s"):
            await append(client, note="meanwhile")
        with pytest.raises(AuditError, match="did not confirm"):
            await append(client, note="meanwhile, on a new connection")
        os.kill(pid, signal.SIGCONT)
        patient = AuditClient(sequencer.socket, PATIENCE_SECONDS)
        await append(patient, note="after")
        patient.close()
        client.close()

    run(scenario())
    assert [record["note"] for record in sequencer.records() if "note" in record][-1] == "after"


def test_a_killed_sequencer_fails_at_once_and_the_next_append_finds_its_successor(run, sequencer):
    sequencer.start()

    async def scenario():
        client = AuditClient(sequencer.socket, PATIENCE_SECONDS)
        await append(client)
        sequencer.end(signal.SIGKILL)
        with pytest.raises(AuditError, match=r"ended the connection|cannot be reached"):
            await append(client)
        with pytest.raises(AuditError, match="cannot be reached: Connection refused; start it with `audit serve`"):
            await append(client)
        sequencer.start()
        await append(client)
        client.close()

    run(scenario())
    numbers = cseqs(sequencer)
    assert numbers == sorted(set(numbers))
    assert kinds(sequencer) == ["start", "client_hello", "admin", "segment_sealed", "start", "client_hello", "admin"]


def test_a_restart_between_two_appends_costs_nothing(run, sequencer):
    sequencer.start()

    async def scenario():
        client = AuditClient(sequencer.socket, PATIENCE_SECONDS)
        await append(client)
        await asyncio.to_thread(sequencer.end)
        await asyncio.to_thread(sequencer.start)
        await append(client)
        client.close()

    run(scenario())
    assert kinds(sequencer).count("admin") == 2


def test_a_missing_sequencer_is_named(run, sequencer):
    async def scenario():
        client = AuditClient(sequencer.socket, PATIENCE_SECONDS)
        with pytest.raises(AuditError, match=r"audit\.sock cannot be reached: No such file or directory; start it"):
            await append(client)
        client.close()

    run(scenario())
    with pytest.raises(AuditError, match=r"audit\.sock cannot be reached: No such file or directory; start it"):
        append_once(sequencer.socket, "admin", {"act": "test"})


def test_a_full_queue_of_a_stopped_sequencer_fails_too(run, sequencer):
    """The kernel refuses a Unix connection whose queue is full instead of letting it wait."""
    path = str(sequencer.socket)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(0)
        waiting = [socket.socket(socket.AF_UNIX) for _ in range(4)]
        for each in waiting:
            each.settimeout(0)
            each.connect_ex(path)

        async def scenario():
            client = AuditClient(sequencer.socket, 0.2)
            results = await asyncio.gather(*(append(client) for _ in range(50)), return_exceptions=True)
            assert {type(each) for each in results} == {AuditError}
            client.close()

        run(scenario())
        for each in waiting:
            each.close()


def test_a_command_fails_in_time_on_a_stopped_sequencer(sequencer):
    os.kill(sequencer.start(), signal.SIGSTOP)
    with pytest.raises(AuditError, match=r"did not confirm a record within 0\.2 s"):
        append_once(sequencer.socket, "admin", {"act": "test"}, 0.2)


def test_a_command_is_told_why_its_record_is_refused(sequencer):
    sequencer.start()
    with pytest.raises(AuditError, match="not for clients to send"):
        append_once(sequencer.socket, "start", {})
