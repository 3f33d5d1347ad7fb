"""
Request ids: 26 characters that sort by time and that nobody can choose or guess.

The form is ULID's: 48 bits of milliseconds and 80 random bits in Crockford's base 32 (github.com/ulid/spec).
"""

import os
import time

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = tuple(high + low for high in _ALPHABET for low in _ALPHABET)
_SHIFTS = tuple(range(120, -1, -10))


def mint() -> str:
    """Return a new id."""
    return encode(time.time_ns() // 1_000_000, os.urandom(10))


def encode(milliseconds: int, randomness: bytes) -> str:
    """Write a moment and ten random bytes as an id."""
    value = milliseconds << 80 | int.from_bytes(randomness)
    # Two characters at a time: ten bits index a table of 1024 pairs.
    return "".join([_PAIRS[value >> shift & 1023] for shift in _SHIFTS])
