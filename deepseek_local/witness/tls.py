"""TLS 1.3 on both sides: a witness with a certificate of the house, and a log that shows one of its own where the witness asks for it."""

import ssl
from pathlib import Path

import httpx

from deepseek_local.errors import WitnessError

ASK_SECONDS = 10.0
"""To connect, and for each pause of an answer."""


def server(certificate: Path | None, key: Path | None, client_authority: Path | None) -> ssl.SSLContext | None:
    """Return what the witness listens with, None for plain HTTP. Raises `WitnessError`."""
    if certificate is None:
        if key is not None or client_authority is not None:
            raise WitnessError(
                "a key or an authority for clients is of no use without a certificate; name one, or leave them out"
            )
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    _load(context, certificate, key)
    if client_authority is not None:
        _trust(context, client_authority)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def client(authority: Path | None, certificate: Path | None, key: Path | None) -> httpx.Client:
    """Return what asks witnesses: through no proxy, following nobody elsewhere. Raises `WitnessError`."""
    if certificate is None and key is not None:
        raise WitnessError("a key is of no use without its certificate; name both, or none")
    context = ssl.create_default_context() if authority is None else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    if authority is not None:
        _trust(context, authority)
    if certificate is not None:
        _load(context, certificate, key)
    return httpx.Client(verify=context, trust_env=False, follow_redirects=False, timeout=ASK_SECONDS)


def _load(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    try:
        # Without a password OpenSSL would ask for it on the terminal, where a service waits for ever.
        context.load_cert_chain(certificate, key, password=lambda: "")
    except (OSError, ssl.SSLError) as error:
        raise WitnessError(
            f"the certificate {certificate} cannot be used with its key ({error.strerror or error}); "
            "both are PEM, and the key has no password"
        ) from error


def _trust(context: ssl.SSLContext, authority: Path) -> None:
    try:
        context.load_verify_locations(authority)
    except (OSError, ssl.SSLError) as error:
        raise WitnessError(
            f"the authority {authority} cannot be used ({error.strerror or error}); name a PEM file"
        ) from error
