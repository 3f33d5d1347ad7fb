"""
What a client says about its request beside the body: the class of its data and its purpose, for conditions of the policy.

    X-Data-Class: internal
    X-Purpose: discharge-letter

They are claims, not proofs: a condition can demand one, and the record keeps it, so that whoever claimed falsely has said so.
"""

import re
from collections.abc import Mapping
from typing import Final

from deepseek_local.access import Attribute
from deepseek_local.gateway.headers import Headers
from deepseek_local.gateway.refusal import MALFORMED, RefusedError

CLAIMS: Final[Mapping[bytes, str]] = {b"x-data-class": "data_class", b"x-purpose": "purpose"}
"""Header, in lower case as ASGI delivers it, to the attribute that it states."""

_VALUE = re.compile(rb"[a-z][a-z0-9_-]{0,62}")


def claims(headers: Headers) -> dict[str, Attribute]:
    """Return what the client claims. Raises `RefusedError` for a claim that is made twice or is no plain name."""
    found: dict[str, Attribute] = {}
    for name, value in headers:
        attribute = CLAIMS.get(name)
        if attribute is None:
            continue
        if attribute in found or not _VALUE.fullmatch(value):
            header = name.decode("ascii")
            raise RefusedError(
                MALFORMED.because(f"the header {header} must be there once, in lower case, such as internal")
            )
        found[attribute] = value.decode("ascii")
    return found
