"""
The two hierarchies of a site, side by side below one directory.

    server-root  server-ica-1  server-ica-2 …
    client-root  client-ica-1  client-ica-2 …

The authority with the highest number issues; those before it stay for what they have issued. Whoever verifies trusts the root and gets every
authority that has not expired, so a successor is known everywhere before it signs anything.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from deepseek_local.errors import PKIError
from deepseek_local.pki import authority, build, constraints, keys, names
from deepseek_local.pki.authority import Authority
from deepseek_local.pki.build import Purpose

_NUMBERED = re.compile(r"[a-z]+-ica-([1-9][0-9]{0,5})")


class Hierarchy:
    """The authorities for one purpose; they need not exist yet."""

    def __init__(self, directory: Path, purpose: Purpose) -> None:
        self.directory = directory
        self.purpose = purpose

    @property
    def exists(self) -> bool:
        """Whether there is a root and an authority that issues."""
        return bool(self._numbers()) and (self._root_directory / authority.CERTIFICATE).exists()

    @property
    def root(self) -> Authority:
        """The root. Raises `PKIError`."""
        return authority.read(self._root_directory)

    @property
    def issuer(self) -> Authority:
        """The authority that issues now. Raises `PKIError`."""
        return self.issuers()[-1]

    def issuers(self) -> list[Authority]:
        """Return all authorities below the root, oldest first, at least one. Raises `PKIError`."""
        numbers = self._numbers()
        if not numbers:
            raise PKIError(f"{self.directory} has no authority for {self.purpose} certificates; run `certs init`")
        return [authority.read(self._issuer_directory(number)) for number in numbers]

    def trusted(self, now: datetime) -> list[x509.Certificate]:
        """Return what a verifier needs: the authorities that have not expired, newest first, and the root. Raises `PKIError`."""
        alive = [each.certificate for each in reversed(self.issuers()) if each.certificate.not_valid_after_utc > now]
        return [*alive, self.root.certificate]

    def make_root(self, site: str, key: ec.EllipticCurvePrivateKey | None, uri: str | None, now: datetime) -> Authority:
        """Make the root, unless it is there: a run that was interrupted goes on. Raises `PKIError`."""
        if (self._root_directory / authority.CERTIFICATE).exists():
            return self.root
        key = key or keys.for_authority()
        certificate = build.root(f"{names.site(site)} {self.purpose} root", key, now)
        return authority.create(self._root_directory, certificate, uri or key)

    def make_issuer(
        self,
        site: str,
        permitted: Sequence[str],
        key: ec.EllipticCurvePrivateKey | None,
        uri: str | None,
        now: datetime,
    ) -> Authority:
        """Make the next authority below the root; it issues from now on. `permitted` are domains and networks. Raises `PKIError`."""
        number = max(self._numbers(), default=0) + 1
        key = key or keys.for_authority()
        name = f"{names.site(site)} {self.purpose} ica {number}"
        limits = constraints.of(self.purpose, site, permitted)
        certificate = self.root.certify(name, key.public_key(), purpose=self.purpose, now=now, constraints=limits)
        return authority.create(self._issuer_directory(number), certificate, uri or key)

    def publish(self, now: datetime) -> bytes:
        """Sign a new list at every level and return them all, as a verifier needs them. Raises `PKIError`."""
        return b"".join(authority.list_pem(each.publish(now)) for each in (self.root, *self.issuers()))

    def find(self, serial: int) -> Authority:
        """Return the authority that has issued a leaf. Raises `PKIError`."""
        for each in self.issuers():
            if each.has_issued(serial):
                return each
        raise PKIError(f"no {self.purpose} authority has issued {serial:x}; look at `certs status` for those there are")

    @property
    def _root_directory(self) -> Path:
        return self.directory / f"{self.purpose}-root"

    def _issuer_directory(self, number: int) -> Path:
        return self.directory / f"{self.purpose}-ica-{number}"

    def _numbers(self) -> list[int]:
        found = (
            _NUMBERED.fullmatch(place.parent.name)
            for place in self.directory.glob(f"{self.purpose}-ica-*/certificate.pem")
        )
        return sorted(int(match[1]) for match in found if match)
