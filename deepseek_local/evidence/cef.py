r"""
Records in the Common Event Format, for a SIEM that knows nothing else (ArcSight CEF implementation standard, version 0).

    CEF:0|vendor|product|version|event class|name|severity|key=value key=value …

`|` and `\` are escaped in the head, `=` and `\` in values, line breaks in both, so that no value can pass for another field.
"""

from collections.abc import Iterator
from datetime import datetime
from ipaddress import ip_address

from deepseek_local import __version__
from deepseek_local.audit.clip import clean
from deepseek_local.audit.record import Kind, Record
from deepseek_local.evidence.rendering import flat

_KEYS = {
    "act": "act",
    "obj": "destinationServiceName",
    "dec": "outcome",
    "reason": "reason",
    "route": "request",
    "req": "externalId",
    "answer.bytes": "out",
    "sub.id": "suser",
    "sub.kid": "suid",
}
_LABELLED = {"seq": "cn1", "attr.model": "cs1", "rule": "cs2", "tenant": "cs3", "pol": "cs4"}
"""Values for which the format has no key of its own."""

_QUIET, _NOTED, _REFUSED, _ALARMING = 2, 4, 6, 8
_SEVERITIES = {
    Kind.ADMIN: _NOTED,
    Kind.POLICY_LOAD: _NOTED,
    Kind.IDENTITY_LOAD: _NOTED,
    Kind.AUTH_FAIL: _REFUSED,
    Kind.TLS_FAIL: _REFUSED,
    Kind.REFUSED: _REFUSED,
    Kind.SUPPRESSED: _REFUSED,
    Kind.BAN: _REFUSED,
    Kind.GAP: _ALARMING,
    Kind.CLOCK_STEP: _ALARMING,
    Kind.RECOVERY: _ALARMING,
}


def severity(record: Record) -> int:
    """How much attention a record asks for, 0 to 10."""
    return _REFUSED if record.fields.get("dec") == "deny" else _SEVERITIES.get(record.envelope.kind, _QUIET)


def encode(record: Record) -> bytes:
    """Write a record as one event, without a line break."""
    kind = str(record.envelope.kind)
    name = str(clean(record.fields).get("act") or kind)
    head = "|".join(map(_head, ("CEF:0", "deepseek-local", "audit", __version__, kind, name, str(severity(record)))))
    return f"{head}|{' '.join(f'{key}={_value(value)}' for key, value in _extension(record))}".encode()


def _extension(record: Record) -> Iterator[tuple[str, object]]:
    envelope = record.envelope
    values = dict(flat({**clean(record.fields), "seq": envelope.seq}))
    yield "rt", _milliseconds(envelope.ts)
    yield "dvchost", envelope.node
    yield "dvcpid", envelope.pid
    if _is_address(values.get("ip")):  # a peer on a Unix socket has none, and the format takes nothing else
        yield "src", values["ip"]
    for name, key in _KEYS.items():
        if name in values:
            yield key, values[name]
    for name, key in _LABELLED.items():
        if name in values:
            yield key, values[name]
            yield f"{key}Label", name


def _is_address(value: object) -> bool:
    try:
        ip_address(str(value))
    except ValueError:
        return False
    return True


def _milliseconds(timestamp: str) -> int:
    try:
        return round(datetime.fromisoformat(timestamp).timestamp() * 1000)
    except (ValueError, OverflowError):  # only in a file that was tampered with; what it says is in `verify`
        return 0


def _head(text: str) -> str:
    return _one_line(text.replace("\\", "\\\\").replace("|", "\\|"))


def _value(value: object) -> str:
    return _one_line(str(value).replace("\\", "\\\\").replace("=", "\\="))


def _one_line(text: str) -> str:
    return text if text.isprintable() else "".join(each if each.isprintable() else "\ufffd" for each in text)
