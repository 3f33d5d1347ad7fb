"""
From a profile to nginx's configuration: a text, and nothing is read, asked or written but the templates of the kit.

The templates in `nginx/` say what nginx does and why, line by line; here stands only what differs from profile to profile.
"""

import ipaddress
from collections.abc import Collection
from pathlib import Path

from deepseek_local.errors import PKIError, ProxyError
from deepseek_local.pki import names, trust
from deepseek_local.pki.build import Purpose
from deepseek_local.pki.layout import CERTIFICATE, KEY, Layout
from deepseek_local.pki.versions import CURRENT
from deepseek_local.profile.front_door import Listen
from deepseek_local.profile.places import Places
from deepseek_local.profile.schema import Profile
from deepseek_local.proxy import locations, refusals, template
from deepseek_local.proxy.running import Version
from deepseek_local.proxy.surroundings import Surroundings
from deepseek_local.proxy.template import indent, word

KEY_FILE = "deepseek-local.key"
"""Name of the file with the proxy's key; it lies beside the configuration, which includes it, and only root may read it."""
_KEEPALIVE_MIN_TIMEOUT = (1, 27, 4)
_SHUTDOWN_MARGIN_SECONDS = 60


def render(
    profile: Profile,
    places: Places,
    surroundings: Surroundings,
    version: Version,
    down: Collection[Path] = (),
) -> str:
    """
    Return the configuration for an nginx of this version.

    `down` are sockets of replicas that get no new requests. Raises `ProxyError` where the profile
    asks for nothing that nginx could serve.
    """
    if profile.gateway.listen is not Listen.UNIX:
        raise ProxyError("gateway.listen is loopback, where the front door believes no proxy; set it to unix")
    tls = profile.tls
    pki = Layout(places.home / tls.directory)
    server = pki.server.directory / CURRENT
    headers = template.fill("headers")
    logs = word(surroundings.logs, "the directory of nginx's logs")
    told = word(surroundings.refusals, "the socket of `audit ship-nginx`")
    sockets = _sockets(profile, places, down)
    text = template.fill(
        "front-door",
        profile=word(surroundings.name, "the profile's name"),
        version=".".join(map(str, version)),
        user=word(surroundings.user, "nginx's user"),
        pid=word(surroundings.pid, "nginx's pid file"),
        logs=logs,
        refusals=told,
        temporary=word(surroundings.temporary, "nginx's temporary directory"),
        methods=indent("\n".join(locations.allowed()), 2),
        replicas=indent("\n".join(sockets), 2),
        tries=len(sockets),
        requests_per_second=tls.requests_per_second,
        burst=tls.burst,
        concurrent_requests=tls.concurrent_requests,
        header_bytes=tls.header_bytes,
        body_bytes=profile.gateway.limits.body_bytes,
        body_timeout_seconds=_whole(profile.gateway.limits.body_timeout_seconds),
        stream_seconds=tls.stream_seconds,
        shutdown_seconds=tls.stream_seconds + _SHUTDOWN_MARGIN_SECONDS,
        keepalive_min_timeout=indent(_keepalive(version), 1),
        listen=indent("\n".join(_listen(profile)), 2),
        server_names=" ".join(_names(profile)),
        certificate=word(server / CERTIFICATE, "tls.directory"),
        certificate_key=word(server / KEY, "tls.directory"),
        authorities=word(pki.trust / trust.AUTHORITIES, "tls.directory"),
        revoked=word(pki.trust / trust.LISTS[Purpose.CLIENT], "tls.directory"),
        answer=indent(template.fill("answer"), 2),
        headers=indent(headers, 2),
        routes=indent("\n".join(locations.blocks(headers, tls.stream_seconds)), 2),
        error_pages=indent("\n".join(refusals.pages()), 2),
        refusals_of_nginx=indent("\n".join(refusals.blocks(_access_logs(logs), told)), 2),
    )
    return f"{text}\n"


def key_file(key: bytes) -> str:
    """Return what stands in `KEY_FILE`."""
    return f"proxy_set_header X-DS-Proxy {key.hex()};\n"


def sockets(profile: Profile, places: Places) -> tuple[Path, ...]:
    """Return the sockets of all front doors that answer together, this deployment's own first."""
    return (places.front_socket(profile), *(places.runtime / replica for replica in profile.tls.replicas))


def _sockets(profile: Profile, places: Places, down: Collection[Path]) -> list[str]:
    known = sockets(profile, places)
    if unknown := [str(each) for each in down if each not in known]:
        raise ProxyError(f"{unknown[0]} is no replica of this profile; those are {', '.join(map(str, known))}")
    if set(known) <= set(down):
        raise ProxyError("no replica would be left to answer; stop nginx instead, or let one of them answer")
    return [
        f"server unix:{word(each, 'a socket')} max_fails=3 fail_timeout=5s{' down' if each in down else ''};"
        for each in dict.fromkeys(known)
    ]


def _names(profile: Profile) -> list[str]:
    try:
        return [names.shown(name) for name in names.server(profile.tls.server_names)]
    except PKIError as error:
        raise ProxyError(f"tls.server_names: {error}") from error


def _listen(profile: Profile) -> list[str]:
    if not profile.tls.addresses:
        raise ProxyError("tls.addresses is empty, so nginx would listen nowhere; name an address, such as 0.0.0.0")
    return [f"listen {_address(each)}:{profile.tls.port} ssl;" for each in profile.tls.addresses]


def _address(text: str) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError as error:
        raise ProxyError(
            f"tls.addresses names {text[:80]!r}, which is no address; write 10.0.0.5, 0.0.0.0 or ::"
        ) from error
    return f"[{address}]" if address.version == 6 else str(address)  # noqa: PLR2004 -- IPv6


def _keepalive(version: Version) -> str:
    if version < _KEEPALIVE_MIN_TIMEOUT:
        return ""
    return (
        "# A reload leaves an idle connection open for so long: longer than the OpenAI client keeps one, so that it is never\n"
        "# closed just when the next request is sent on it.\n"
        "keepalive_min_timeout 10s;"
    )


def _access_logs(logs: str) -> str:
    return (
        f"access_log {logs}/deepseek-local.access.log requests;\n"
        f"access_log {logs}/deepseek-local.error.log requests if=$is_failure;"
    )


def _whole(seconds: float) -> int:
    return max(1, round(seconds))
