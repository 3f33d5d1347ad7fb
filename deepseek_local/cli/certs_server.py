"""`certs issue` and `certs rotate`: the server's certificate, its renewal while nginx serves it, and the succession of authorities."""

import logging
from pathlib import Path

import click
from cryptography import x509

from deepseek_local.cli import certs_clients, certs_site, render
from deepseek_local.cli.certs_site import Site
from deepseek_local.cli.render import Format
from deepseek_local.errors import Error, PKIError
from deepseek_local.pki import certificates
from deepseek_local.pki.build import Purpose
from deepseek_local.pki.layout import CERTIFICATE
from deepseek_local.rotation import metrics as rotation_metrics
from deepseek_local.rotation import renewal, succession
from deepseek_local.rotation.installation import Step
from deepseek_local.rotation.nginx import Nginx
from deepseek_local.rotation.renewal import Job

_logger = logging.getLogger(__name__)


@click.group()
def issue() -> None:
    """Issue the first certificate of the server, or one for a client."""


issue.add_command(certs_clients.client)


@issue.command()
@certs_site.options
def server(*, home: Path, profile: str, sets: tuple[str, ...], output: Format) -> None:
    """Issue the first certificate of the server, for the names in tls.server_names; `certs rotate` makes all others."""
    site = Site.of(profile, sets, home)
    job = _job(site, None)
    current = renewal.first(job, certs_site.now())
    described = {**renewal.described(certificates.read(current / CERTIFICATE)), "directory": str(current)}
    render.result(output, described, [f"{current} has the server's certificate and key."])


@click.command()
@click.option(
    "--now",
    "at_once",
    is_flag=True,
    envvar="DEEPSEEK_LOCAL_CERTS_NOW",
    show_envvar=True,
    help="Do it although it is not due.",
)
@click.option(
    "--authority",
    type=click.Choice([str(purpose) for purpose in Purpose]),
    envvar="DEEPSEEK_LOCAL_CERTS_AUTHORITY",
    show_envvar=True,
    help="Make the successor of an authority instead, at half of its life; every verifier gets it, and it does not issue yet.",
)
@click.option(
    "--activate",
    is_flag=True,
    envvar="DEEPSEEK_LOCAL_CERTS_ACTIVATE",
    show_envvar=True,
    help="Let the successor of --authority issue, once every verifier has it.",
)
@click.option(
    "--metrics",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="DEEPSEEK_LOCAL_CERTS_METRICS",
    show_envvar=True,
    help="File for node_exporter's textfile collector, which ends in .prom.",
)
@certs_site.nginx_options
@certs_site.options
def rotate(
    *,
    at_once: bool,
    authority: str | None,
    activate: bool,
    metrics: Path | None,
    nginx_config: Path | None,
    probe: tuple[str, int] | None,
    home: Path,
    profile: str,
    sets: tuple[str, ...],
    output: Format,
) -> None:
    """Renew the server's certificate if it is due, and prove that it is served; what does not work is taken back."""
    if activate and authority is None:
        raise click.UsageError("--activate lets a successor issue; name whose with --authority.")
    site = Site.of(profile, sets, home)
    nginx = site.nginx(nginx_config, probe)
    if authority is not None:
        _succeed(site, Purpose(authority), nginx, at_once=at_once, activate=activate, output=output)
        return
    try:
        outcome = renewal.run(_job(site, nginx), certs_site.now(), at_once=at_once)
    except Error:
        _count(site, nginx, metrics, succeeded=False)
        raise
    _count(site, nginx, metrics, succeeded=True)
    current = site.layout.server.current
    if current is None:
        raise PKIError("the server's certificate was removed meanwhile; make one with `certs issue server`")
    described = renewal.described(x509.load_pem_x509_certificates((current / CERTIFICATE).read_bytes())[0])
    line = f"{outcome}: the certificate {described['serial']} is in use, until {described['ends']}."
    render.result(output, {"outcome": str(outcome), **described}, [line])


def _succeed(
    site: Site, purpose: Purpose, nginx: Nginx | None, *, at_once: bool, activate: bool, output: Format
) -> None:
    layout, now = site.layout, certs_site.now()
    if activate:
        made = succession.activate(layout, purpose, now, nginx=nginx, record=site.record)
        line = f"{made.name} issues from now on."
    else:
        permitted = site.profile.tls.permitted_names
        successor = succession.prepare(
            layout, purpose, site.name, permitted, now, nginx=nginx, record=site.record, at_once=at_once
        )
        made = successor or layout.hierarchy(purpose).issuer
        line = (
            f"{made.name} issues and has more than half of its life before it; nothing was done."
            if successor is None
            else f"{made.name} waits: give {layout.trust} to every verifier, then add --activate."
        )
    render.result(
        output, {"authority": made.name, "issues": made.name == layout.hierarchy(purpose).issuer.name}, [line]
    )


def _job(site: Site, nginx: Nginx | None) -> Job:
    return Job(site.layout, site.server_names, nginx, site.record, _tell)


def _tell(step: Step) -> None:
    _logger.debug("certificate rotation: %s", step)


def _count(site: Site, nginx: Nginx | None, place: Path | None, *, succeeded: bool) -> None:
    """Tell Prometheus; that this fails must not hide why a run failed."""
    try:
        runs = rotation_metrics.count(site.layout.runs, certs_site.now(), succeeded=succeeded)
        if place is not None:
            rotation_metrics.write(place, site.layout, nginx, runs)
    except Error as error:
        if succeeded:
            raise
        render.note(f"The failure was not counted: {error}")
