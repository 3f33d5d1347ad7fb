"""
Client certificates that nginx hands over: who shows one is who it names, or nobody.

nginx has proved that the client has the key; that the certificate is right is decided here again, so that a mistake in nginx's
configuration (another authority, `optional_no_ca`, an old CRL) opens nothing. The deny-list is looked at for every request.
"""

from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509

from deepseek_local.access import Principal, Strength
from deepseek_local.files import Watch
from deepseek_local.identity import denied, issuers, leaf
from deepseek_local.identity.credential import CredentialError
from deepseek_local.identity.leaf import Leaf
from deepseek_local.identity.loads import Source, Tell
from deepseek_local.identity.proxy import Origin
from deepseek_local.identity.remembered import Remembered, digest_of
from deepseek_local.identity.watched import Watched, nobody
from deepseek_local.profile.handover import CertificateSettings

_REMEMBERED = 4_096
"""Certificates whose signature is not verified again; one takes about 1 KB."""


@dataclass(frozen=True, slots=True)
class _Authorities:
    """The pinned issuers, with what was proved under them: other issuers begin with an empty memory."""

    issuers: tuple[x509.Certificate, ...]
    proved: Remembered[Leaf] = field(default_factory=lambda: Remembered(_REMEMBERED))


class Certificates:
    """Turns certificates into principals. Raises `IdentityError` when issuers or deny-list cannot be used at the start."""

    def __init__(self, settings: CertificateSettings, issuer_watch: Watch | None = None, tell: Tell = nobody) -> None:
        self._site = settings.site
        issuer_files = settings.issuer_files
        self._authorities = Watched(
            Source.ISSUERS,
            issuer_watch or Watch(issuer_files),
            lambda read_file: _Authorities(issuers.read(issuer_files, read_file)),
            tell,
        )
        deny_list = settings.denied_serials_file
        self._denied = Watched(
            Source.DENY_LIST,
            Watch([deny_list], interval_seconds=0),
            lambda read_file: denied.read(deny_list, read_file),
            tell,
            names=lambda serials: {f"{serial:x}": True for serial in serials},
        )

    def identify(self, origin: Origin, now: datetime) -> Principal:
        """
        Return who shows the certificate.

        Raises `CredentialError` for one that proves nothing, `IdentityError` while issuers or deny-list cannot be used.
        """
        if not origin.is_vouched:
            raise CredentialError("a certificate counts only when the proxy hands it over")
        if len(origin.certificates) != 1:
            raise CredentialError("more than one certificate was handed over")
        deny_list = self._denied.current()
        proved = self._proved(origin.certificates[0])
        if not proved.begins <= now <= proved.ends:
            raise CredentialError("the certificate, or its authority's, is not valid now")
        if proved.serial in deny_list:
            raise CredentialError("the certificate is on the deny-list")
        return Principal(proved.principal, "mtls", f"{proved.serial:x}", strength=Strength.CERTIFICATE)

    def _proved(self, escaped: bytes) -> Leaf:
        authorities = self._authorities.current()
        digest = digest_of(escaped)
        known = authorities.proved.get(digest)
        if known is None:
            known = leaf.verify(escaped, authorities.issuers, self._site)
            authorities.proved.put(digest, known)
        return known
