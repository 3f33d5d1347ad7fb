"""
What certificates of this site may say of their owner: a server its host names and addresses, a client one SPIFFE identity.

Names stand in the subject alternative name alone (RFC 6125, 1.8 and 6.4.4; SPIFFE X.509-SVID): the common name has no rules that everybody
follows, so a leaf has an empty subject.
"""

import ipaddress
import re
from collections.abc import Sequence

from cryptography import x509

from deepseek_local.access import CANARY, PRINCIPAL
from deepseek_local.errors import PKIError

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*")
_SITE = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_LONGEST = 253
"""Characters of a host name (RFC 1035, 2.3.4, without the root's dot)."""
_PATHS = {"u": "user", "s": "service"}


def site(text: str) -> str:
    """Return the name of a site, which is the trust domain of its SPIFFE identities. Raises `PKIError`."""
    if not _SITE.fullmatch(text) or len(text) > _LONGEST:
        raise PKIError(f"{text[:80]!r} is no name of a site; use a lower-case host name such as hospital.example")
    return text


def principal(text: str, site_name: str) -> x509.UniformResourceIdentifier:
    """Return the identity of `u:NAME` or `s:NAME`: `spiffe://SITE/user/NAME` or `spiffe://SITE/service/NAME`. Raises `PKIError`."""
    if not PRINCIPAL.fullmatch(text) or text == CANARY:
        raise PKIError(f"{text[:80]!r} is no principal that a certificate may name; write u:alice or s:batch-job")
    namespace, _, name = text.partition(":")
    return x509.UniformResourceIdentifier(f"spiffe://{site(site_name)}/{_PATHS[namespace]}/{name}")


def server(texts: Sequence[str]) -> tuple[x509.GeneralName, ...]:
    """Return the names and addresses of a server, each once. Raises `PKIError`."""
    if not texts:
        raise PKIError("a server's certificate needs a name; give a host name or an address that its clients use")
    return tuple(dict.fromkeys(_server(text) for text in texts))


def shown(name: x509.GeneralName) -> str:
    """Write a name as an operator does."""
    return str(name.value)


def _server(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        pass
    # A last label of digits alone would make the name an address for some clients and a name for others (RFC 1123, 2.1).
    if not _HOST.fullmatch(text) or len(text) > _LONGEST or text.rpartition(".")[2].isdigit():
        raise PKIError(f"{text[:80]!r} is neither a host name nor an address; write api.hospital.example or 10.0.0.5")
    return x509.DNSName(text)
