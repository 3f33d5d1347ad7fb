"""Which records a search finds."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stored_log import StoredLog, line, ts

from deepseek_local.audit.record import parse
from deepseek_local.cli.main import run
from deepseek_local.errors import AuditError
from deepseek_local.evidence.query import Pattern, Query
from deepseek_local.evidence.search import find

ALICE = {"sub": {"id": "u:alice", "src": "token", "kid": "k7"}, "ip": "10.0.0.5"}
LINES = [
    line(0, "start"),
    line(
        1,
        "decision",
        req="a",
        dec="allow",
        act="execute",
        obj="chat",
        attr={"model": "r1"},
        tenant="icu",
        prompt={"hmac": "k3:aa"},
        **ALICE,
    ),
    line(2, "outcome", req="a", status=200, answer={"hmac": "k3:aa"}),
    line(3, "decision", req="b", dec="deny", reason="no_rule", sub={"id": "u:bob"}, route="POST /v1/chat/completions"),
    line(4, "auth_fail", req="c", ip="10.0.0.9", reason="token_unknown"),
    line(5, "admin", act="token_revoke", obj="u:alice", sub={"id": "os:root"}, attr={"model": "r1-old"}),
    line(6, "client_hello", uid=1000, gid=1000),
    line(7, "admin", act="note", obj='quo"te\\ 甲'),
]


def found(**conditions: str) -> list[int]:
    patterns = {name: text if name in {"since", "until"} else Pattern(text) for name, text in conditions.items()}
    return [match.record.envelope.seq for match in find([b"".join(LINES)], Query(**patterns))]


@pytest.mark.parametrize(
    ("conditions", "seqs"),
    [
        ({}, [0, 1, 2, 3, 4, 5, 6, 7]),
        ({"who": "u:alice"}, [1]),
        ({"who": "k7"}, [1]),
        ({"who": "10.0.0.*"}, [1, 4]),
        ({"who": "u:*"}, [1, 3]),
        ({"who": "alice"}, []),
        ({"what": "decision"}, [1, 3]),
        ({"what": "token_*"}, [5]),
        ({"what": "chat"}, [1]),
        ({"what": "POST /v1/chat*"}, [3]),
        ({"what": 'quo"te\\ 甲'}, [7]),
        ({"what": "*"}, [0, 1, 2, 3, 4, 5, 6, 7]),
        ({"request": "a"}, [1, 2]),
        ({"decision": "deny"}, [3]),
        ({"reason": "token_*"}, [4]),
        ({"model": "r1"}, [1]),
        ({"model": "r1*"}, [1, 5]),
        ({"tenant": "icu"}, [1]),
        ({"digest": "k3:aa"}, [1, 2]),
        ({"digest": "k2:*"}, []),
        ({"request": "a", "what": "decision"}, [1]),
        ({"who": "u:alice", "decision": "deny"}, []),
        ({"since": ts(5)}, [5, 6, 7]),
        ({"until": ts(2)}, [0, 1]),
        ({"since": ts(6), "until": ts(7)}, [6]),
        ({"since": ts(1), "what": "decision", "until": ts(3)}, [1]),
    ],
)
def test_a_search_finds_what_fulfils_all_conditions(conditions, seqs):
    assert found(**conditions) == seqs


@given(
    st.lists(st.integers(0, 7), max_size=12),
    st.sampled_from(["u:*", "decision", "*", "k7", "nobody"]),
    st.binary(max_size=3),
)
def test_lines_are_cut_out_of_blocks_whole(numbers, sought, torn):
    block = b"".join(LINES[number] for number in numbers) + torn.replace(b"\n", b"")
    query = Query(what=Pattern(sought)) if sought in {"decision", "*"} else Query(who=Pattern(sought))
    expected = [LINES[number] for number in numbers if query.matches(parse(LINES[number]))]
    assert [match.line for match in find([block], query)] == expected


texts = st.text(st.characters(codec="utf-8"), max_size=6)


@given(texts, texts, st.booleans())
def test_no_match_is_lost_to_the_look_at_the_bytes(value, sought, beginning):
    sought = f"{sought}*" if beginning else sought
    encoded = line(1, obj=value, sub={"id": sought}, until=value)
    query = Query(what=Pattern(sought))
    assert list(query.candidates()(encoded)) or not query.matches(parse(encoded))


@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 20), st.booleans())
def test_a_window_is_the_same_for_bytes_and_for_records(moment, since, until, late_key):
    encoded = line(1, moment=ts(moment), **({"zone": {"ts": ts(0), "v": 1}} if late_key else {}))
    query = Query(since=ts(since), until=ts(until))
    exact = since <= moment < until
    assert query.matches(parse(encoded)) == exact
    assert bool(list(query.candidates()(encoded))) == (exact or late_key)


def test_a_line_that_is_no_record_is_told_after_the_last_match():
    block = b"".join([LINES[0], b'{"kind":"decision","dec":"deny"\n', LINES[3]])
    matches = find([block], Query(decision=Pattern("deny")))
    assert next(matches).record.envelope.seq == 3
    with pytest.raises(AuditError, match=r"1 lines could not be searched, .*run `audit verify`"):
        next(matches)


@pytest.fixture
def directory(tmp_path):
    log = StoredLog(tmp_path / "audit")
    log.append(2, "decision", req="r1", dec="allow", **ALICE)
    log.compress(log.rotate())
    log.append(1, "decision", req="r2", dec="deny", reason="no_rule", **ALICE)
    return str(log.directory)


@pytest.mark.parametrize("layout", ["text", "json", "csv"])
def test_the_command_writes_text_json_and_tables(directory, capsys, layout):
    arguments = ["--who", "u:alice", "--since", "2026-11-24", "--until", "2026-11-24", "--format", layout]
    assert run(["audit", "search", "--directory", directory, *arguments]) == 0
    shown = capsys.readouterr().out
    match layout:
        case "json":
            assert [json.loads(each)["req"] for each in shown.splitlines()] == ["r1", "r1", "r2"]
        case "csv":
            rows = list(csv.DictReader(io.StringIO(shown)))
            assert [(row["req"], row["sub.id"], row["dec"]) for row in rows][1:] == [
                ("r1", "u:alice", "allow"),
                ("r2", "u:alice", "deny"),
            ]
        case _:
            assert len(shown.splitlines()) == 3


@pytest.mark.parametrize(
    ("moments", "count"),
    [
        (["--since", "2026-11-24T20:00:03+08:00"], 1),
        (["--until", "2026-11-24T12:00:01Z"], 1),
        (["--until", "2026-11-23"], 0),
        (["--since", "2026-11-24T12:00:01"], 3),
        (["--since", "2h", "--until", "2026-11-24T00:00:00Z"], 0),
    ],
)
def test_moments_are_told_in_several_ways(directory, capsys, moments, count):
    assert run(["audit", "search", "--directory", directory, "--format", "json", *moments]) == 0
    assert len(capsys.readouterr().out.splitlines()) == count


@pytest.mark.parametrize("moment", ["yesterday", "2026-13-01", "2y", "0h", "0001-01-01T00:00:00+08:00"])
def test_what_is_no_moment_is_refused(directory, capsys, moment):
    assert run(["audit", "search", "--directory", directory, "--since", moment]) == 2
    assert moment in capsys.readouterr().err
