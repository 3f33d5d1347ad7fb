"""`certs revoke`: a certificate opens nothing any more, from the next request on."""

from pathlib import Path

import click
from cryptography.x509 import ReasonFlags

from deepseek_local.cli import certs_site, render
from deepseek_local.cli.certs_site import Site
from deepseek_local.cli.render import Format
from deepseek_local.rotation import installation, revocation

_REASONS = {
    "unspecified": ReasonFlags.unspecified,
    "key-compromise": ReasonFlags.key_compromise,
    "affiliation-changed": ReasonFlags.affiliation_changed,
    "superseded": ReasonFlags.superseded,
    "cessation-of-operation": ReasonFlags.cessation_of_operation,
}


@click.command()
@click.argument("certificate", metavar="SERIAL|NAME")
@click.option(
    "--reason",
    type=click.Choice(list(_REASONS)),
    default="unspecified",
    envvar="DEEPSEEK_LOCAL_CERTS_REASON",
    show_default=True,
    show_envvar=True,
    help="What the revocation list says about why.",
)
@certs_site.nginx_options
@certs_site.options
def revoke(
    *,
    certificate: str,
    reason: str,
    nginx_config: Path | None,
    probe: tuple[str, int] | None,
    home: Path,
    profile: str,
    sets: tuple[str, ...],
    output: Format,
) -> None:
    """Revoke a certificate by serial number, or all of a principal or a server name; it may be repeated when it failed."""
    site, now = Site.of(profile, sets, home), certs_site.now()
    found = revocation.find(site.layout, certificate, site.name, now)
    revocation.revoke(
        site.layout,
        found,
        _REASONS[reason],
        now,
        denied=site.deny_list,
        nginx=site.nginx(nginx_config, probe),
        record=site.record,
    )
    described = [{"serial": each.issued.serial, "names": each.issued.names} for each in found]
    lines = [f"{each.issued.serial} of {', '.join(each.issued.names)} is revoked." for each in found]
    render.result(output, described, lines)
    current = site.layout.server.current
    if current is not None and installation.serial(current) in {each.serial for each in found}:
        render.note("It is the server's certificate in use; replace it with `certs rotate --now`.")
    if nginx_config is None:
        render.note("nginx reads the new list when it is reloaded; name its configuration with --nginx-config.")
