"""Token texts, their hashes, and the header that carries them."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepseek_local.identity import tokens
from deepseek_local.identity.bearer import token_of

KEY = bytes(32)


def test_a_minted_token_carries_its_identifier_and_256_bits():
    kid, text = tokens.mint()
    assert tokens.parse(text) == kid
    prefix, middle, secret = text.split("_", 2)
    assert (prefix, middle, len(secret)) == ("dsk", kid, 43)


def test_no_two_tokens_are_alike():
    assert len({tokens.mint()[1] for _ in range(1000)}) == 1000


def test_the_hash_is_hmac_sha256_of_the_whole_token():
    _, text = tokens.mint()
    assert tokens.keyed_hash(KEY, text) == "hmac-sha256:" + hmac.new(KEY, text.encode(), hashlib.sha256).hexdigest()


@given(st.text(max_size=80))
def test_any_text_is_parsed_or_refused(text: str):
    assert tokens.parse(text) is None or text.startswith("dsk_")


@given(st.integers(0, 59), st.characters())
def test_a_token_with_one_odd_character_is_no_token(position: int, character: str):
    text = "dsk_0123456789ab_" + "A" * 43
    changed = text[:position] + character + text[position + 1 :]
    harmless = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    expected = (
        changed[:4] == "dsk_"
        and set(changed[4:16]) <= set("0123456789abcdef")
        and changed[16] == "_"
        and set(changed[17:]) <= harmless
    )
    assert (tokens.parse(changed) is not None) == expected


def test_a_token_with_more_after_it_is_no_token():
    _, text = tokens.mint()
    for wrong in (text + "\n", text + "A", " " + text, text[:-1], text.upper()):
        assert tokens.parse(wrong) is None


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
