"""
Private keys in files: made here, never sent, readable by their owner alone (PKCS#8 in PEM, RFC 5958).

A leaf's key is P-256, because it is used for every handshake, an authority's is P-384, because it is used for years.
"""

from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from deepseek_local.errors import PKIError
from deepseek_local.files import is_private, read_regular, write_atomic

_BYTES_LIMIT = 16_384


def for_leaf() -> ec.EllipticCurvePrivateKey:
    """Make a key for a server or a client."""
    return ec.generate_private_key(ec.SECP256R1())


def for_authority() -> ec.EllipticCurvePrivateKey:
    """Make a key for an authority."""
    return ec.generate_private_key(ec.SECP384R1())


def pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return the key as text, without a password."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def write(place: Path, key: ec.EllipticCurvePrivateKey) -> None:
    """Write a key for the owner's eyes. Raises `PKIError`."""
    try:
        write_atomic(place, pem(key), keep_owner=True)
    except OSError as error:
        raise PKIError(
            f"the key {place} cannot be written: {error.strerror}; check owner, mode and space there"
        ) from error


def read(place: Path) -> ec.EllipticCurvePrivateKey:
    """Read a key. Raises `PKIError` when it is missing, damaged, of another kind, or open to others."""
    try:
        if not is_private(place):
            raise PKIError(f"the key {place} can be read by others; run: chmod 600 {place}")
        key = serialization.load_pem_private_key(read_regular(place, _BYTES_LIMIT), password=None)
    except OSError as error:
        raise PKIError(
            f"the key {place} cannot be read: {error.strerror}; restore it from its copy, or check its owner"
        ) from error
    except (ValueError, TypeError) as error:  # TypeError: it has a password
        raise PKIError(f"{place} is no private key in PEM without a password; restore it from its copy") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise PKIError(f"the key {place} is {type(key).__name__}; use a key on P-256 or P-384")
    return key
