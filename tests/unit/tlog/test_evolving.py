import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from deepseek_local.errors import AuditError
from deepseek_local.tlog.checkpoint import Checkpoint
from deepseek_local.tlog.evolving import EvolvingMac, check, key_at, key_name, mac_id
from deepseek_local.tlog.keys import Ed25519Signer
from deepseek_local.tlog.note import Note, Signature, parse, sign, verify

ORIGIN = "lab.gpu01/audit/2026"
K0 = bytes(range(32))
LOG = Ed25519Signer(ORIGIN, bytes(32))


def texts(count):
    return [Checkpoint(ORIGIN, size + 1, bytes([size]) * 32).text() for size in range(count)]


def sealed(mac, text):
    return parse(Note(text, (*sign(text, LOG).signatures, mac.signature(ORIGIN, text))).encode())


@given(st.binary(min_size=32, max_size=32))
def test_the_next_key_is_that_of_rfc_5869(key):
    expected = HKDF(SHA256(), 32, salt=None, info=b"deepseek-local audit mac").derive(key)
    assert EvolvingMac(key, 7).next() == EvolvingMac(expected, 8)


def test_the_mac_is_hmac_sha256_over_the_text():
    text = texts(1)[0]
    assert EvolvingMac(K0).mac(text) == hmac.new(K0, text.encode(), "sha256").digest()


def test_the_key_of_an_index_is_found_from_the_first():
    mac = EvolvingMac(K0)
    for index in range(10):
        assert (mac.key, mac.index) == (key_at(K0, index), index)
        mac = mac.next()


def test_the_line_is_one_more_signature_that_other_readers_pass_over():
    note = sealed(EvolvingMac(K0), texts(1)[0])
    assert [line.name for line in note.signatures] == [ORIGIN, f"{ORIGIN}/mac"]
    named = hashlib.sha256(b"lab.gpu01/audit/2026/mac\n\xffdeepseek-local audit mac")
    assert mac_id(ORIGIN) == named.digest()[:4] == note.signatures[1].key_id
    assert verify(note, [LOG.verifier])


def test_a_checkpoint_verifies_in_its_place_with_the_first_key_only():
    mac = EvolvingMac(K0)
    for index, text in enumerate(texts(6)):
        note = sealed(mac, text)
        assert [place for place in range(8) if check(ORIGIN, note, K0, place)] == [index]
        assert not check(ORIGIN, note, bytes(32), index)
        mac = mac.next()


def test_a_past_that_is_written_anew_with_a_later_key_is_noticed():
    current = EvolvingMac(key_at(K0, 3), 3)
    rewritten = Checkpoint(ORIGIN, 2, b"x" * 32).text()
    for known in (current, current.next(), current.next().next()):
        assert not check(ORIGIN, sealed(known, rewritten), K0, 1)


def test_a_note_without_a_mac_of_this_log_does_not_pass():
    text = texts(1)[0]
    mac = EvolvingMac(K0)
    other = mac.signature("other.gpu01/audit/2026", text)
    renamed = Signature(f"{ORIGIN}/max", mac_id(ORIGIN), mac.mac(text))
    assert not mac.check(ORIGIN, sign(text, LOG))
    assert not mac.check(ORIGIN, Note(text, (other,)))
    assert not mac.check(ORIGIN, Note(text, (renamed,)))


def test_a_second_mac_that_is_wrong_spoils_the_note():
    text, mac = texts(1)[0], EvolvingMac(K0)
    right, wrong = mac.signature(ORIGIN, text), mac.next().signature(ORIGIN, text)
    assert mac.check(ORIGIN, Note(text, (right,)))
    assert not mac.check(ORIGIN, Note(text, (right, wrong)))
    assert not mac.check(ORIGIN, Note(text, (wrong, right)))


def test_a_key_is_never_shown():
    assert "key" not in repr(EvolvingMac(b"secret--" * 4))


@pytest.mark.parametrize(("key", "index"), [(bytes(31), 0), (bytes(33), 0), (bytes(32), -1)])
def test_what_cannot_be_a_key_is_refused(key, index):
    with pytest.raises(AuditError, match="the evolving key has"):
        EvolvingMac(key, index)


def test_an_index_before_the_first_has_no_key():
    with pytest.raises(AuditError, match="index -1"):
        check(ORIGIN, sealed(EvolvingMac(K0), texts(1)[0]), K0, -1)


def test_an_origin_that_cannot_name_a_key_is_refused():
    with pytest.raises(AuditError, match="cannot name a key"):
        EvolvingMac(K0).signature("the origin", texts(1)[0])
    assert key_name(ORIGIN) == f"{ORIGIN}/mac"
