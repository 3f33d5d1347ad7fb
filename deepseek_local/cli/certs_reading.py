"""`certs status` and `certs export`: how certificates stand, and what verifiers need."""

from pathlib import Path

import click

from deepseek_local.cli import certs_site, render
from deepseek_local.cli.certs_site import Site
from deepseek_local.cli.render import Format
from deepseek_local.errors import ExitCode
from deepseek_local.pki import standing, trust
from deepseek_local.pki.due import Alarm

_COLUMNS = ("SORT", "NAME", "SERIAL", "ENDS", "STATE", "ALARM")
_FILES = {
    "server-root": trust.SERVER_ROOT,
    "client-authorities": trust.AUTHORITIES,
    "client-issuers": trust.ISSUERS,
    "client-crl": "client-crl.pem",
    "server-crl": "server-crl.pem",
}


@click.command()
@certs_site.options
def status(*, home: Path, profile: str, sets: tuple[str, ...], output: Format) -> int:
    """Show every certificate and revocation list that counts; the exit code is 1 when one of the site's own is about to end."""
    site = Site.of(profile, sets, home)
    found = standing.of(site.layout, certs_site.now())
    described = [
        {
            "sort": str(each.sort),
            "name": each.name,
            "serial": each.serial,
            "ends": f"{each.ends:%Y-%m-%dT%H:%M:%SZ}",
            "state": each.state,
            "alarm": str(each.alarm),
        }
        for each in found
    ]
    render.result(output, described, render.table(_COLUMNS, [list(each.values()) for each in described]))
    if not found:
        render.note("There are no certificates yet; begin with `certs init`.")
    quiet = (Alarm.NONE, Alarm.WARN)
    return ExitCode.OK if all(each.alarm in quiet for each in found) else ExitCode.FAILED


@click.command()
@click.argument("what", type=click.Choice(list(_FILES)))
@certs_site.options
def export(*, what: str, home: Path, profile: str, sets: tuple[str, ...], output: Format) -> None:
    """Print what a verifier needs, in PEM: roots, authorities or revocation lists; none of it is secret."""
    place = Site.of(profile, sets, home).layout.trust / _FILES[what]
    text = trust.read(place).decode()
    render.result(output, {"name": what, "pem": text}, [text.rstrip()])
