"""
The founding of a site's authorities: two roots, an authority below each, their first lists, and what verifiers read.

Every step looks whether it was done, so that a run which was interrupted is simply run again; a second run of a finished one changes nothing.
"""

from collections.abc import Sequence
from datetime import datetime

from deepseek_local.errors import PKIError
from deepseek_local.files import make_directory
from deepseek_local.hsm.uri import TokenURI
from deepseek_local.pki import authority, trust
from deepseek_local.pki.authority import Authority
from deepseek_local.pki.build import Purpose
from deepseek_local.pki.layout import Layout

_DIRECTORY_MODE = 0o755


def found(
    layout: Layout, site: str, permitted: Sequence[str], now: datetime, token: TokenURI | None = None
) -> list[Authority]:
    """Make what is missing and return the authorities; their keys are made in the token if one is named. Raises `PKIError`, `HSMError`."""
    _open_way(layout)
    authorities = []
    for purpose in Purpose:
        hierarchy = layout.hierarchy(purpose)
        hierarchy.make_root(site, now, token)
        if not hierarchy.exists:
            hierarchy.make_issuer(site, permitted if purpose is Purpose.SERVER else (), now, token)
        authorities += [hierarchy.root, *hierarchy.issuers()]
    for each in authorities:
        if not (each.directory / authority.LIST).exists():
            each.publish(now)
    trust.publish_authorities(layout, now)
    trust.publish_lists(layout)
    if not (layout.trust / trust.SERVER_ROOT).exists():  # another authority's root may be there
        trust.publish_server_root(layout)
    return authorities


def _open_way(layout: Layout) -> None:
    """Make the directory, through which the front door finds what it trusts whatever umask it was made under. Raises `PKIError`."""
    if layout.directory.is_dir():
        return
    try:
        make_directory(layout.directory, _DIRECTORY_MODE)
    except OSError as error:
        raise PKIError(f"{layout.directory} cannot be made: {error.strerror}; check owner and mode above it") from error
