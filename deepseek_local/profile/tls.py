"""The section `tls`: under which names this site and its server are known, and where their certificates are."""

from pathlib import Path

from pydantic import Field

from deepseek_local.profile.section import Name, Section


class TLS(Section):
    """Names and certificates: TLS 1.3 with client certificates, which nginx ends in front of the Unix socket."""

    site: Name | None = None
    """Name of the site; audit records carry it before the host's name, as `SITE.HOST`, and certificates name its people by it. Without it, the host's name alone."""
    server_names: tuple[str, ...] = ()
    """Host names and addresses that clients use; the server's certificate is made out to all of them. None: nothing listens for clients of other hosts."""
    permitted_names: tuple[str, ...] = ()
    """Domains and networks (`hospital.example`, `10.0.0.0/8`) to which the server authority is limited when it is made; none for no limit."""
    addresses: tuple[str, ...] = ("0.0.0.0", "::")  # noqa: S104 -- clients come from elsewhere, with certificates
    """Addresses on which nginx listens."""
    port: int = Field(default=443, ge=1, le=65_535)
    """Port on which nginx listens."""
    directory: Path = Path("pki")
    """Authorities, and the certificates in use, relative to the home directory."""
