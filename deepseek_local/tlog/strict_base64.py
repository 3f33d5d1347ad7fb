"""Base64 that has exactly one spelling for each sequence of bytes (RFC 4648, 3.5 and 4), so that nothing can be changed without effect."""

import base64
import binascii

from deepseek_local.errors import AuditError

_SHOWN_CHARACTERS = 100


def encode(data: bytes) -> str:
    """Write bytes in the standard alphabet, with padding."""
    return base64.b64encode(data).decode()


def decode(text: str) -> bytes:
    """Read what `encode` writes. Raises `AuditError` for anything else: white space, missing padding, bits that mean nothing."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:  # the latter for what is not ASCII
        raise _refusal(text) from error
    if encode(data) != text:
        raise _refusal(text)
    return data


def _refusal(text: str) -> AuditError:
    return AuditError(
        f"{text[:_SHOWN_CHARACTERS]!r} is not base64 as it is written in signed notes; get the original again"
    )
