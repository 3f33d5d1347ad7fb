"""
What must hold between answers, audit log and engine after any requests whatever.

1. No answer is a fault of ours: none has a status of 500 or above.
2. Every answer that carries a request id has exactly one decision record, but the answer to a probe, which has none.
3. An answer without one is the server's own, to what is no HTTP.
4. Nothing reached the engine without an allowed decision, but a probe; and every allowed decision has one outcome.
5. Every whole request was answered.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fuzz.client import Protocol
from tests.support import segment_files

OF_SERVER = {400, 405, 426}
"""Statuses with which uvicorn and websockets refuse what is no request for them."""
SHOWN = 20


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that was written down about one run."""

    protocol: Protocol
    decisions: Mapping[str, list[str]]
    """Request id to what was decided, `allow` or `deny`, for each record."""
    outcomes: Counter[str]
    seen: list[tuple[str, str, str, str]]
    """Id, type, method and path of what reached the engine."""


def collect(protocol: Protocol, audit: Path, seen: Path) -> Evidence:
    """Read the audit log and the engine's notes."""
    decisions: dict[str, list[str]] = {}
    outcomes: Counter[str] = Counter()
    for record in records(audit):
        if record["kind"] == "decision":
            decisions.setdefault(record["req"], []).append(record["dec"])
        elif record["kind"] == "outcome":
            outcomes[record["req"]] += 1
    notes = [json.loads(line) for line in seen.read_text("ascii").splitlines()]
    return Evidence(protocol, decisions, outcomes, [tuple(note) for note in notes])


def records(audit: Path) -> Iterator[Mapping[str, Any]]:
    """Yield every record, in order."""
    yield from map(json.loads, segment_files.lines(audit))


def findings(evidence: Evidence) -> list[str]:
    """Return one line for everything that does not hold."""
    checks = (_faults, _unrecorded, _strangers, _bypasses, _unfinished, _unanswered)
    return [line for check in checks for line in _first(check(evidence))]


def _first(lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        if number == SHOWN:
            yield "... and more of the same kind"
            return
        yield line


def _probes(evidence: Evidence) -> set[str]:
    return {name for name, kind, method, path in evidence.seen if (kind, method, path) == ("http", "GET", "/health")}


def _faults(evidence: Evidence) -> Iterator[str]:
    for case, answer in evidence.protocol.answers:
        if answer.status >= 500:
            yield f"{answer.status} for {case.data[:2000]!r}"


def _unrecorded(evidence: Evidence) -> Iterator[str]:
    probes = _probes(evidence)
    for case, answer in evidence.protocol.answers:
        count = len(evidence.decisions.get(answer.request_id, ()))
        if answer.request_id and count != (0 if answer.request_id in probes else 1):
            yield f"{count} decision records for the answer {answer.status} to {case.data[:2000]!r}"
    for name, found in evidence.decisions.items():
        if len(found) != 1:
            yield f"{len(found)} decision records for {name}"


def _strangers(evidence: Evidence) -> Iterator[str]:
    for case, answer in evidence.protocol.answers:
        if not answer.request_id and answer.status not in OF_SERVER:
            yield f"{answer.status} without a request id for {case.data[:2000]!r}"


def _bypasses(evidence: Evidence) -> Iterator[str]:
    probes = _probes(evidence)
    for name, kind, method, path in evidence.seen:
        if name not in probes and evidence.decisions.get(name) != ["allow"]:
            yield f"the engine saw {kind} {method} {path!r} with the decision {evidence.decisions.get(name)}"


def _unfinished(evidence: Evidence) -> Iterator[str]:
    for name, found in evidence.decisions.items():
        if evidence.outcomes[name] != found.count("allow"):
            yield f"{evidence.outcomes[name]} outcome records for {name}, which was decided {found}"


def _unanswered(evidence: Evidence) -> Iterator[str]:
    for case in evidence.protocol.unanswered:
        yield f"no answer to {case.data[:2000]!r}"
