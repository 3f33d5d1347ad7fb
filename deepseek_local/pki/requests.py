"""
Requests for certificates (RFC 2986): those that others bring, and our own to the authority of the site.

A request proves that who asks has the key. What it says of names is not believed: names are given by who signs. Our own key waits beside
its request until the answer comes, and never leaves this host.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from deepseek_local.errors import PKIError
from deepseek_local.files import make_directory, read_regular, write_atomic
from deepseek_local.pki import build, keys

KEY = "key.pem"
REQUEST = "request.pem"

_BYTES_LIMIT = 65_536
_DIRECTORY_MODE = 0o700
_CURVES = (ec.SECP256R1, ec.SECP384R1)


def public_key(place: Path) -> ec.EllipticCurvePublicKey:
    """Return the key of a request whose owner has proved to have the other half. Raises `PKIError`."""
    try:
        content = read_regular(place, _BYTES_LIMIT)
        load = x509.load_pem_x509_csr if content.lstrip().startswith(b"-----") else x509.load_der_x509_csr
        request = load(content)
        key, is_signed = request.public_key(), request.is_signature_valid
    except OSError as error:
        raise PKIError(f"the request {place} cannot be read: {error.strerror}; check the path") from error
    except Exception as error:  # the bytes are a stranger's, and the parser raises what it likes
        raise PKIError(f"{place} is no certificate request; make one with openssl req -new -key KEY") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, _CURVES):
        raise PKIError(f"the request {place} has a key that is not on P-256 or P-384; make one on P-256")
    if not is_signed:
        raise PKIError(f"the request {place} is not signed with its own key; make it again where the key is")
    return key


def make(directory: Path, names: Sequence[x509.GeneralName]) -> bytes:
    """Return our request, made with the key that waits, or with a new one. Raises `PKIError`."""
    try:
        make_directory(directory, _DIRECTORY_MODE)
        if not (directory / KEY).exists():
            keys.write(directory / KEY, keys.for_leaf())
        request = build.request(keys.read(directory / KEY), names)
        content = request.public_bytes(serialization.Encoding.PEM)
        write_atomic(directory / REQUEST, content)
    except OSError as error:
        raise PKIError(f"{directory} cannot be written: {error.strerror}; check owner, mode and space there") from error
    return content


def waiting_key(directory: Path) -> ec.EllipticCurvePrivateKey:
    """Return the key that waits for its certificate. Raises `PKIError`."""
    if not (directory / KEY).exists():
        raise PKIError(f"no request waits in {directory}; make one with `certs request`")
    return keys.read(directory / KEY)


def done(directory: Path) -> None:
    """Forget a request that was answered. Raises `PKIError`."""
    try:
        shutil.rmtree(directory)
    except OSError as error:
        raise PKIError(f"{directory} cannot be removed: {error.strerror}; remove it by hand") from error
