"""Equal refusals are counted, and nothing that comes in makes many records or fills the memory."""

from datetime import UTC, datetime

from deepseek_local.audit.record import Kind
from deepseek_local.proxy_log.flood import KINDS_LIMIT, WINDOW_SECONDS, Flood
from deepseek_local.proxy_log.lines import Refusal

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
HANDSHAKE = Refusal(Kind.TLS_FAIL, "tls_version", "10.0.0.7", None, "unsupported protocol")
FIELDS = {"reason": "tls_version", "ip": "10.0.0.7", "detail": "unsupported protocol"}


def test_the_first_is_told_at_once_and_the_others_are_counted():
    flood = Flood()
    assert flood.take(HANDSHAKE, 0, NOON) == (Kind.TLS_FAIL, FIELDS)
    assert [flood.take(HANDSHAKE, second, NOON) for second in range(3)] == [None] * 3
    assert list(flood.ended(WINDOW_SECONDS - 1)) == []
    assert list(flood.ended(WINDOW_SECONDS)) == [
        (Kind.SUPPRESSED, {**FIELDS, "count": 3, "since": "2026-11-24T12:00:00Z"})
    ]
    assert flood.take(HANDSHAKE, WINDOW_SECONDS, NOON) is not None


def test_one_alone_is_not_told_twice():
    flood = Flood()
    flood.take(HANDSHAKE, 0, NOON)
    assert list(flood.ended()) == []


def test_other_refusals_of_the_same_client_have_their_own_record():
    flood = Flood()
    other = Refusal(Kind.REFUSED, "rate_limited", "10.0.0.7", None, "per_ip")
    assert [bool(flood.take(refusal, 0, NOON)) for refusal in (HANDSHAKE, other, HANDSHAKE)] == [True, True, False]


def test_many_addresses_make_a_bounded_number_of_records():
    flood = Flood()
    count = 3 * KINDS_LIMIT
    refusals = [Refusal(Kind.TLS_FAIL, "handshake", f"10.{n >> 8}.{n & 255}.1") for n in range(count)]
    told = [entry for refusal in refusals if (entry := flood.take(refusal, 0, NOON))]
    assert len(told) == KINDS_LIMIT
    assert len(flood._held) == KINDS_LIMIT + 1
    assert list(flood.ended()) == [
        (
            Kind.SUPPRESSED,
            {"reason": "handshake", "count": count - KINDS_LIMIT, "since": "2026-11-24T12:00:00Z"},
        )
    ]
