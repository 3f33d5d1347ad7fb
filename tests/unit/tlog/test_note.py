import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepseek_local.errors import AuditError
from deepseek_local.tlog.keys import Cosigner, Ed25519Signer, Verifier
from deepseek_local.tlog.note import BYTES_LIMIT, SIGNATURES_LIMIT, Note, Signature, parse, sign, verify

PETER = Verifier.parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
PETER_SEED = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
PETER_TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
PETER_LINE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
PETER_NOTE = f"{PETER_TEXT}\n{PETER_LINE}".encode()
"""The note and the keys in the tests of Go's `sumdb/note`, where the format comes from."""

POEM = (
    "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n"
    "— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n"
).encode()
"""The example of the specification, whose key is not published."""

LOG = Ed25519Signer("example.com/log", bytes(range(32)))
OTHER = Ed25519Signer("example.com/other", bytes(32))
WITNESS = Cosigner("witness.example.com", bytes(range(32, 64)))
TEXT = "example.com/log\n3\nroot\n"

names = st.text(st.characters(exclude_categories=("C", "Z"), exclude_characters="+"), min_size=1, max_size=10)
lines = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=10).map(lambda line: f"{line}\n")
texts = st.lists(lines, min_size=1, max_size=4).map("".join)
signatures = st.builds(Signature, names, st.binary(min_size=4, max_size=4), st.binary(min_size=1, max_size=80))


def test_the_note_of_another_implementation_verifies_and_is_written_alike():
    note = parse(PETER_NOTE)
    assert verify(note, [PETER])
    assert note.encode() == PETER_NOTE == sign(PETER_TEXT, Ed25519Signer("PeterNeumann", PETER_SEED)).encode()


def test_the_example_of_the_specification_is_read():
    note = parse(POEM)
    assert note.text.endswith("sole:\n\ned è subito sera.\n")
    assert [(line.name, line.key_id.hex()) for line in note.signatures] == [("quasimodo.example/salvatore", "367ba04b")]
    assert note.encode() == POEM


@given(texts, st.lists(signatures, min_size=1, max_size=4))
def test_a_note_comes_back_as_it_was(text, below):
    note = Note(text, tuple(below))
    assert parse(note.encode()) == note


@given(st.binary(max_size=60) | st.text("\n— aQ=+", max_size=30).map(str.encode))
def test_what_is_read_has_no_other_spelling(data):
    try:
        note = parse(data)
    except AuditError:
        return
    assert note.encode() == data


@pytest.mark.parametrize("flip", [0x01, 0x20, 0x80])
def test_every_changed_byte_of_a_note_is_noticed(flip):
    data = sign(TEXT, LOG).encode()
    for place, byte in enumerate(data):
        changed = data[:place] + bytes([byte ^ flip]) + data[place + 1 :]
        try:
            assert not verify(parse(changed), [LOG.verifier])
        except AuditError:
            continue


def test_every_byte_that_is_missing_or_double_is_noticed():
    data = sign(TEXT, LOG).encode()
    for place in range(len(data)):
        for changed in (data[:place] + data[place + 1 :], data[: place + 1] + data[place:], data[:place]):
            try:
                assert not verify(parse(changed), [LOG.verifier])
            except AuditError:
                continue


LINE = "— log AAAAAAA=\n"


@pytest.mark.parametrize(
    "data",
    [
        "",
        "\n",
        TEXT,
        f"{TEXT}\n",
        f"{TEXT}{LINE}",
        f"\n{LINE}",
        LINE,
        f"{LINE}{LINE}",
        f"{TEXT}\n{LINE}\n",
        f"{TEXT}\n{LINE}".removesuffix("\n"),
        f"{TEXT}\n{LINE}x",
        f"{TEXT}\n{LINE}x\n",
        f"{TEXT}\n– log AAAAAAA=\n",
        f"{TEXT}\n- log AAAAAAA=\n",
        f"{TEXT}\n —  log AAAAAAA=\n",
        f"{TEXT}\n—log AAAAAAA=\n",
        f"{TEXT}\n—  AAAAAAA=\n",
        f"{TEXT}\n— AAAAAAA=\n",
        f"{TEXT}\n— log\n",
        f"{TEXT}\n— log \n",
        f"{TEXT}\n— log  AAAAAAA=\n",
        f"{TEXT}\n— log AAAAAAA= \n",
        f"{TEXT}\n— log AAAAAAA= x\n",
        f"{TEXT}\n— log AAAAAAA\n",
        f"{TEXT}\n— log AAAAAAB=\n",
        f"{TEXT}\n— log AAAAAA==\n",
        f"{TEXT}\n— log AAAA\n",
        f"{TEXT}\n— lo+g AAAAAAA=\n",
        f"{TEXT}\n— lo\u00a0g AAAAAAA=\n",
        f"{TEXT}\r\n\r\n{LINE}",
        f"{TEXT}\0\n\n{LINE}",
        f"{TEXT}\t\n\n{LINE}",
        f"{TEXT}\x1b[2J\n\n{LINE}",
    ],
)
def test_what_the_specification_does_not_allow_is_refused(data):
    assert parse(f"{TEXT}\n{LINE}".encode())
    with pytest.raises(AuditError):
        parse(data.encode())


