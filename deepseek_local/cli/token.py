"""`deepseek-local token`: create, rotate, list and revoke the bearer tokens of one deployment."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from deepseek_local.audit.admin import record_change
from deepseek_local.cli import durations, render, rights
from deepseek_local.cli.options import format_option, home_option, profile_option, set_option, verbose_option
from deepseek_local.cli.render import Format
from deepseek_local.files import make_directory
from deepseek_local.identity import store, use
from deepseek_local.identity.entry import Token
from deepseek_local.profile import load
from deepseek_local.profile.places import Places
from deepseek_local.profile.schema import Profile

_COLUMNS = ("KID", "PRINCIPAL", "ROLES", "TENANT", "CREATED", "EXPIRES", "LAST USE", "STATE")


@click.group()
def command() -> None:
    """Create, rotate, list and revoke bearer tokens."""


@command.command()
@click.argument("principal")
@click.option(
    "--expires",
    callback=durations.read,
    metavar="DURATION",
    envvar="DEEPSEEK_LOCAL_TOKEN_EXPIRES",
    show_envvar=True,
    help="How long the token is valid, such as 12h or 90d; without it, until it is revoked.",
)
@click.option(
    "--role",
    "roles",
    multiple=True,
    metavar="ROLE",
    envvar="DEEPSEEK_LOCAL_TOKEN_ROLE",
    show_envvar=True,
    help="The only role that the token carries, which its owner must have; may be given several times. Without it, all of its owner's.",
)
@click.option(
    "--tenant",
    metavar="TENANT",
    envvar="DEEPSEEK_LOCAL_TOKEN_TENANT",
    show_envvar=True,
    help="The tenant for which the token speaks.",
)
@home_option
@profile_option
@set_option
@format_option
@verbose_option
def create(
    *,
    principal: str,
    expires: timedelta | None,
    roles: tuple[str, ...],
    tenant: str | None,
    home: Path,
    profile: str,
    sets: tuple[str, ...],
    output: Format,
) -> None:
    """Create a token for PRINCIPAL (u:NAME or s:NAME) and print it, once."""
    chosen, places = _deployment(profile, sets, home)
    if roles:
        rights.insist(principal, roles, tenant, chosen, places)
    if not places.home.is_dir():
        make_directory(places.home)
    now = _now()
    entry, text = store.create(
        places.tokens(chosen),
        places.tokens_key(chosen),
        principal,
        now,
        _after(now, expires),
        roles=roles,
        tenant=tenant,
    )
    # A token that nobody has seen opens nothing, so the record comes before it is shown.
    _record(places, "token_create", entry)
    _show(entry, text, now, output, rights.hint(principal, chosen, places))


@command.command()
@click.argument("kid")
@click.option(
    "--overlap",
    callback=durations.read,
    metavar="DURATION",
    default="1h",
    envvar="DEEPSEEK_LOCAL_TOKEN_OVERLAP",
    show_default=True,
    show_envvar=True,
    help="How long the old token stays valid beside the new one, such as 30m or 7d.",
)
@click.option(
    "--expires",
    callback=durations.read,
    metavar="DURATION",
    envvar="DEEPSEEK_LOCAL_TOKEN_EXPIRES",
    show_envvar=True,
    help="How long the new token is valid; without it, as long as the old one was made for.",
)
@home_option
@profile_option
@set_option
@format_option
@verbose_option
def rotate(
    *,
    kid: str,
    overlap: timedelta,
    expires: timedelta | None,
    home: Path,
    profile: str,
    sets: tuple[str, ...],
    output: Format,
) -> None:
    """Create a token with the same rights as KID and print it, once; KID ends after the overlap."""
    chosen, places = _deployment(profile, sets, home)
    now = _now()
    old, new, text = store.rotate(
        places.tokens(chosen), places.tokens_key(chosen), kid, now, overlap=overlap, expires=_after(now, expires)
    )
    _record(places, "token_rotate", new, replaces=old.kid)
    _show(new, text, now, output, f"Token {old.kid} is valid until {_moment(old.expires)}.")


@command.command("list")
@home_option
@profile_option
@set_option
@format_option
@verbose_option
def list_tokens(*, home: Path, profile: str, sets: tuple[str, ...], output: Format) -> None:
    """List the tokens of the deployment with their last use; their secrets are stored nowhere."""
    chosen, places = _deployment(profile, sets, home)
    now = _now()
    used = places.token_use(chosen)
    found = [_described(token, now, use.last_use(used, token.kid)) for token in store.read(places.tokens(chosen))]
    render.result(output, found, render.table(_COLUMNS, [_row(token) for token in found]))


@command.command()
@click.argument("kid")
@home_option
@profile_option
@set_option
@format_option
@verbose_option
def revoke(*, kid: str, home: Path, profile: str, sets: tuple[str, ...], output: Format) -> None:
    """Revoke the token with the identifier KID; a running front door refuses it within a second."""
    chosen, places = _deployment(profile, sets, home)
    now = _now()
    entry = store.revoke(places.tokens(chosen), kid, now)
    _record(places, "token_revoke", entry)
    described = _described(entry, now, use.last_use(places.token_use(chosen), kid))
    render.result(output, described, [f"Token {entry.kid} of {entry.principal} is revoked."])


def _deployment(profile: str, sets: tuple[str, ...], home: Path) -> tuple[Profile, Places]:
    return load.load(profile, sets=sets, environment=os.environ), Places.of(home, os.environ)


def _record(places: Places, action: str, token: Token, **more: object) -> None:
    attributes: dict[str, object] = {"kid": token.kid, "principal": token.principal, **more}
    if token.roles is not None:
        attributes["roles"] = list(token.roles)
    if token.tenant is not None:
        attributes["tenant"] = token.tenant
    if not record_change(places.audit_socket, action, "token", attributes):
        render.note("Nothing runs in this home, so no audit log takes a record of this change.")


def _show(token: Token, text: str, now: datetime, output: Format, remark: str | None) -> None:
    until = f"until {_moment(token.expires)}" if token.expires else "until it is revoked"
    render.note(f"Token {token.kid} of {token.principal}, valid {until}. It is shown only now:")
    if remark is not None:
        render.note(remark)
    render.result(output, {"token": text, **_described(token, now, None)}, [text])


def _described(token: Token, now: datetime, last_use: datetime | None) -> dict[str, object]:
    return {
        "kid": token.kid,
        "principal": token.principal,
        "roles": list(token.roles) if token.roles is not None else None,
        "tenant": token.tenant,
        "created": _moment(token.created),
        "expires": _moment(token.expires),
        "last_use": _moment(last_use),
        "state": token.state(now),
    }


def _row(described: dict[str, object]) -> list[str]:
    return [",".join(value) if isinstance(value, list) else str(value or "-") for value in described.values()]


def _moment(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


def _after(now: datetime, duration: timedelta | None) -> datetime | None:
    return now + duration if duration else None


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
