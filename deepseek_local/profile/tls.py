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
    requests_per_second: int = Field(default=20, ge=1, le=100_000)
    """Requests of one client certificate in a second, in the long run; above it the answer is 429."""
    burst: int = Field(default=40, ge=0, le=100_000)
    """Requests of one client certificate that may come at once beyond `requests_per_second`."""
    concurrent_requests: int = Field(default=64, ge=1, le=65_535)
    """Requests of one client certificate that are answered at the same time; above it the answer is 429."""
    header_bytes: int = Field(default=8_192, ge=1_024, le=8_192)
    """The longest line of a request's head, above which the answer is 431; all lines together may have four times as many."""
    stream_seconds: int = Field(default=3_600, ge=60, le=86_400)
    """Longer than the longest answer takes: nginx waits as long for the front door, and after a reload as long for running streams."""
    replicas: tuple[Path, ...] = ()
    """Sockets of the front doors of other deployments on this host that serve the same model and have the same `proxy.key`; requests are shared between them and this one's."""
    directory: Path = Path("pki")
    """Authorities, and the certificates in use, relative to the home directory."""
