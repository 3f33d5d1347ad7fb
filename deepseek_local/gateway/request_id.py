"""
Request ids: 26 characters that sort by time and that nobody can choose or guess.

The form is ULID's: 48 bits of milliseconds and 80 random bits in Crockford's base 32 (github.com/ulid/spec).
"""

import os
import time

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = tuple(high + low for high in _ALPHABET for low in _ALPHABET)


def mint() -> str:
    """Return a new id."""
    return encode(time.time_ns() // 1_000_000, os.urandom(10))


def encode(milliseconds: int, randomness: bytes) -> str:
    """Write a moment and ten random bytes as an id."""
    # Two characters at a time: ten bits index a table of 1024 pairs. In three parts, because Python is slower with more than 60 bits.
    pairs = _PAIRS
    left, right = int.from_bytes(randomness[:5]), int.from_bytes(randomness[5:])
    return (
        f"{pairs[milliseconds >> 40]}{pairs[milliseconds >> 30 & 1023]}{pairs[milliseconds >> 20 & 1023]}"
        f"{pairs[milliseconds >> 10 & 1023]}{pairs[milliseconds & 1023]}"
        f"{pairs[left >> 30]}{pairs[left >> 20 & 1023]}{pairs[left >> 10 & 1023]}{pairs[left & 1023]}"
        f"{pairs[right >> 30]}{pairs[right >> 20 & 1023]}{pairs[right >> 10 & 1023]}{pairs[right & 1023]}"
    )
