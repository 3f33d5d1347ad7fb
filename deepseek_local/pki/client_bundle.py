"""
What a client gets: certificate and key as PEM and as PKCS#12 (RFC 7292), the root of the server, and a page that says how to use them.

    u-alice.pem   leaf, its authority, key (0600)     for curl, openai, httpx
    u-alice.p12   the same under a password (0600)    for browsers and operating systems
    server-root.pem                                   whom to believe to be the server
    u-alice.txt                                       the lines to use them
"""

import shlex
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

from deepseek_local.errors import PKIError
from deepseek_local.files import make_directory, write_atomic
from deepseek_local.pki import certificates, keys

SERVER_ROOT = "server-root.pem"

_DIRECTORY_MODE = 0o700


def files(
    principal: str,
    path: list[x509.Certificate],
    *,
    key: ec.EllipticCurvePrivateKey,
    password: str,
    server_root: bytes,
    usage: str,
) -> dict[str, bytes]:
    """Return the files of a bundle, whose certificates are leaf first and without a root."""
    name = file_name(principal)
    sealed = pkcs12.serialize_key_and_certificates(
        principal.encode(), key, path[0], path[1:], BestAvailableEncryption(password.encode())
    )
    return {
        f"{name}.pem": certificates.pem(path) + keys.pem(key),
        f"{name}.p12": sealed,
        SERVER_ROOT: server_root,
        f"{name}.txt": usage.encode(),
    }


def make_place(directory: Path) -> None:
    """Make the directory, before anything is signed for it. Raises `PKIError`."""
    try:
        if not directory.is_dir():
            make_directory(directory, _DIRECTORY_MODE)
    except OSError as error:
        raise PKIError(f"{directory} cannot be made: {error.strerror}; name another place with --to") from error


def write(directory: Path, content: Mapping[str, bytes]) -> None:
    """Write the files for their owner's eyes. Raises `PKIError`."""
    try:
        for name, each in content.items():
            write_atomic(directory / name, each)
    except OSError as error:
        raise PKIError(f"{directory} cannot be written: {error.strerror}; check owner, mode and space there") from error


def file_name(principal: str) -> str:
    """Return `u-alice` of `u:alice`."""
    return principal.replace(":", "-")


def usage(principal: str, server: str, port: int, model: str, ends: datetime) -> str:
    """Return the lines that use a bundle, to be run in its directory."""
    name = file_name(principal)
    host = f"[{server}]" if ":" in server else server
    base = f"https://{host}" if port == 443 else f"https://{host}:{port}"  # noqa: PLR2004 -- HTTPS
    body = f'{{"model": "{model}", "messages": [{{"role": "user", "content": "Hello"}}]}}'
    return f"""Certificate of {principal}, valid until {ends:%Y-%m-%d %H:%M} UTC. Whoever has these files is {principal}: keep them private.

With curl:

  curl --cacert {SERVER_ROOT} --cert {name}.pem {base}/v1/chat/completions \\
    -H "Content-Type: application/json" \\
    -d {shlex.quote(body)}

With Python:

  import ssl
  import httpx
  from openai import OpenAI

  context = ssl.create_default_context(cafile="{SERVER_ROOT}")
  context.load_cert_chain("{name}.pem")
  client = OpenAI(base_url="{base}/v1", api_key="unused", http_client=httpx.Client(verify=context))

Browsers and operating systems import {name}.p12 with its password, and {SERVER_ROOT} as an authority for web sites.
"""
