"""Emergency grants: limited in time, with a reason, from a private file that is believed whole or not at all."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deepseek_local.errors import PolicyError
from deepseek_local.policy import break_glass
from deepseek_local.policy.break_glass import EmergencyGrant

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
ENTRY = {
    "id": "0a1b2c3d",
    "principal": "u:alice",
    "role": "admin",
    "since": "2026-11-24T03:00:00Z",
    "until": "2026-11-24T04:00:00Z",
    "reason": "the engine hangs, ticket 4711",
    "by": "os:root",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "break-glass.json"


def make(**changes: object) -> EmergencyGrant:
    fields: dict[str, object] = {
        "principal": "u:alice",
        "role": "admin",
        "tenant": None,
        "since": NOW,
        "duration": HOUR,
        "reason": "the engine hangs",
        "by": "os:root",
    }
    return break_glass.make(**(fields | changes))


def write(path: Path, *entries: dict[str, object], text: str | None = None) -> None:
    path.write_text(json.dumps({"version": 1, "grants": list(entries)}) if text is None else text)
    path.chmod(0o600)


def test_a_grant_counts_from_its_beginning_until_just_before_its_end(path: Path):
    entry = make()
    break_glass.grant(path, entry)
    assert break_glass.read(path, NOW - timedelta(seconds=1)) == ()
    assert break_glass.read(path, NOW) == (entry,)
    assert break_glass.read(path, NOW + HOUR - timedelta(microseconds=1)) == (entry,)
    assert break_glass.read(path, NOW + HOUR) == ()


@pytest.mark.parametrize("user", ["os:root", "os:CORP\\alice", "os:corp+alice", "os:alice@corp.site", "os:1000"])
def test_whoever_this_host_knows_can_give_a_grant(path: Path, user: str):
    entry = make(by=user)
    break_glass.grant(path, entry)
    assert break_glass.read(path, NOW) == (entry,)


def test_a_made_grant_counts_nowhere_before_it_is_granted(path: Path):
    make()
    assert break_glass.read(path, NOW) == ()
    assert not path.exists()


def test_the_file_is_private_and_holds_one_grant_a_line(path: Path):
    entries = [make(), make(principal="s:batch", tenant="radiology")]
    for entry in entries:
        break_glass.grant(path, entry)
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(path.read_text().splitlines()) == 4
    assert break_glass.read(path, NOW) == tuple(entries)


def test_a_withdrawn_grant_ends_and_the_others_stay(path: Path):
    entry, other = make(), make(principal="u:bob")
    break_glass.grant(path, entry)
    break_glass.grant(path, other)
    assert break_glass.withdraw(path, entry.id, NOW) == entry
    assert break_glass.read(path, NOW) == (other,)


@pytest.mark.parametrize("later", [0 * HOUR, 2 * HOUR])
def test_what_does_not_count_cannot_be_withdrawn(path: Path, later: timedelta):
    entry = make()
    break_glass.grant(path, entry)
    with pytest.raises(PolicyError, match="that could end"):
        break_glass.withdraw(path, entry.id if later else "00000000", NOW + later)


def test_grants_that_ended_leave_the_file_with_the_next_one(path: Path):
    break_glass.grant(path, make())
    newer = make(since=NOW + 2 * HOUR)
    break_glass.grant(path, newer)
    assert len(json.loads(path.read_text())["grants"]) == 1
    assert break_glass.read(path, NOW + 2 * HOUR) == (newer,)


def test_no_more_grants_than_anybody_can_watch(path: Path):
    for _ in range(break_glass.MAXIMUM_GRANTS):
        break_glass.grant(path, make())
    with pytest.raises(PolicyError, match="has 64 grants already"):
        break_glass.grant(path, make())


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"principal": "alice"}, "principal"),
        ({"principal": "s:canary"}, "name another principal"),
        ({"role": "u:admin"}, "role"),
        ({"role": "*"}, "role"),
        ({"tenant": "*"}, "tenant"),
        ({"reason": "too short"}, "reason"),
        ({"reason": "two lines\nin the log"}, "one line of printable text"),
        ({"reason": "          "}, "one line of printable text"),
        ({"duration": 8 * HOUR + timedelta(seconds=1)}, "at most 8:00:00"),
        ({"duration": 0 * HOUR}, "more than nothing"),
        ({"duration": -HOUR}, "more than nothing"),
        ({"by": "root"}, "by"),
    ],
)
def test_a_grant_that_cannot_be_answered_for_is_not_made(changes: dict[str, object], part: str):
    with pytest.raises(PolicyError) as caught:
        make(**changes)
    assert part in str(caught.value)


def test_the_longest_grant_lasts_eight_hours():
    assert make(duration=8 * HOUR).until == NOW + 8 * HOUR


def test_a_file_that_others_can_read_is_refused(path: Path):
    write(path, ENTRY)
    path.chmod(0o640)
    with pytest.raises(PolicyError, match=f"run: chmod 600 {path}"):
        break_glass.read(path, NOW)


@pytest.mark.parametrize(
    "entry",
    [
        ENTRY | {"until": "2026-11-24T11:00:01Z"},
        ENTRY | {"until": "2026-11-24T03:00:00Z"},
        ENTRY | {"until": "2026-11-24T04:00:00"},
        ENTRY | {"reason": "no"},
        ENTRY | {"role": "Admin"},
        ENTRY | {"colour": "red"},
        {key: value for key, value in ENTRY.items() if key != "reason"},
    ],
)
def test_one_wrong_entry_makes_the_whole_file_useless(path: Path, entry: dict[str, object]):
    write(path, ENTRY | {"id": "ffffffff"}, entry)
    with pytest.raises(PolicyError, match=str(path)):
        break_glass.read(path, NOW)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        "[" * 100_000,
        '{"version": 2, "grants": []}',
        '{"version": 1, "version": 1, "grants": []}',
        '{"version": 1}',
        " " * (break_glass.MAXIMUM_BYTES + 1),
        json.dumps({"version": 1, "grants": [ENTRY, ENTRY]}),
    ],
    ids=["empty", "list", "cut", "deep", "version", "twice", "nothing", "long", "same id"],
)
def test_a_file_that_cannot_be_understood_is_refused(path: Path, text: str):
    write(path, text=text)
    with pytest.raises(PolicyError, match=str(path)):
        break_glass.read(path, NOW)


def test_a_broken_file_is_not_written_over(path: Path):
    write(path, text="{")
    with pytest.raises(PolicyError, match="mend or remove it"):
        break_glass.grant(path, make())
    assert path.read_text() == "{"


def test_a_directory_in_its_place_is_refused(path: Path):
    path.mkdir()
    with pytest.raises(PolicyError, match="cannot be read"):
        break_glass.read(path, NOW)
