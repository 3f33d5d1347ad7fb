"""The keys of a log: who makes them, who gets the first one of the MAC, and that nobody gets it twice."""

import os
import stat
from pathlib import Path

import checked_tree
import msgspec
import pytest

from deepseek_local.audit import clock, seal, set_up
from deepseek_local.audit.log import Log, Origin
from deepseek_local.audit.seal import FIRST_KEY, SEED, STATE, State
from deepseek_local.errors import AuditError

KILLED = 9


def state(index: int = 0, key: bytes = bytes(32)) -> bytes:
    return msgspec.json.encode({"origin": "gpu01/audit/2026", "index": index, "key": key})


def hand_out(desk, origin=None) -> set_up.HandedOut:
    return set_up.hand_out(desk.directory, desk.keys, "GPU01", desk.moment, origin)


def killed_while(action, replaces: int) -> None:
    """Let a process die like one that is killed, right before it gives so many files their names."""
    if process := os.fork():
        assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == KILLED
        return
    replace, left = Path.replace, iter(range(1, replaces))
    Path.replace = lambda draft, place: replace(draft, place) if next(left, None) else os._exit(KILLED)
    try:
        action()
    finally:
        os._exit(0)


def test_keys_that_were_made_before_the_first_start_are_those_of_the_log(desk):
    handed = hand_out(desk)
    assert handed.verifier_key.startswith("gpu01/audit/2026+")
    seal.forget_first(desk.keys)
    desk.open().stop("SIGTERM")
    (found,) = checked_tree.check(desk.directory, desk.keys, handed.first_key)
    assert found.origin == "gpu01/audit/2026"


def test_the_first_key_waits_until_it_is_known_to_be_shown(desk):
    handed = hand_out(desk)
    assert handed == hand_out(desk)
    assert (desk.keys / FIRST_KEY).read_bytes() == handed.first_key


@pytest.mark.parametrize("writes", [1, 2, 3])
def test_a_crash_while_keys_are_made_cannot_lose_the_first_one(desk, writes):
    """Whichever file comes last, no keys count as made without the first one beside them."""
    killed_while(lambda: hand_out(desk), replaces=writes)
    assert not (desk.keys / STATE).exists()
    handed = hand_out(desk)
    desk.open().stop("SIGTERM")
    checked_tree.check(desk.directory, desk.keys, handed.first_key)


def waits_or_has_ended(process: int) -> bool:
    """Whether a child waits for a lock, or has come to its end."""
    if any("->" in line and str(process) in line.split() for line in Path("/proc/locks").read_text().splitlines()):
        return True
    return os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def test_a_first_start_waits_for_the_keys_that_init_is_making(desk, monkeypatch):
    """Else the auditor is handed a key that seals nothing."""
    begun, begin = os.pipe()
    if not (start := os.fork()):
        os.read(begun, 1)
        desk.open().stop("SIGTERM")
        os._exit(0)
    replace = Path.replace

    def replace_meanwhile(draft: Path, place: Path) -> Path:
        if place.name == STATE:
            os.write(begin, b"!")
            while not waits_or_has_ended(start):
                pass
        return replace(draft, place)

    monkeypatch.setattr(Path, "replace", replace_meanwhile)
    handed = hand_out(desk)
    seal.forget_first(desk.keys)
    assert os.waitstatus_to_exitcode(os.waitpid(start, 0)[1]) == 0
    monkeypatch.undo()
    checked_tree.check(desk.directory, desk.keys, handed.first_key)


def test_a_draft_that_a_killed_process_left_keeps_no_key(desk):
    handed = hand_out(desk)
    killed_while(lambda: seal.read(desk.keys).sign(1, bytes(32)), replaces=1)
    (draft,) = desk.keys.glob(".audit.mac.*")
    left = msgspec.json.decode(draft.read_bytes(), type=State).key
    seal.forget_first(desk.keys)
    desk.open().stop("SIGTERM")
    assert msgspec.json.decode((desk.keys / STATE).read_bytes(), type=State).index == 1
    assert not list(desk.keys.glob(".audit.mac.*"))
    assert left != handed.first_key


def test_the_first_key_is_forgotten_with_its_drafts(desk):
    killed_while(lambda: hand_out(desk), replaces=2)
    assert list(desk.keys.glob(f".{FIRST_KEY}.*"))
    hand_out(desk)
    seal.forget_first(desk.keys)
    assert not list(desk.keys.glob(f"*{FIRST_KEY}*"))