def test_what_is_not_utf_8_is_refused():
    with pytest.raises(AuditError, match="not UTF-8 at byte 0"):
        parse(b"\xff" + PETER_NOTE)


def test_a_note_has_up_to_a_hundred_signatures():
    assert len(parse(f"{TEXT}\n{LINE * SIGNATURES_LIMIT}".encode()).signatures) == SIGNATURES_LIMIT
    with pytest.raises(AuditError, match="a note has 101 signatures"):
        parse(f"{TEXT}\n{LINE * (SIGNATURES_LIMIT + 1)}".encode())


def test_a_note_that_is_too_long_is_not_looked_at():
    with pytest.raises(AuditError, match=f"the limit is {BYTES_LIMIT}"):
        parse(b"\xff" * (BYTES_LIMIT + 1))


@pytest.mark.parametrize("text", ["", "no newline", "a\x1b\n", "a\r\n", "a\ud800\n"])
def test_a_text_that_could_not_be_read_again_is_not_signed(text):
    with pytest.raises(AuditError, match="the text of a note"):
        sign(text, LOG)


def test_a_note_needs_a_signature():
    with pytest.raises(AuditError, match="0 signatures"):
        sign(TEXT)


@pytest.mark.parametrize(("key_id", "signature"), [(b"123", b"x"), (b"12345", b"x"), (b"1234", b"")])
def test_a_signature_that_could_not_be_read_again_is_refused(key_id, signature):
    with pytest.raises(AuditError, match="has an id of"):
        Signature("log", key_id, signature)


def test_signatures_of_unknown_keys_are_passed_over():
    note = sign(TEXT, OTHER, LOG)
    verdict = verify(note, [LOG.verifier])
    assert (verdict.right, verdict.wrong) == (note.signatures[1:], ())
    assert verdict
    assert not verify(note, [])
    assert not verify(note, [WITNESS.verifier])


def test_a_wrong_signature_of_a_known_key_spoils_the_note():
    right, wrong = sign(TEXT, LOG).signatures[0], Signature(OTHER.name, OTHER.key_id, LOG.sign(TEXT))
    note = Note(TEXT, (right, wrong))
    verdict = verify(note, [LOG.verifier, OTHER.verifier])
    assert (verdict.right, verdict.wrong) == ((right,), (wrong,))
    assert not verdict
    assert verify(note, [LOG.verifier])


def test_a_key_that_shares_only_the_name_or_only_the_id_is_unknown():
    stranger = Ed25519Signer(LOG.name, bytes(32))
    for line in (Signature(LOG.name, OTHER.key_id, b"x"), Signature(OTHER.name, LOG.key_id, b"x")):
        verdict = verify(Note(TEXT, (line,)), [LOG.verifier, OTHER.verifier, stranger.verifier])
        assert (verdict.right, verdict.wrong) == ((), ())


def test_a_witness_may_have_signed_twice():
    cosignatures = tuple(Signature(WITNESS.name, WITNESS.key_id, WITNESS.sign(TEXT, time)) for time in (7, 8))
    note = Note(TEXT, (*sign(TEXT, LOG).signatures, *cosignatures))
    verdict = verify(parse(note.encode()), [LOG.verifier, WITNESS.verifier])
    assert verdict
    assert verdict.right == note.signatures


class Twin(Verifier):
    """A key whose id is that of another, which takes four billion attempts to find."""

    key_id = LOG.key_id


def test_keys_that_cannot_be_told_apart_are_refused():
    twin = Twin(LOG.name, bytes(32))
    with pytest.raises(AuditError, match=f"two keys have the name 'example.com/log' and the id {LOG.key_id.hex()}"):
        verify(sign(TEXT, LOG), [LOG.verifier, twin])
    assert verify(sign(TEXT, LOG), [LOG.verifier, LOG.verifier])
