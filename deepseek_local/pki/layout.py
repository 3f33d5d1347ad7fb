"""
Where everything of a site's certificates lies, below one directory.

    server-root/  server-ica-1/  client-root/  client-ica-1/    authorities; moved to another host, everything else goes on
    live/server/  v0001/ current                                the server's certificate and key in use
    live/server.request/  key.pem  request.pem                  a key whose certificate another authority is asked for
    trust/                                                      what verifiers read
    renew-after                                                 pulls the server's renewal forward
"""

from dataclasses import dataclass
from pathlib import Path

from deepseek_local.pki.build import Purpose
from deepseek_local.pki.hierarchy import Hierarchy
from deepseek_local.pki.versions import Versions

CERTIFICATE = "certificate.pem"
KEY = "key.pem"


@dataclass(frozen=True, slots=True)
class Layout:
    """The directory and the names below it."""

    directory: Path

    def hierarchy(self, purpose: Purpose) -> Hierarchy:
        """Return the authorities for one purpose."""
        return Hierarchy(self.directory, purpose)

    @property
    def server(self) -> Versions:
        """The versions of the server's certificate, each with `CERTIFICATE` (leaf first) and `KEY`."""
        return Versions(self.directory / "live" / "server")

    @property
    def request(self) -> Path:
        """What waits for an answer of another authority."""
        return self.directory / "live" / "server.request"

    @property
    def trust(self) -> Path:
        """What verifiers read."""
        return self.directory / "trust"

    @property
    def renew_after(self) -> Path:
        """A file with a moment from which the server's certificate is to be renewed, if that is earlier."""
        return self.directory / "renew-after"

    @property
    def runs(self) -> Path:
        """How the last runs of the rotation ended."""
        return self.directory / "rotation.json"

    @property
    def rotation(self) -> Path:
        """The file whose lock the rotation holds."""
        return self.directory / "rotation"
