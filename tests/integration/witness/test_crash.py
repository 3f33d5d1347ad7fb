"""A witness may die at any moment; what it answered it remembers, and what it remembers it answers."""

import re
import shutil
import sys
from pathlib import Path

import pytest
import witness_process
from witness_process import PROGRAM, submit

from deepseek_local.tlog import checkpoint, note

pytestmark = pytest.mark.integration


def seen_size(home) -> int:
    return checkpoint.parse(note.parse(home.seen()[0].encode()).text).size


def test_a_witness_killed_between_remembering_and_answering_signs_when_it_is_asked_again(mortal):
    home = mortal
    home.log.grow(5)
    (witness,) = home.witnesses
    witness.kill()
    witness.start(program=(sys.executable, witness_process.__file__, "audit", "witness", "serve"))
    home.agree()
    assert submit(home.log.directory, home.policy).code == 1
    assert witness.ended() == -9
    assert seen_size(home) == 5
    witness.start()
    home.agree()
    done = submit(home.log.directory, home.policy)
    assert done.code == 0, done.err
    assert "w1: cosigned" in done.out


def test_a_witness_killed_while_it_writes_has_the_old_memory_whole(mortal):
    home = mortal
    home.log.grow(5)
    assert submit(home.log.directory, home.policy).code == 0
    (witness,) = home.witnesses
    witness.kill()
    (witness.directory / ".memory.json.half").write_text('{"name": "aud')
    witness.start()
    home.agree()
    home.log.grow(7)
    assert submit(home.log.directory, home.policy).code == 0
    assert seen_size(home) == 7


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_the_memory_reaches_the_disk_before_the_answer_leaves(mortal, tmp_path: Path):
    home = mortal
    home.log.grow(5)
    (witness,) = home.witnesses
    witness.kill()
    calls = tmp_path / "calls"
    trace = ("strace", "-D", "-f", "-y", "-qq", "-e", "trace=fsync,rename,renameat,renameat2,sendto", "-o", str(calls))
    witness.start(program=(*trace, *PROGRAM, "serve"))
    home.agree()
    done = submit(home.log.directory, home.policy)
    assert done.code == 0, done.err
    witness.kill()
    text = calls.read_text()
    steps = [
        ("file synced", re.search(r"fsync\(\d+<[^>]*/\.memory\.json\.", text)),
        ("renamed", re.search(r"rename\w*\([^\n]*/memory\.json\"", text)),
        ("directory synced", re.search(rf"fsync\(\d+<{re.escape(str(witness.directory))}>", text)),
        ("answered", re.search(r"sendto\([^\n]*HTTP/1\.1 200", text)),
    ]
    assert all(found for _, found in steps), text
    places = [found.start() for _, found in steps]
    assert places == sorted(places)


def test_a_witness_without_his_memory_does_not_start(mortal):
    home = mortal
    (witness,) = home.witnesses
    witness.kill()
    (witness.directory / "memory.json").unlink()
    with pytest.raises(AssertionError, match="a witness without memory must not sign"):
        witness.start()
    assert witness.ended() == 1
