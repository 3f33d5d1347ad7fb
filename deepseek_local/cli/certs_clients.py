"""`certs issue client` and `certs renew`: a certificate for a person or a service, with what is needed to use it."""

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from deepseek_local.audit.record import Kind
from deepseek_local.cli import certs_site, render
from deepseek_local.cli.certs_site import Site
from deepseek_local.cli.render import Format
from deepseek_local.errors import PKIError
from deepseek_local.files import is_private, read_regular
from deepseek_local.pki import certificates, client_bundle, keys, names, requests
from deepseek_local.pki.build import Purpose
from deepseek_local.pki.trust import SERVER_ROOT
from deepseek_local.rotation import renewal, revocation

Command = TypeVar("Command", bound=Callable[..., object])

_PASSWORD_BYTES = 18
_PASSWORD_LIMIT = 1_024


def _options(command: Command) -> Command:
    """Add what the two commands have in common."""
    to = click.option(
        "--to",
        "directory",
        type=click.Path(file_okay=False, path_type=Path),
        envvar="DEEPSEEK_LOCAL_CERTS_TO",
        show_default="the name of PRINCIPAL",
        show_envvar=True,
        help="Directory that takes certificate, key and the lines to use them.",
    )
    request = click.option(
        "--csr",
        "request",
        type=click.Path(dir_okay=False, exists=True, path_type=Path),
        envvar="DEEPSEEK_LOCAL_CERTS_CSR",
        show_envvar=True,
        help="Request for a key that was made where it is used; then the certificate alone is printed.",
    )
    password = click.option(
        "--password-file",
        type=click.Path(dir_okay=False, exists=True, path_type=Path),
        envvar="DEEPSEEK_LOCAL_CERTS_PASSWORD_FILE",
        show_default="a random one, which is printed",
        show_envvar=True,
        help="File of mode 0600 with the password of the PKCS#12 file.",
    )
    return click.argument("principal")(to(request(password(certs_site.options(command)))))


@click.command()
@_options
def client(
    *,
    principal: str,
    directory: Path | None,
    request: Path | None,
    password_file: Path | None,
    home: Path,
    profile: str,
    sets: tuple[str, ...],
    output: Format,
) -> None:
    """Issue a certificate for PRINCIPAL (u:NAME or s:NAME), valid for 90 days."""
    site = Site.of(profile, sets, home)
    _issue(site, principal, directory, request, password_file, output=output)


@click.command()
@_options
def renew(
    *,
    principal: str,
    directory: Path | None,
    request: Path | None,
    password_file: Path | None,
    home: Path,
    profile: str,
    sets: tuple[str, ...],
    output: Format,
) -> None:
    """Issue a successor for a certificate of PRINCIPAL that is alive; the old one stays valid until it ends."""
    site = Site.of(profile, sets, home)
    before = revocation.find(site.layout, principal, site.name, certs_site.now())
    _issue(site, principal, directory, request, password_file, output=output)
    render.note(
        f"Until it ends or is revoked, {principal} can use {', '.join(each.issued.serial for each in before)}, too."
    )


def _issue(
    site: Site,
    principal: str,
    directory: Path | None,
    request: Path | None,
    password_file: Path | None,
    *,
    output: Format,
) -> None:
    name = names.principal(principal, site.name)
    if request is not None:
        path = _signed(site, name, requests.public_key(request))
        pem = certificates.pem(path).decode()
        render.result(output, {**renewal.described(path[0]), "certificate": pem}, [pem.rstrip()])
        return
    directory = directory or Path(client_bundle.file_name(principal))
    root = _server_root(site)
    password = _password(password_file) if password_file else secrets.token_urlsafe(_PASSWORD_BYTES)
    client_bundle.make_place(directory)
    key = keys.for_leaf()
    path = _signed(site, name, key.public_key())
    server = next(iter(site.profile.tls.server_names), "SERVER")
    usage = client_bundle.usage(
        principal, server, site.profile.tls.port, site.profile.model.served_name, path[0].not_valid_after_utc
    )
    files = client_bundle.files(principal, path, key=key, password=password, server_root=root, usage=usage)
    client_bundle.write(directory, files)
    described = {
        **renewal.described(path[0]),
        "directory": str(directory),
        "password": None if password_file else password,
    }
    render.note(
        f"{directory} has the certificate of {principal} and how to use it; it is private, hand it over safely."
    )
    if password_file is None:
        render.note("The password of its PKCS#12 file is shown only now:")
    render.result(output, described, [] if password_file else [password])


def _signed(site: Site, name: x509.GeneralName, key: ec.EllipticCurvePublicKey) -> list[x509.Certificate]:
    issuer = site.layout.hierarchy(Purpose.CLIENT).issuer
    leaf = issuer.issue(key, [name], purpose=Purpose.CLIENT, now=certs_site.now())
    # A certificate that nobody has opens nothing, so the record comes before it is handed out.
    site.record(Kind.PKI_ISSUE, "issue", renewal.described(leaf))
    return [leaf, issuer.certificate]


def _server_root(site: Site) -> bytes:
    return certificates.pem(certificates.read_all(site.layout.trust / SERVER_ROOT))


def _password(place: Path) -> str:
    try:
        if not is_private(place):
            raise PKIError(f"the password in {place} can be read by others; run: chmod 600 {place}")
        password = read_regular(place, _PASSWORD_LIMIT).decode().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise PKIError(f"the password in {place} cannot be read ({error}); check the file") from error
    if not password:
        raise PKIError(f"{place} holds no password; write one line into it")
    return password
