"""`deepseek-local token`: create, list and revoke the bearer tokens of one deployment."""

import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from deepseek_local.audit.admin import record_change
from deepseek_local.cli import render
from deepseek_local.cli.options import format_option, home_option, profile_option, set_option, verbose_option
from deepseek_local.cli.render import Format
from deepseek_local.errors import PolicyError
from deepseek_local.files import make_directory
from deepseek_local.identity import store
from deepseek_local.identity.entry import Token
from deepseek_local.policy import enforcer
from deepseek_local.profile import load, policies
from deepseek_local.profile.places import Places
from deepseek_local.profile.schema import Profile

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def _duration(_: click.Context, __: click.Parameter, value: str | None) -> timedelta | None:
    """Read a number and a unit. Raises `click.BadParameter`."""
    if value is None:
        return None
    found = re.fullmatch(r"([1-9][0-9]{0,4})([mhdw])", value)
    if not found:
        raise click.BadParameter(f"{value!r} is no duration; write a number and m, h, d or w, such as 90d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


@click.group()
def command() -> None:
    """Create, list and revoke bearer tokens."""


@command.command()
@click.argument("principal")
@click.option(
    "--expires",
    callback=_duration,
    metavar="DURATION",
    envvar="DEEPSEEK_LOCAL_TOKEN_EXPIRES",
    show_envvar=True,
    help="How long the token is valid, such as 12h or 90d; without it, until it is revoked.",
)
@home_option
@profile_option
@set_option
@format_option
@verbose_option
def create(
    *, principal: str, expires: timedelta | None, home: Path, profile: str, sets: tuple[str, ...], output: Format
) -> None:
    """Create a token for PRINCIPAL (u:NAME or s:NAME) and print it, once."""
    chosen, places = _deployment(profile, sets, home)
    if not places.home.is_dir():
        make_directory(places.home)
    now = _now()
    entry, text = store.create(
        places.tokens(chosen), places.tokens_key(chosen), principal, now, now + expires if expires else None
    )
    # A token that nobody has seen opens nothing, so the record comes before it is shown.
    _record(places, "token_create", entry)
    until = f"until {_moment(entry.expires)}" if entry.expires else "until it is revoked"
    render.note(f"Token {entry.kid} of {entry.principal}, valid {until}. It is shown only now:")
    if hint := _hint(principal, chosen, places):
        render.note(hint)
    render.result(output, {"token": text, **_described(entry, now)}, [text])


@command.command("list")
@home_option
@profile_option
@set_option
@format_option
@verbose_option
def list_tokens(*, home: Path, profile: str, sets: tuple[str, ...], output: Format) -> None:
    """List the tokens of the deployment; their secrets are stored nowhere."""
    chosen, places = _deployment(profile, sets, home)
    now = _now()
    found = [_described(token, now) for token in store.read(places.tokens(chosen))]
    rows = [[str(value or "-") for value in token.values()] for token in found]
    render.result(output, found, render.table(["KID", "PRINCIPAL", "CREATED", "EXPIRES", "STATE"], rows))


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
    render.result(output, _described(entry, now), [f"Token {entry.kid} of {entry.principal} is revoked."])


def _deployment(profile: str, sets: tuple[str, ...], home: Path) -> tuple[Profile, Places]:
    return load.load(profile, sets=sets, environment=os.environ), Places.of(home, os.environ)


def _record(places: Places, action: str, token: Token) -> None:
    if not record_change(places.audit_socket, action, "token", {"kid": token.kid, "principal": token.principal}):
        render.note("Nothing runs in this home, so no audit log takes a record of this change.")


def _hint(principal: str, profile: Profile, places: Places) -> str | None:
    """Say so when the token opens nothing yet, or when nobody can know."""
    files = policies.files(profile, places)
    if missing := [file for file in files if not file.exists()]:
        return f"{principal} has no role yet: {missing[-1]} does not exist, create it with the line `g, {principal}, operator`."
    try:
        policy = enforcer.load(files)
    except PolicyError as error:
        return f"The policy of this profile cannot be used:\n{error}"
    if policy.has_role(principal):
        return None
    own = next((name for name in reversed(profile.gateway.policy) if not name.startswith(policies.SHIPPED)), None)
    file = places.home / own if own else "a file of your own and list it in gateway.policy"
    return f"{principal} has no role yet: add a line such as `g, {principal}, operator` to {file}."


def _described(token: Token, now: datetime) -> dict[str, str | None]:
    return {
        "kid": token.kid,
        "principal": token.principal,
        "created": _moment(token.created),
        "expires": _moment(token.expires) if token.expires else None,
        "state": token.state(now),
    }


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
