"""A witness forgets nothing, and does not begin anew by itself."""

import json
import os
from pathlib import Path

import pytest
from logs_to_witness import ORIGIN, GrowingLog

from deepseek_local.errors import AuditError, WitnessError
from deepseek_local.tlog import checkpoint
from deepseek_local.witness import memory
from deepseek_local.witness.memory import Memory

NAME = "audit.example/w1"
NOW = 1_764_000_000


@pytest.fixture
def directory(tmp_path):
    memory.create(tmp_path / "witness", NAME)
    return tmp_path / "witness"


@pytest.fixture
def signed(tmp_path):
    return GrowingLog(tmp_path / "log").grow(5)


def test_a_new_witness_has_a_key_of_his_own_and_has_seen_nothing(tmp_path):
    made = memory.create(tmp_path / "w", NAME)
    kept = Memory(tmp_path / "w")
    assert (kept.cosigner.name, kept.cosigner.verifier) == (NAME, made.verifier)
    assert memory.create(tmp_path / "another", NAME).verifier != made.verifier
    with kept.held() as book:
        assert book.seen(ORIGIN) is None


def test_what_was_kept_is_seen_by_the_next_process(directory, signed):
    with Memory(directory).held() as book:
        book.keep(ORIGIN, signed, NOW)
        book.keep("another", signed, NOW)
    with Memory(directory).held() as book:
        assert book.seen(ORIGIN) == checkpoint.parse(signed.text)


def test_a_time_before_that_of_the_last_cosignature_is_refused_and_nothing_is_kept(directory, tmp_path):
    log = GrowingLog(tmp_path / "log")
    with Memory(directory).held() as book:
        book.keep("another", log.grow(5), NOW)
        book.keep("another", log.grow(6), NOW)
    with Memory(directory).held() as book:
        with pytest.raises(WitnessError, match="3 s before the last cosignature; set it"):
            book.keep(ORIGIN, log.grow(7), NOW - 3)
        assert book.seen(ORIGIN) is None


def test_a_memory_never_grows_beyond_what_can_be_read_again(directory, signed, monkeypatch):
    monkeypatch.setattr(memory, "BYTES_LIMIT", 450)
    with Memory(directory).held() as book:
        book.keep(ORIGIN, signed, NOW)
    with Memory(directory).held() as book, pytest.raises(WitnessError, match="limit"):
        book.keep("x" * 100, signed, NOW)
    with Memory(directory).held() as book:
        assert book.seen(ORIGIN) == checkpoint.parse(signed.text)


def test_key_and_memory_belong_to_the_owner_alone(directory):
    assert [
        path.stat().st_mode & 0o777 for path in (directory, directory / "witness.key", directory / "memory.json")
    ] == [
        0o700,
        0o600,
        0o600,
    ]


def test_a_witness_is_never_made_over_another(directory):
    (directory / "memory.json").unlink()
    with pytest.raises(WitnessError, match="there is a witness"):
        memory.create(directory, NAME)


class PowerCut(BaseException):
    """Nothing happens after it."""


@pytest.mark.parametrize("step", range(8))
def test_a_witness_whose_making_is_interrupted_does_not_sign_and_can_be_finished(tmp_path, monkeypatch, step):
    directory, steps = tmp_path / "a" / "witness", iter(range(100))

    def cut(_):
        if next(steps) == step:
            raise PowerCut

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", cut)
        try:
            made = memory.create(directory, NAME)
        except PowerCut:
            made = None
    if not (directory / "witness.key").exists():
        with pytest.raises(WitnessError):
            Memory(directory)
        made = memory.create(directory, NAME)
    assert (directory / "memory.json").exists()
    assert made is None or Memory(directory).cosigner.verifier == made.verifier


def test_what_is_made_is_durable_with_its_directory_the_key_last(tmp_path, monkeypatch):
    steps = []
    sync, link = os.fsync, os.link

    def synced(descriptor):
        sync(descriptor)
        steps.append(Path(f"/proc/self/fd/{descriptor}").readlink())

    def linked(draft, path):
        link(draft, path)
        steps.append(path)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "link", linked)
    directory = tmp_path / "a" / "witness"
    memory.create(directory, NAME)
    places = [step for step in steps if not step.name.startswith(".")]
    assert set(places[:2]) == {tmp_path, tmp_path / "a"}
    assert places[2:] == [directory / "memory.json", directory, directory / "witness.key", directory]


@pytest.mark.parametrize("seen", [{}, {"log": "note"}])
def test_a_key_is_not_made_for_the_memory_of_another_witness(directory, seen):
    (directory / "witness.key").unlink()
    (directory / "memory.json").write_text(json.dumps({"name": "another" if not seen else NAME, "seen": seen, "v": 1}))
    with pytest.raises(WitnessError, match="what is left of one"):
        memory.create(directory, NAME)
    assert not (directory / "witness.key").exists()


def test_a_bad_name_makes_no_witness(tmp_path):
    with pytest.raises(AuditError):
        memory.create(tmp_path / "w", "two words")
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize("name", ["memory.json", "witness.key"])
def test_without_memory_or_key_nobody_signs(directory, name):
    (directory / name).unlink()
    with pytest.raises(WitnessError, match="under another name"):
        Memory(directory)


@pytest.mark.parametrize(
    "content",
    [
        *("", "{", "[]", '{"name": "x"}', '{"name": "x", "seen": {}, "v": 2}', '{"name": "x", "seen": {}, "more": 1}'),
        *(b"\xff", bytes(range(256)), b'{"name": "\xff", "seen": {}}', b'{"name": ' + b"[" * 100_000),
    ],
    ids=lambda content: str(content)[:30],
)
def test_a_damaged_memory_is_not_used(directory, content):
    (directory / "memory.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(WitnessError, match="is damaged"):
        Memory(directory)


@pytest.mark.parametrize("change", [lambda text: text.replace("audit/2026", "audit/2027", 1), lambda _: "no note"])
def test_a_checkpoint_that_is_damaged_or_in_a_wrong_place_is_not_used(directory, signed, change):
    place = directory / "memory.json"
    with Memory(directory).held() as book:
        book.keep(ORIGIN, signed, NOW)
    content = json.loads(place.read_text())
    content["seen"][ORIGIN] = change(content["seen"][ORIGIN])
    place.write_text(json.dumps(content))
    with Memory(directory).held() as book, pytest.raises(WitnessError, match="is damaged"):
        book.seen(ORIGIN)


def test_a_key_that_others_can_read_is_not_used(directory):
    (directory / "witness.key").chmod(0o640)
    with pytest.raises(WitnessError, match="chmod 600"):
        Memory(directory)


def test_a_key_of_another_length_is_not_used(directory):
    (directory / "witness.key").write_bytes(bytes(31))
    with pytest.raises(WitnessError, match="does not have 32 bytes"):
        Memory(directory)
