"""Token texts, their hashes, and the header that carries them."""

import hashlib
import hmac

import pytest

from deepseek_local.identity import tokens
from deepseek_local.identity.bearer import token_of

KEY = bytes(32)


def test_a_minted_token_carries_its_identifier_and_256_bits():
    kid, text = tokens.mint()
    assert tokens.kid_of(text) == kid
    prefix, middle, secret = text.split("_", 2)
    assert (prefix, middle, len(secret)) == ("dsk", kid, 43)


def test_no_two_tokens_are_alike():
    assert len({tokens.mint()[1] for _ in range(1000)}) == 1000


def test_the_hash_is_hmac_sha256_of_the_whole_token():
    _, text = tokens.mint()
    assert tokens.keyed_hash(KEY, text) == "hmac-sha256:" + hmac.new(KEY, text.encode(), hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ([(b"authorization", b"Bearer abc")], "abc"),
        ([(b"authorization", b"bearer abc")], "abc"),
        ([(b"x", b"y"), (b"authorization", b"Bearer abc")], "abc"),
        ([], None),
        ([(b"authorization", b"Bearer abc"), (b"authorization", b"Bearer abc")], None),
        ([(b"authorization", b"Basic abc")], None),
        ([(b"authorization", b"abc")], None),
        ([(b"authorization", b"Bearer  abc")], " abc"),
        ([(b"authorization", b"Bearer \xe4")], None),
        ([(b"authorization", b"Bearer " + b"a" * 8_193)], None),
        ([(b"proxy-authorization", b"Bearer abc")], None),
    ],
)
def test_exactly_one_bearer_header_is_an_identity(headers: list[tuple[bytes, bytes]], token: str | None):
    assert token_of(headers) == token
