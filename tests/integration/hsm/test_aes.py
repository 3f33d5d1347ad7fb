"""A key that wraps secrets in a real PKCS#11 module, and everything that can be wrong with it."""

from dataclasses import replace

import pkcs11
import pytest
from pkcs11 import Attribute, KeyType, ObjectClass

from deepseek_local.errors import HSMError
from deepseek_local.hsm import aes
from deepseek_local.hsm.session import opened
from deepseek_local.hsm.uri import parse

pytestmark = pytest.mark.integration

KEY = "object=volumes"
SECRET = bytes(range(48))


def test_what_is_wrapped_comes_back_for_the_same_purpose_and_no_other(token):
    aes.make(token.parsed(KEY))
    with aes.key(token.parsed(KEY)) as key:
        wrapped = key.wrap(SECRET, b"one")
        assert SECRET not in wrapped.data
        assert key.unwrap(wrapped, b"one") == SECRET
        assert key.unwrap(wrapped, b"two") is None
        assert key.wrap(SECRET, b"one") != wrapped


def test_every_altered_byte_is_noticed(token):
    aes.make(token.parsed(KEY))
    with aes.key(token.parsed(KEY)) as key:
        wrapped = key.wrap(SECRET, b"one")
        for index in range(len(wrapped.data)):
            changed = bytearray(wrapped.data)
            changed[index] ^= 1
            assert key.unwrap(replace(wrapped, data=bytes(changed)), b"one") is None
        for broken in (wrapped.data[:-1], wrapped.data[:8], b"", wrapped.data * 100):
            assert key.unwrap(replace(wrapped, data=broken), b"one") is None
        assert key.unwrap(replace(wrapped, nonce=b"another one!"), b"one") is None


def test_another_key_does_not_unwrap_it(token):
    for name in (KEY, "object=other"):
        aes.make(token.parsed(name))
    with aes.key(token.parsed(KEY)) as key:
        wrapped = key.wrap(SECRET, b"one")
    with aes.key(token.parsed("object=other")) as key:
        assert key.unwrap(wrapped, b"one") is None


def test_the_key_cannot_leave_the_token_and_does_nothing_else(token):
    aes.make(token.parsed(KEY))
    with opened(token.parsed(KEY)) as session:
        (secret,) = session.get_objects({Attribute.CLASS: ObjectClass.SECRET_KEY})
        assert secret[Attribute.NEVER_EXTRACTABLE]
        assert secret[Attribute.ALWAYS_SENSITIVE]
        assert not any(secret[may] for may in (Attribute.WRAP, Attribute.UNWRAP, Attribute.SIGN))
        with pytest.raises(pkcs11.AttributeSensitive):
            secret[Attribute.VALUE]


def test_a_key_that_can_be_read_out_wraps_nothing_new(token):
    with opened(token.parsed(KEY), writable=True) as session:
        open_key = {Attribute.SENSITIVE: False, Attribute.EXTRACTABLE: True}
        session.generate_key(KeyType.AES, 256, store=True, label="volumes", template=open_key)
    with (
        aes.key(token.parsed(KEY)) as key,
        pytest.raises(HSMError, match="'volumes' can be read out of the token 'audit'"),
    ):
        key.wrap(SECRET, b"one")


def refused(uri) -> str:
    with pytest.raises(HSMError) as error, aes.key(uri):
        pass
    return str(error.value)


def test_a_key_is_never_made_over_another_one(token):
    aes.make(token.parsed(KEY))
    with pytest.raises(HSMError, match="is in the token 'audit' already; leave out --generate"):
        aes.make(token.parsed(KEY))
    with pytest.raises(HSMError, match="add object="):
        aes.make(token.parsed("id=%01"))


def test_an_absent_key_one_of_two_and_one_of_another_kind_are_told_apart(token):
    assert "has no secret key 'volumes'; make one with --generate" in refused(token.parsed(KEY))
    assert "does not say which key" in refused(token.parsed("type=secret-key"))
    assert "does not wrap; write type=secret-key" in refused(token.parsed("object=volumes;type=private"))
    aes.make(token.parsed("object=volumes;id=%01"))
    aes.make(token.parsed("object=volumes;id=%02"))
    assert "has 2 secret keys 'volumes'; name one of them with id=" in refused(token.parsed(KEY))
    with opened(token.parsed(KEY), writable=True) as session:
        session.generate_key(KeyType.AES, 128, store=True, label="short")
        session.generate_key(KeyType.GENERIC_SECRET, 256, store=True, label="generic")
    for name in ("short", "generic"):
        assert "the mechanism CKM_AES_GCM and an AES key of 256 bits" in refused(token.parsed(f"object={name}"))


def test_without_a_pin_the_key_is_not_seen(token):
    aes.make(token.parsed(KEY))
    assert "has no secret key 'volumes'" in refused(parse(token.uri(KEY).partition("&")[0]))
