import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepseek_local.errors import AuditError
from deepseek_local.tlog.keys import (
    Cosigner,
    Ed25519Signer,
    KeyType,
    Verifier,
    check_name,
    key_id,
    time_of,
    verifier_key,
)

VECTORS = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "r",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
]
"""RFC 8032, 7.1, tests 1 and 2: seed, public key, message, signature."""
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
"""The verifier key in the tests of Go's `sumdb/note`, where the format comes from."""
SEED = bytes(range(32))
TEXT = "example.com/log\n1\nroot\n"
LATEST = 2**63 - 1

UNNAMABLE = ["", "a b", "a+b", "a\tb", "a\u3000b", "a\u00a0b", "a\u2028b", "a\nb", "a\0b", "a\ud800b"]


@pytest.mark.parametrize(("seed", "public_key", "message", "signature"), VECTORS)
def test_signatures_are_those_of_rfc_8032(seed, public_key, message, signature):
    signer = Ed25519Signer("name", bytes.fromhex(seed))
    assert signer.verifier.public_key.hex() == public_key
    assert signer.sign(message).hex() == signature
    assert signer.verifier.verify(message, bytes.fromhex(signature))


def test_a_verifier_key_of_another_implementation_is_read_and_written():
    verifier = Verifier.parse(PETER)
    assert (verifier.name, verifier.key_id.hex(), verifier.kind) == ("PeterNeumann", "c74f20a3", KeyType.ED25519)
    assert str(verifier) == PETER == verifier_key("PeterNeumann", verifier.public_key)


def test_every_piece_of_a_verifier_key_is_refused():
    for start in range(len(PETER)):
        for end in range(start, len(PETER) + 1):
            if end - start < len(PETER):
                with pytest.raises(AuditError):
                    Verifier.parse(PETER[start:end])


def test_every_slip_in_a_verifier_key_is_noticed():
    for place, character in enumerate(PETER):
        with pytest.raises(AuditError):
            Verifier.parse(PETER[:place] + chr(ord(character) + 1) + PETER[place + 1 :])


def with_key(name, key):
    return f"{name}+{key_id(name, key[0], key[1:]).hex()}+{base64.b64encode(key).decode()}"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (with_key("log", b"\x01" + bytes(31)), "31 bytes"),
        (with_key("log", b"\x01" + bytes(33)), "33 bytes"),
        (with_key("log", b"\x02" + bytes(32)), "type 0x02"),
        (with_key("log", b"\xff" + bytes(32)), "type 0xff"),
        (with_key("a log", b"\x01" + bytes(32)), "cannot name a key"),
        (PETER.replace("c74f20a3", "C74F20A3"), "is not a verifier key"),
        (PETER + "\n", "is not"),
        (PETER.replace("c74f20a3", "00000000"), "should have the id c74f20a3"),
    ],
)
def test_a_line_that_is_no_verifier_key_is_refused(line, message):
    with pytest.raises(AuditError, match=message):
        Verifier.parse(line)


def test_a_secret_in_the_place_of_a_verifier_key_is_not_shown():
    with pytest.raises(AuditError) as caught:
        Verifier.parse("PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")
    assert "AYEKFALV" not in str(caught.value)


def test_a_key_of_a_type_that_cannot_be_verified_is_refused():
    with pytest.raises(AuditError, match="has type 0xff and 32 bytes"):
        Verifier("log", bytes(32), KeyType.UNREGISTERED)


@pytest.mark.parametrize("name", UNNAMABLE)
def test_a_name_that_would_break_a_signature_line_is_refused(name):
    with pytest.raises(AuditError, match="cannot name a key"):
        check_name(name)
    with pytest.raises(AuditError, match="cannot name a key"):
        Ed25519Signer(name, SEED)


@pytest.mark.parametrize("kind", [Ed25519Signer, Cosigner])
def test_a_seed_of_another_length_is_refused_and_not_shown(kind):
    with pytest.raises(AuditError, match=r"the key 'log' has 31 bytes instead of 32") as caught:
        kind("log", b"s" * 31)
    assert "sss" not in str(caught.value)


@given(st.text(max_size=20), st.text(max_size=20), st.binary(min_size=64, max_size=64))
def test_a_key_verifies_its_own_signature_of_that_text_only(text, other, garbage):
    signer = Ed25519Signer("log", SEED)
    signature = signer.sign(text)
    assert signer.verifier.verify(text, signature)
    assert signer.verifier.verify(other, signature) == (other == text)
    assert not signer.verifier.verify(text, garbage)
    assert not signer.verifier.verify(text, signature[:-1])
    assert not Ed25519Signer("log", bytes(32)).verifier.verify(text, signature)


def test_the_key_id_says_how_a_key_signs():
    log, witness = Ed25519Signer("log", SEED), Cosigner("log", SEED)
    assert log.verifier.public_key == witness.verifier.public_key
    assert log.key_id != witness.key_id
    assert str(witness.verifier) == verifier_key("log", witness.verifier.public_key, KeyType.COSIGNATURE)
    assert Verifier.parse(str(witness.verifier)) == witness.verifier


def test_a_cosignature_is_made_over_the_time_and_the_text():
    witness = Cosigner("witness.example.com/w1", SEED)
    signature = witness.sign(TEXT, 1_679_315_147)
    assert (len(signature), signature[:8].hex()) == (72, "00000000641850cb")
    assert time_of(signature) == 1_679_315_147
    plain = Verifier("witness.example.com/w1", witness.verifier.public_key)
    assert plain.verify(f"cosignature/v1\ntime 1679315147\n{TEXT}", signature[8:])


@given(st.integers(0, LATEST), st.integers(0, LATEST))
def test_a_cosignature_with_another_time_is_wrong(seconds, other):
    witness = Cosigner("witness", SEED)
    signature = witness.sign(TEXT, seconds)
    assert witness.verifier.verify(TEXT, signature)
    assert witness.verifier.verify(TEXT, other.to_bytes(8) + signature[8:]) == (other == seconds)


def test_a_cosignature_and_a_signature_do_not_pass_for_each_other():
    log, witness = Ed25519Signer("one", SEED), Cosigner("one", SEED)
    assert not witness.verifier.verify(TEXT, log.sign(TEXT))
    assert not log.verifier.verify(TEXT, witness.sign(TEXT, 7))
    assert not log.verifier.verify(TEXT, witness.sign(TEXT, 7)[8:])


@pytest.mark.parametrize("length", [0, 7, 8, 71, 73])
def test_a_cosignature_of_another_length_is_wrong(length):
    witness = Cosigner("witness", SEED)
    assert not witness.verifier.verify(TEXT, (witness.sign(TEXT, 7) + b"\0")[:length])


@pytest.mark.parametrize("seconds", [-1, 2**63, 2**64])
def test_a_time_that_cannot_be_written_is_not_signed(seconds):
    with pytest.raises(AuditError, match="cannot have the time"):
        Cosigner("witness", SEED).sign(TEXT, seconds)


def test_a_time_beyond_the_limit_is_wrong_even_with_a_right_signature():
    witness, seconds = Cosigner("witness", SEED), 2**63
    signed = Ed25519Signer("witness", SEED).sign(f"cosignature/v1\ntime {seconds}\n{TEXT}")
    assert not witness.verifier.verify(TEXT, seconds.to_bytes(8) + signed)
