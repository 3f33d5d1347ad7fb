"""The keyed hash is that of RFC 2104, whatever was hashed under the key before."""

import hashlib
import hmac

from hypothesis import given
from hypothesis import strategies as st

from deepseek_local.keyed_hash import KeyedHash, hmac_sha256


def test_it_is_that_of_rfc_4231_section_4_3():
    expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert hmac_sha256(b"Jefe", b"what do ya want for nothing?") == expected


@given(st.lists(st.tuples(st.sampled_from([b"", b"k", bytes(32), bytes(100)]), st.binary(max_size=200)), max_size=6))
def test_one_hash_does_not_change_the_next(pairs: list[tuple[bytes, bytes]]):
    found = [hmac_sha256(key, content) for key, content in pairs]
    assert found == [hmac.new(key, content, hashlib.sha256).hexdigest() for key, content in pairs]


@given(st.binary(max_size=100), st.lists(st.binary(max_size=200), max_size=6))
def test_a_text_may_come_in_parts(key: bytes, parts: list[bytes]):
    keyed = KeyedHash(key)
    begun = keyed.begin()
    for part in parts:
        begun.update(part)
    assert begun.hexdigest() == keyed.digest(b"".join(parts))
