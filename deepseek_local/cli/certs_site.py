"""What the commands of `certs` share: the site of a profile, its nginx, and how they put on record what they do."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import TypeVar

import click
from cryptography import x509

from deepseek_local.audit.admin import record_change
from deepseek_local.audit.record import Kind
from deepseek_local.cli import render
from deepseek_local.cli.options import format_option, home_option, profile_option, set_option, verbose_option
from deepseek_local.errors import PKIError
from deepseek_local.pki import names
from deepseek_local.pki.layout import Layout
from deepseek_local.profile import load
from deepseek_local.profile.places import Places
from deepseek_local.profile.schema import Profile
from deepseek_local.rotation.nginx import Nginx

Command = TypeVar("Command", bound=Callable[..., object])

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 -- where a probe looks instead


@dataclass(frozen=True, slots=True)
class Site:
    """A profile and where its certificates lie."""

    profile: Profile
    places: Places

    @classmethod
    def of(cls, profile: str, sets: tuple[str, ...], home: Path) -> "Site":
        """Read the profile. Raises `ProfileError`."""
        return cls(load.load(profile, sets=sets, environment=os.environ), Places.of(home, os.environ))

    @property
    def layout(self) -> Layout:
        """The directory of the certificates."""
        return Layout(self.places.home / self.profile.tls.directory)

    @property
    def name(self) -> str:
        """The name of the site. Raises `PKIError` where the profile has none."""
        if self.profile.tls.site is None:
            raise PKIError("the profile does not name the site, which certificates do; set tls.site")
        return names.site(self.profile.tls.site)

    @property
    def server_names(self) -> tuple[x509.GeneralName, ...]:
        """What the server's certificate names. Raises `PKIError`."""
        if not self.profile.tls.server_names:
            raise PKIError("the profile does not say how clients call the server; set tls.server_names")
        return names.server(self.profile.tls.server_names)

    @property
    def deny_list(self) -> Path:
        """The serial numbers that the front door refuses."""
        return self.places.home / self.profile.gateway.certificates.denied_serials

    def nginx(self, configuration: Path | None, probe: tuple[str, int] | None) -> Nginx | None:
        """Return the nginx that serves the certificate, where one is named. Raises `PKIError`."""
        if configuration is None:
            return None
        tls = self.profile.tls
        first = next(iter(tls.addresses), "127.0.0.1")
        address, port = probe or (_EVERYWHERE.get(first, first), tls.port)
        hosts = (text for text in tls.server_names if not text.startswith("*") and not _is_address(text))
        return Nginx(configuration.absolute(), address, port, next(hosts, None))

    def record(self, kind: Kind, action: str, attributes: Mapping[str, object]) -> None:
        """Put it on record where the log of this deployment runs. Raises `AuditError`."""
        if not record_change(self.places.audit_socket, action, "certificate", attributes, kind):
            render.note("Nothing runs in this home, so no audit log takes a record of this change.")


def now() -> datetime:
    """Return the time in whole seconds, as certificates have it."""
    return datetime.now(UTC).replace(microsecond=0)


def options(command: Command) -> Command:
    """Add the options of every command: `home`, `profile`, `sets`, `output`."""
    return home_option(profile_option(set_option(format_option(verbose_option(command)))))


def nginx_options(command: Command) -> Command:
    """Add `--nginx-config` and `--probe`, as `nginx_config: Path | None` and `probe: tuple[str, int] | None`."""
    configuration = click.option(
        "--nginx-config",
        type=click.Path(dir_okay=False, exists=True, path_type=Path),
        envvar="DEEPSEEK_LOCAL_NGINX_CONFIG",
        show_envvar=True,
        help="Main configuration of the nginx to test and reload; without it, files are changed and nothing is reloaded.",
    )
    probe = click.option(
        "--probe",
        metavar="ADDRESS:PORT",
        callback=_address,
        envvar="DEEPSEEK_LOCAL_PROBE",
        show_default="first of tls.addresses, tls.port",
        show_envvar=True,
        help="Where to look which certificate nginx serves.",
    )
    return configuration(probe(command))


def _address(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[str, int] | None:
    if value is None:
        return None
    host, _, port = value.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 2**16:
        raise click.BadParameter(f"{value!r} is no address with a port; write 127.0.0.1:443")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
