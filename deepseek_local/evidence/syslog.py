"""
Syslog messages: the head of RFC 5424, and the octet counting that RFC 5425 prescribes for TLS.

    <length in octets> <priority>1 <timestamp> <host> deepseek-local <process> <kind> - <message>

The facility is 13, log audit. The message is UTF-8 without a byte order mark, which receivers of JSON stumble over (MSG-ANY).
"""

from deepseek_local.audit.record import Record
from deepseek_local.evidence import cef

PORT = 6514
"""Of syslog over TLS."""

_AUDIT = 13 << 3
_ERROR, _WARNING, _NOTICE, _INFORMATIONAL = 3, 4, 5, 6
_HOST_LIMIT = 255


def frame(record: Record, message: bytes) -> bytes:
    """Put a message on its way: with its head, and before it its length."""
    envelope = record.envelope
    host, timestamp = _word(envelope.node, _HOST_LIMIT), _word(envelope.ts, 32)
    head = f"<{_AUDIT | _severity(record)}>1 {timestamp} {host} deepseek-local {envelope.pid} {envelope.kind} - "
    event = head.encode() + message
    return b"%d %b" % (len(event), event)


def _severity(record: Record) -> int:
    """Translate to syslog, where 0 is the worst."""
    match cef.severity(record):
        case 8:
            return _ERROR
        case 6:
            return _WARNING
        case 4:
            return _NOTICE
        case _:
            return _INFORMATIONAL


def _word(text: str, limit: int) -> str:
    """Keep what a field of the head may hold, which is printable ASCII without spaces."""
    return "".join(each for each in text if "!" <= each <= "~")[:limit] or "-"
