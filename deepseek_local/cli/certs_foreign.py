"""`certs request` and `certs import`: the server's certificate from another authority, such as the site's own; the key stays here."""

from pathlib import Path

import click

from deepseek_local.cli import certs_site, render
from deepseek_local.cli.certs_site import Site
from deepseek_local.cli.render import Format
from deepseek_local.pki import certificates, requests
from deepseek_local.pki.layout import CERTIFICATE
from deepseek_local.rotation import foreign, renewal
from deepseek_local.rotation.renewal import Job


@click.command()
@certs_site.options
def request(*, home: Path, profile: str, sets: tuple[str, ...], output: Format) -> None:
    """Print a request for the server's certificate; its key is made here, or waits already."""
    site = Site.of(profile, sets, home)
    text = requests.make(site.layout.request, site.server_names).decode()
    render.result(output, {"request": text}, [text.rstrip()])


@click.command("import")
@click.argument("chain", type=click.Path(dir_okay=False, exists=True, path_type=Path))
@click.option(
    "--root",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    required=True,
    envvar="DEEPSEEK_LOCAL_CERTS_ROOT",
    show_envvar=True,
    help="PEM file with the root of the other authority, which clients are to believe.",
)
@certs_site.nginx_options
@certs_site.options
def import_certificate(
    *,
    chain: Path,
    root: Path,
    nginx_config: Path | None,
    probe: tuple[str, int] | None,
    home: Path,
    profile: str,
    sets: tuple[str, ...],
    output: Format,
) -> None:
    """Put the answer to `certs request` into use: CHAIN is a PEM file with the certificate and the authorities above it."""
    site = Site.of(profile, sets, home)
    job = Job(site.layout, site.server_names, site.nginx(nginx_config, probe), site.record, lambda _step: None)
    current = foreign.install(job, certificates.read_all(chain), certificates.read_all(root), certs_site.now())
    described = {**renewal.described(certificates.read(current / CERTIFICATE)), "directory": str(current)}
    render.result(output, described, [f"{current} has the certificate, and it is in use."])
