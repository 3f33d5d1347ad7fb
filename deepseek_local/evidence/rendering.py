"""
Records as people see them: as a line of text, as a row of a table, as JSON on a terminal.

A file of the log can have been tampered with, so nothing in it is shown as it is: control characters never reach a terminal (CWE-150), and
a cell that a spreadsheet would compute gets an apostrophe before it (CWE-1236; OWASP, "CSV Injection", with its full-width signs).
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping

from deepseek_local.audit.clip import clean
from deepseek_local.audit.record import Record

COLUMNS = (
    "seq", "ts", "kind", "node", "pid", "req", "sub.id", "sub.src", "sub.kid", "ip", "route", "act", "obj", "attr.model", "tenant", "dec",
    "rule", "reason", "status", "tokens.in", "tokens.out", "answer.bytes", "duration_us", "aborted", "grant", "clip",
)  # fmt: skip
"""Columns of the table; the fields that have none are in the JSON only."""

_COMPUTED = frozenset("=+-@\t\r＝＋－＠")


def text(record: Record) -> str:
    """Write a record for a terminal: when, which, what, and then the fields."""
    head = clean({"ts": record.envelope.ts})
    fields = " ".join(f"{name}={_word(value)}" for name, value in flat(clean(record.fields)))
    envelope = record.envelope
    return f"{head['ts']} {envelope.seq:>9} {envelope.kind:<14} pid={envelope.pid} {fields}".rstrip()


def heading() -> str:
    """Write the first row of a table, with its line break (RFC 4180)."""
    return _csv(COLUMNS)


def row(record: Record) -> str:
    """Write a record as a row of the table, with its line break."""
    envelope = record.envelope
    head = {"seq": envelope.seq, "ts": envelope.ts, "kind": str(envelope.kind), "node": envelope.node}
    cells = dict(flat(clean({**record.fields, **head, "pid": envelope.pid})))
    return _csv(tuple(_cell(cells.get(name, "")) for name in COLUMNS))


def line(exact: bytes, *, is_terminal: bool) -> str:
    """Write the JSON of a record: exactly, but for a terminal with an escape for each character that cannot be seen."""
    decoded = exact.decode("utf-8", "backslashreplace")
    if not is_terminal or decoded[:-1].isprintable():
        return decoded
    return "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in decoded[:-1]) + "\n"


def flat(members: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield every value below its dotted name."""
    for name, value in members.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _word(value: object) -> str:
    return value if isinstance(value, str) and " " not in value else json.dumps(value, ensure_ascii=False)


def _cell(value: object) -> str:
    written = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    # Some programs pass over leading spaces before they look for a formula.
    return f"'{written}" if isinstance(value, str) and written.lstrip(" ")[:1] in _COMPUTED else written


def _csv(cells: tuple[str, ...]) -> str:
    written = io.StringIO()
    csv.writer(written).writerow(cells)
    return written.getvalue()
