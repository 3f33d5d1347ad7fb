"""
The two hierarchies of a site, side by side below one directory.

    server-root  server-ica-1  server-ica-2 …
    client-root  client-ica-1  client-ica-2 …

The authority with the highest number that was told to issue does so; those before it stay for what they have issued. A successor is made long
before it is told: whoever verifies trusts the root and gets every authority that has not expired, so a successor is known everywhere before
it signs anything.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from cryptography import x509

from deepseek_local.errors import PKIError
from deepseek_local.files import read_regular, write_atomic
from deepseek_local.hsm.uri import TokenURI
from deepseek_local.pki import authority, build, constraints, names
from deepseek_local.pki.authority import Authority
from deepseek_local.pki.build import Purpose

ISSUES = "issues"
"""A file that tells an authority to issue."""

_NUMBERED = re.compile(r"[a-z]+-ica-([1-9][0-9]{0,5})")
_LIST_BYTES_LIMIT = 64 * 1024 * 1024


class Hierarchy:
    """The authorities for one purpose; they need not exist yet."""

    def __init__(self, directory: Path, purpose: Purpose) -> None:
        self.directory = directory
        self.purpose = purpose

    @property
    def exists(self) -> bool:
        """Whether there is a root and an authority that issues."""
        return bool(self._telling()) and (self._root_directory / authority.CERTIFICATE).exists()

    @property
    def root(self) -> Authority:
        """The root. Raises `PKIError`."""
        return authority.read(self._root_directory)

    @property
    def issuer(self) -> Authority:
        """The authority that issues now. Raises `PKIError`."""
        telling = self._telling()
        if not telling:
            raise self._nobody()
        return authority.read(self._issuer_directory(telling[-1]))

    @property
    def successor(self) -> Authority | None:
        """The newest authority while it does not issue yet. Raises `PKIError`."""
        newest = self.issuers()[-1]
        return None if newest.name == self.issuer.name else newest

    def issuers(self) -> list[Authority]:
        """Return all authorities below the root, oldest first, at least one. Raises `PKIError`."""
        numbers = self._numbers()
        if not numbers:
            raise self._nobody()
        return [authority.read(self._issuer_directory(number)) for number in numbers]

    def trusted(self, now: datetime) -> list[x509.Certificate]:
        """Return what a verifier needs: the authorities that have not expired, newest first, and the root. Raises `PKIError`."""
        alive = [each.certificate for each in reversed(self.issuers()) if each.certificate.not_valid_after_utc > now]
        return [*alive, self.root.certificate]

    def make_root(self, site: str, now: datetime, token: TokenURI | None = None) -> Authority:
        """Make the root, its key in a token if one is named, unless it is there. Raises `PKIError`, `HSMError`."""
        directory = self._root_directory
        if (directory / authority.CERTIFICATE).exists():
            return self.root
        name = f"{names.site(site)} {self.purpose} root"
        authority.prepare(directory, token)
        with authority.opened_key(directory) as key:
            certificate = build.root(name, key, now)
        return authority.create(directory, certificate)

    def make_issuer(
        self,
        site: str,
        permitted: Sequence[str],
        now: datetime,
        token: TokenURI | None = None,
        *,
        issues: bool = True,
    ) -> Authority:
        """Make the next authority below the root. `permitted` are domains and networks. Raises `PKIError`, `HSMError`."""
        number = max(self._numbers(), default=0) + 1
        name = f"{names.site(site)} {self.purpose} ica {number}"
        limits = constraints.of(self.purpose, site, permitted)
        directory = self._issuer_directory(number)
        authority.prepare(directory, token)
        if issues:
            self._tell(directory)
        with authority.opened_key(directory) as key:
            public = key.public_key()
        certificate = self.root.certify(name, public, purpose=self.purpose, now=now, constraints=limits)
        return authority.create(directory, certificate)

    def let_issue(self, successor: Authority) -> None:
        """Let an authority issue from now on. Raises `PKIError`."""
        self._tell(successor.directory)

    def publish(self, now: datetime) -> bytes:
        """Sign a new list at every level and return them all, as a verifier needs them. Raises `PKIError`."""
        return b"".join(authority.list_pem(each.publish(now)) for each in (self.root, *self.issuers()))

    def lists(self) -> bytes:
        """Return the newest list of every level, as a verifier needs them. Raises `PKIError`."""
        return b"".join(_list(each.directory / authority.LIST) for each in (self.root, *self.issuers()))

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

    def _telling(self) -> list[int]:
        return [number for number in self._numbers() if (self._issuer_directory(number) / ISSUES).exists()]

    def _tell(self, directory: Path) -> None:
        try:
            write_atomic(directory / ISSUES, b"", keep_owner=True)
        except OSError as error:
            raise PKIError(f"{directory} cannot be written: {error.strerror}; check owner, mode and space") from error

    def _nobody(self) -> PKIError:
        return PKIError(f"{self.directory} has no authority for {self.purpose} certificates; run `certs init`")


def _list(place: Path) -> bytes:
    try:
        return read_regular(place, _LIST_BYTES_LIMIT)
    except OSError as error:
        raise PKIError(f"the list {place} cannot be read: {error.strerror}; run `certs crl`") from error
