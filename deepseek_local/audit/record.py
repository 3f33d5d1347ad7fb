"""
The audit record, version 1: one line of UTF-8 JSON with sorted keys, without floats, at most 16 KiB.

The exact bytes of a line, newline included, are what later digests and proofs are made of; nobody re-serialises a record.

**Envelope**, written by the sequencer into every record:

    v       1
    seq     position in the log, from 0, without gaps, across all segments
    ts      wall clock when the sequencer took the record, UTC with microseconds, RFC 3339
    mono    nanoseconds of CLOCK_BOOTTIME at the same moment: shows when the wall clock was moved
    boot    id of this boot of the host; `mono` of two records compares only within one boot
    node    name of the host, after that of the site where there is one
    pid     process that sent the record, as the kernel reports it (SO_PEERCRED); the sequencer's own for its own records
    cseq    the sender's count of its records, from 1; a hole proves that one was lost on the way. 0 in the sequencer's own
    kind    what happened, one of `Kind`

**Fields**, written by the sender, each only where it is known; one whose value had to be altered for safe reading is named in `clip`
(see `audit.clip`). A name means the same in every kind:

    req     request id; ties `decision` and `outcome`
    ip      address of the peer
    route   method and path
    sub     {id, src, kid}: who, how that was proved, and the public part of the credential
    act     casbin action, or what was done
    obj     casbin resource, or what it was done to
    attr    what was asked for or claimed, as far as a policy may use it: {model, stream, max_tokens, purpose, …}
    prompt  {hmac, bytes}: keyed digest and length of the request body, never its text
    dec     `allow` or `deny`
    rule    the rule that decided
    pol     digest of the policy in force; in `policy_load`, `before` is that of the one it replaces
    digest  of the files that `obj` names in `identity_load`, `before` that of those before
    tenant  the tenant for which it was decided
    grant   emergency grant without which the answer would have been no; in `policy_load` also {principal, role, until, by}
    shadow  what the shadow policy would have said, where that differs
    reason  why something was refused or ended
    status  HTTP status of the answer
    detail  what a program that we did not write said of it, reduced to letters, digits and a few marks; in `decision`, why a credential
            proves nobody
    count   in `suppressed`: refusals that were only counted, `since` a moment
            in `ban`: failed attempts, the first of them `since`; `until` is when the ban ends
            in `gap`: records that were lost, made between `since` and `until`
    late_us how long the sender held the record back (`audit.mode: degraded`, `storage`): it was made so long before `ts`
    answer  {hmac, bytes}: keyed digest and length of the answer, which left in as many `chunks`
    tokens  {in, out}: what the engine computed
    aborted the answer did not get to its end; `duration_us` after the decision

The sequencer's own fields: `recovery` {segment, offset, length, digest} names the torn tail it passed over; `segment_sealed` {segment,
bytes, digest, records, first, last} closes a segment; `clock_step` {step_ns} tells how far the wall clock moved; `client_hello` {uid, gid};
`stop` {reason}. Digests carry their algorithm (`sha256:`; `sm3:` is reserved).
"""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from deepseek_local.errors import AuditError

VERSION = 1
RECORD_LIMIT = 16_384
"""Bytes of one line, newline included."""
ENVELOPE_LIMIT = 1_024
"""Bytes that the envelope can take at most; the rest is for the fields."""
LOCK_NAME = ".lock"
"""The file in the audit directory that the sequencer holds a lock on; only its own user can open it."""


