"""`deepseek-local certs`: the authorities of a site, and the certificates of its server and its clients."""

from pathlib import Path

import click

from deepseek_local.audit.record import Kind
from deepseek_local.cli import (
    certs_clients,
    certs_foreign,
    certs_reading,
    certs_revoke,
    certs_server,
    certs_site,
    render,
    token_uri,
)
from deepseek_local.cli.certs_site import Site
from deepseek_local.cli.render import Format
from deepseek_local.hsm.uri import TokenURI
from deepseek_local.pki import authority, founding
from deepseek_local.pki.build import Purpose
from deepseek_local.rotation import succession


@click.group()
def command() -> None:
    """Make, renew, revoke and look at certificates of the site."""


command.add_command(certs_server.issue)
command.add_command(certs_clients.renew)
command.add_command(certs_server.rotate)
command.add_command(certs_revoke.revoke)
command.add_command(certs_reading.status)
command.add_command(certs_reading.export)
command.add_command(certs_foreign.request)
command.add_command(certs_foreign.import_certificate)


@command.command()
@click.option(
    "--hsm",
    "token",
    metavar="pkcs11:...",
    callback=token_uri.parse,
    envvar="DEEPSEEK_LOCAL_CERTS_HSM",
    show_default="a file of mode 0600 for each key",
    show_envvar=True,
    help="Token in which the keys of the authorities are made, as a pkcs11: URI with module-path and pin-source.",
)
@certs_site.options
def init(*, token: TokenURI | None, home: Path, profile: str, sets: tuple[str, ...], output: Format) -> None:
    """Make the authorities for servers and clients, or what an interrupted run has left; nothing is made twice."""
    site = Site.of(profile, sets, home)
    layout = site.layout
    is_new = not all(layout.hierarchy(purpose).exists for purpose in Purpose)
    if is_new:
        site.record(Kind.PKI_ISSUE, "found_authorities", {"site": site.name})
    made = founding.found(layout, site.name, site.profile.tls.permitted_names, certs_site.now(), token)
    described = [
        {
            "name": each.name,
            "serial": f"{each.certificate.serial_number:x}",
            "ends": f"{each.certificate.not_valid_after_utc:%Y-%m-%d}",
            "key": str(authority.token_of(each.directory) or each.directory / authority.KEY),
        }
        for each in made
    ]
    rows = [list(each.values()) for each in described]
    render.result(output, described, render.table(("AUTHORITY", "SERIAL", "ENDS", "KEY"), rows))


@command.command()
@certs_site.nginx_options
@certs_site.options
def crl(
    *,
    nginx_config: Path | None,
    probe: tuple[str, int] | None,
    home: Path,
    profile: str,
    sets: tuple[str, ...],
    output: Format,
) -> None:
    """Sign new revocation lists at every level, and reload nginx; to be run daily, because a list lives seven days."""
    site, now = Site.of(profile, sets, home), certs_site.now()
    layout = site.layout
    signed = [
        each.publish(now)
        for purpose in Purpose
        for each in (layout.hierarchy(purpose).root, *layout.hierarchy(purpose).issuers())
    ]
    succession.publish(layout, now, site.nginx(nginx_config, probe))
    ends = min(each.next_update_utc or now for each in signed)
    render.result(
        output,
        {"lists": len(signed), "next_update": f"{ends:%Y-%m-%dT%H:%M:%SZ}"},
        [f"{len(signed)} revocation lists are valid until {ends:%Y-%m-%d %H:%M} UTC."],
    )