def test_a_first_start_leaves_the_first_key_for_the_auditor_who_takes_it_away(desk):
    desk.open().stop("SIGTERM")
    waiting = (desk.keys / FIRST_KEY).read_bytes()
    handed = hand_out(desk)
    assert handed.first_key == waiting
    assert handed == hand_out(desk)  # until it is known to be shown
    seal.forget_first(desk.keys)
    assert not (desk.keys / FIRST_KEY).exists()
    with pytest.raises(AuditError, match="their first one has been handed out: it cannot be shown again"):
        hand_out(desk)


def test_the_first_key_is_on_the_host_no_more_after_the_first_checkpoint(desk):
    handed = hand_out(desk)
    seal.forget_first(desk.keys)
    desk.open().stop("SIGTERM")
    state = msgspec.json.decode((desk.keys / STATE).read_bytes(), type=State)
    assert (state.index, state.key != handed.first_key) == (1, True)
    files = [path.read_bytes() for path in desk.keys.rglob("*") if path.is_file()]
    assert not any(handed.first_key in content for content in files)


def test_only_the_owner_reads_the_keys(desk):
    desk.open().stop("SIGTERM")
    for name in (SEED, STATE, FIRST_KEY):
        assert stat.S_IMODE((desk.keys / name).stat().st_mode) == 0o600


@pytest.mark.parametrize("name", [SEED, STATE])
def test_keys_that_others_can_read_are_refused(desk, name):
    hand_out(desk)
    (desk.keys / name).chmod(0o640)
    with pytest.raises(AuditError, match=rf"{name} can be read by others; run: chmod 600"):
        desk.open()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        (SEED, b"short", "does not have 32 bytes"),
        (STATE, b"{}", "is damaged"),
        (STATE, b"", "is damaged"),
        (STATE, b'{"origin":"\xff\xfe', "is damaged"),
        (STATE, b'{"a":' * 9000, "is damaged"),
        (STATE, state(key=bytes(31)), "is damaged"),
        (STATE, state(key=bytes(33)), "is damaged"),
        (STATE, state(index=-1), "is damaged"),
    ],
)
def test_damaged_keys_are_named(desk, name, content, reason):
    hand_out(desk)
    (desk.keys / name).write_bytes(content)
    with pytest.raises(AuditError, match=reason):
        desk.open()


def test_the_directory_of_new_keys_is_durable(desk, tmp_path, monkeypatch):
    synced = []
    real = os.fsync

    def note(descriptor):
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        real(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    set_up.hand_out(desk.directory, tmp_path / "secret" / "keys", "gpu01", desk.moment, None)
    assert {tmp_path, tmp_path / "secret", tmp_path / "secret" / "keys"} <= set(synced)


def test_a_seed_that_is_there_is_used(desk):
    desk.keys.mkdir(exist_ok=True)
    seal.write_key(desk.keys / SEED, bytes(range(32)))
    assert hand_out(desk).verifier_key.endswith(
        "+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"
    )  # as in docs/en/reference/audit-proofs.md


def test_the_origin_can_be_named(desk):
    handed = hand_out(desk, "bank.gpu01/audit/2026-b")
    assert handed.verifier_key.startswith("bank.gpu01/audit/2026-b+")
    desk.open().stop("SIGTERM")
    (found,) = checked_tree.check(desk.directory, desk.keys, handed.first_key)
    assert found.origin == "bank.gpu01/audit/2026-b"


def test_an_origin_that_cannot_name_a_key_is_refused(desk):
    with pytest.raises(AuditError, match="cannot name a key"):
        hand_out(desk, "two words")
    assert not (desk.keys / STATE).exists()


def test_keys_are_not_made_for_a_log_that_is_open_elsewhere(desk, tmp_path):
    desk.open()
    with pytest.raises(AuditError, match="was sealed with keys that are not in"):
        set_up.hand_out(desk.directory, tmp_path / "other", "gpu01", clock.now(), None)


def test_an_old_log_is_named_after_the_year_in_which_it_began(desk):
    desk.open().stop("SIGTERM")
    (desk.directory / "checkpoints.jsonl").unlink()
    for name in (SEED, STATE, FIRST_KEY):
        (desk.keys / name).unlink()
    desk.pass_time(400 * 86_400)
    desk.close(desk.opened[0])
    Log(desk.directory, desk.keys, Origin("gpu01", "boot-1", 1), lambda: desk.moment).close()
    assert seal.read(desk.keys).state.origin == "gpu01/audit/2026"