class Kind(StrEnum):
    """What happened."""

    DECISION = "decision"
    """A request was allowed or denied; durable before the engine sees it."""
    OUTCOME = "outcome"
    """How an allowed request ended; durable before its last byte leaves. A decision without outcome is evidence of a crash."""
    AUTH_FAIL = "auth_fail"
    """Somebody could not prove who they are."""
    TLS_FAIL = "tls_fail"
    """A TLS handshake was refused before any request."""
    REFUSED = "refused"
    """nginx refused a request, which the front door never saw."""
    ADMIN = "admin"
    """The deployment was changed, or a part of it started, crashed or stopped; `act` says what."""
    POLICY_LOAD = "policy_load"
    """A policy was taken into use or refused."""
    IDENTITY_LOAD = "identity_load"
    """What proves identities was taken into use or refused: tokens, issuers, deny-list, key set."""
    PKI_ISSUE = "pki_issue"
    PKI_RENEW = "pki_renew"
    PKI_REVOKE = "pki_revoke"
    PKI_RELOAD = "pki_reload"
    LUKS_OPEN = "luks_open"
    LUKS_CLOSE = "luks_close"
    KEY_USE = "key_use"
    """A protected key signed or unwrapped something."""
    BAN = "ban"
    """An address failed too often to prove who asks; for a while its refusals are only counted."""
    GAP = "gap"
    """Records were lost by design; the sender says how many."""
    SUPPRESSED = "suppressed"
    """Equal denials were counted instead of written one by one."""
    START = "start"
    """The sequencer opened the log."""
    STOP = "stop"
    """The sequencer closed the log in order; a log that continues without it was interrupted."""
    CLIENT_HELLO = "client_hello"
    """A connection is about to deliver its first record."""
    CLOCK_STEP = "clock_step"
    """The wall clock moved against the monotonic one."""
    SEGMENT_SEALED = "segment_sealed"
    """An earlier segment is closed for good."""
    RECOVERY = "recovery"
    """An earlier segment ends in a torn line, which is not part of the log."""


PRUNE = "audit_prune"
"""What `act` says of records that are about to be deleted after their time; `attr.last` is the newest of them."""

OWN_KINDS = frozenset((Kind.START, Kind.STOP, Kind.CLIENT_HELLO, Kind.CLOCK_STEP, Kind.SEGMENT_SEALED, Kind.RECOVERY))
"""Kinds that only the sequencer writes."""
CLIENT_KINDS = frozenset(Kind) - OWN_KINDS
"""Kinds that a client may send."""
_BY_NAME: Mapping[str, Kind] = {str(kind): kind for kind in CLIENT_KINDS}
REQUIRED: Mapping[str, tuple[str, ...]] = {
    Kind.DECISION: ("req", "dec"),
    Kind.OUTCOME: ("req",),
    Kind.AUTH_FAIL: ("req",),
}
"""Fields without which a record of that kind would say nothing."""


class Envelope(msgspec.Struct, frozen=True):
    """What the sequencer vouches for in a record."""

    seq: int
    cseq: int
    ts: str
    mono: int
    boot: str
    node: str
    pid: int
    kind: Kind
    v: int = VERSION


class Record(msgspec.Struct, frozen=True):
    """One record: the envelope and the sender's fields."""

    envelope: Envelope
    fields: dict[str, object]


ENVELOPE_KEYS = frozenset(Envelope.__struct_fields__)

_encoder = msgspec.json.Encoder(order="sorted")
_decoder = msgspec.json.Decoder(dict[str, object])


def check(kind: str, fields: Mapping[str, object]) -> Kind:
    """Return the kind of what a client may send. Raises `AuditError` for the rest."""
    found = _BY_NAME.get(kind)  # a look into a dict; `Kind(kind)` is a call of Python
    if found is None:
        kinds = ", ".join(sorted(CLIENT_KINDS))
        raise AuditError(f"audit records of kind {kind!r:.64} are not for clients to send; use one of {kinds}")
    if not ENVELOPE_KEYS.isdisjoint(fields):
        names = ", ".join(sorted(ENVELOPE_KEYS.intersection(fields)))
        raise AuditError(f"the audit fields {names} are set by the sequencer; leave them out")
    for name in REQUIRED.get(found, ()):
        if not fields.get(name):
            raise AuditError(f"an audit record of kind {kind} needs the field {name}; add it")
    return found


def encode(envelope: Envelope, fields: Mapping[str, object]) -> bytes:
    """Return the line of a record; `fields` must be clean and small enough (see `audit.wire`)."""
    return _encoder.encode({**fields, **msgspec.structs.asdict(envelope)}) + b"\n"


def parse(line: bytes) -> Record:
    """Read one complete line back. Raises `AuditError` for anything that the sequencer cannot have written."""
    if not line.endswith(b"\n") or len(line) > RECORD_LIMIT:
        raise AuditError(
            f"a line of {len(line)} bytes is not an audit record: records end in a newline and take at most {RECORD_LIMIT} bytes"
        )
    try:
        fields = _decoder.decode(line)
        envelope = msgspec.convert({name: fields.pop(name, None) for name in ENVELOPE_KEYS}, Envelope)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise AuditError(f"a line is not an audit record: {error}") from error
    if envelope.v != VERSION:
        raise AuditError(
            f"audit record {envelope.seq} has version {envelope.v}, this program reads {VERSION}: use a newer one"
        )
    return Record(envelope, fields)
