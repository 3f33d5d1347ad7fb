import asyncio
import os
import signal
import socket
import stat
import sys
from pathlib import Path

import pytest
from served import lives, short_directory, until

from deepseek_local import proc
from deepseek_local.errors import LaunchError
from deepseek_local.supervisor import cause, sockets
from deepseek_local.supervisor.children import Supervised, Tail
from deepseek_local.supervisor.ownership import owned
from deepseek_local.supervisor.waiting import race

SLEEP = "import time; time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); {SLEEP}"


def command(program: str, output: Path, **environment: str) -> proc.Command:
    return proc.Command((sys.executable, "-c", program), environment, output)


def run(program: str, log: Path, grace_seconds: float | None = None) -> str:
    async def live() -> str:
        child = await Supervised.start("child", command(program, log), cause.explain)
        if grace_seconds is not None:
            await child.stop(grace_seconds)
        return await child.wait()

    return asyncio.run(live())


def test_a_child_inherits_nothing_but_what_it_is_given(tmp_path: Path) -> None:
    log = tmp_path / "log"
    program = "import os, sys; print(sorted(os.environ), os.getsid(0) == os.getpid(), sys.stdin.read())"
    asyncio.run(_wait(command(program, log, LC_CTYPE="C.UTF-8", ONLY="this")))
    assert log.read_text() == "['LC_CTYPE', 'ONLY'] True \n"
    assert stat.S_IMODE(log.stat().st_mode) == 0o640


async def _wait(what: proc.Command) -> int:
    return await (await proc.spawn(what)).wait()


@pytest.mark.parametrize(
    ("code", "words"),
    [(0, "exit code 0"), (1, "exit code 1"), (-9, "killed by SIGKILL"), (-250, "killed by signal 250")],
)
def test_an_exit_is_described_in_words(code: int, words: str) -> None:
    assert proc.describe_exit(code) == words


def test_a_death_is_told_with_its_cause_and_the_log(tmp_path: Path) -> None:
    said = run("raise ValueError('no such model')", tmp_path / "log")
    assert said == f"exit code 1: ValueError: no such model (log: {tmp_path}/log)"


def test_only_this_life_of_the_child_is_read(tmp_path: Path) -> None:
    run("raise ValueError('old')", tmp_path / "log")
    assert "old" not in run("print('fine')", tmp_path / "log")


def test_a_child_that_cannot_be_started_is_a_launch_error(tmp_path: Path) -> None:
    missing = proc.Command(("/no/such/program",), {}, tmp_path / "log")
    with pytest.raises(LaunchError, match="the engine could not be started"):
        asyncio.run(Supervised.start("engine", missing, cause.explain))


def test_a_child_that_ignores_sigterm_is_killed_after_its_grace(tmp_path: Path) -> None:
    assert run(STUBBORN, tmp_path / "log", grace_seconds=0.2).startswith("killed by SIG")


def test_what_a_child_started_ends_with_it_even_when_it_is_dead_already(tmp_path: Path) -> None:
    program = f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {STUBBORN!r}]).pid, flush=True)"
    log = tmp_path / "log"

    async def live() -> None:
        child = await Supervised.start("child", command(program, log), cause.explain)
        await child.wait()
        await asyncio.to_thread(until, lambda: "deaf" in log.read_text(), "the grandchild")
        assert lives(int(log.read_text().split()[0]))
        await child.stop(grace_seconds=1)

    asyncio.run(live())
    assert not lives(int(log.read_text().split()[0]))


def test_a_large_log_is_moved_aside_before_a_start(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as stream:
        stream.truncate(65 * 1024 * 1024)
    run("print('new')", log)
    assert log.read_text() == "new\n"
    assert (tmp_path / "log.1").stat().st_size == 65 * 1024 * 1024


def test_a_tail_gives_every_line_once_and_waits_for_the_end_of_a_line(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"old\n")
    tail = Tail(path, 4)
    assert tail.lines() == []
    with path.open("ab") as stream:
        stream.write(b"one\ntwo \xff\nthr")
        stream.flush()
        assert tail.lines() == ["one", "two �"]
        stream.write(b"ee\n")
    assert tail.lines() == ["three"]


def test_the_first_to_end_wins_and_the_others_are_over() -> None:
    ended = []

    async def slow() -> str:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("slow")
        return "slow"

    async def quick() -> str:
        return "quick"

    assert asyncio.run(race(slow(), quick())) == (1, "quick")
    assert ended == ["slow"]


def test_a_dead_socket_is_removed_and_a_living_one_is_respected() -> None:
    with short_directory() as directory:
        path = directory / "front.sock"
        sockets.remove_dead(path)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen()
            with pytest.raises(LaunchError, match="in use by another process"):
                sockets.remove_dead(path)
        sockets.remove_dead(path)
        assert not path.exists()
        path.write_text("precious")
        with pytest.raises(LaunchError, match="in the way of a socket"):
            sockets.remove_dead(path)


def test_a_socket_is_opened_to_its_group_only() -> None:
    with short_directory() as directory, socket.socket(socket.AF_UNIX) as listener:
        path = directory / "front.sock"
        listener.bind(str(path))
        sockets.open_to_group(path, None)
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        with pytest.raises(LaunchError, match="does not exist on this host"):
            sockets.open_to_group(path, "no-such-group")


def test_a_runtime_directory_has_one_owner_at_a_time(tmp_path: Path) -> None:
    with owned(tmp_path), pytest.raises(LaunchError, match="another `serve` runs in"), owned(tmp_path):
        pass
    with owned(tmp_path):
        pass


def test_a_child_leads_a_group_of_its_own(tmp_path: Path) -> None:
    async def live() -> int:
        child = await proc.spawn(command(SLEEP, tmp_path / "log"))
        assert child.group_lives()
        assert os.getpgid(child.pid) == child.pid
        child.kill_group()
        return await child.wait()

    assert asyncio.run(live()) == -signal.SIGKILL
