"""
What verifiers read: certificates of authorities and revocation lists, each file replaced as a whole.

    server-root.pem           for clients: the root of the server's certificate
    client-authorities.pem    for nginx, `ssl_client_certificate`: root and authorities of clients
    client-issuers.pem        for the front door, `gateway.certificates.issuers`: the authorities alone
    client-crl.pem            for nginx, `ssl_crl`: a list of every level
    server-crl.pem            for clients that look

Nothing private is here. A list is missing until the first `certs init` has signed it; nginx refuses every client without one of each level.
"""

from datetime import datetime
from pathlib import Path

from deepseek_local.errors import PKIError
from deepseek_local.files import make_directory, read_regular, write_atomic
from deepseek_local.pki import certificates
from deepseek_local.pki.build import Purpose
from deepseek_local.pki.layout import Layout

SERVER_ROOT = "server-root.pem"
AUTHORITIES = "client-authorities.pem"
ISSUERS = "client-issuers.pem"
LISTS = {Purpose.CLIENT: "client-crl.pem", Purpose.SERVER: "server-crl.pem"}

_DIRECTORY_MODE = 0o755
_FILE_MODE = 0o644
_BYTES_LIMIT = 64 * 1024 * 1024


def publish_authorities(layout: Layout, now: datetime) -> None:
    """Write which authorities are trusted. Raises `PKIError`."""
    *issuers, root = layout.hierarchy(Purpose.CLIENT).trusted(now)
    write(layout.trust / AUTHORITIES, certificates.pem([root, *issuers]))
    write(layout.trust / ISSUERS, certificates.pem(issuers))


def publish_server_root(layout: Layout, root: bytes | None = None) -> None:
    """Write whom clients believe: the root of another authority, or ours. Raises `PKIError`."""
    write(layout.trust / SERVER_ROOT, root or certificates.pem([layout.hierarchy(Purpose.SERVER).root.certificate]))


def publish_lists(layout: Layout, *purposes: Purpose) -> None:
    """Write what is revoked, as the authorities have signed it. Raises `PKIError`."""
    for purpose in purposes or tuple(Purpose):
        write(layout.trust / LISTS[purpose], layout.hierarchy(purpose).lists())


def read(place: Path) -> bytes:
    """Return one of the files. Raises `PKIError`."""
    try:
        return read_regular(place, _BYTES_LIMIT)
    except OSError as error:
        raise PKIError(f"{place} cannot be read: {error.strerror}; make it with `certs init` or `certs crl`") from error


def write(place: Path, content: bytes) -> None:
    """Replace a file that everybody may read. Raises `PKIError`."""
    try:
        if not place.parent.is_dir():
            make_directory(place.parent, _DIRECTORY_MODE)
        write_atomic(place, content, _FILE_MODE, keep_owner=True)
    except OSError as error:
        raise PKIError(f"{place} cannot be written: {error.strerror}; check owner, mode and space there") from error
