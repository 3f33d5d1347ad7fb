"""The options that say which audit records are meant, as one decorator: it gives the command a parameter `query: Query`."""

from collections.abc import Callable
from functools import wraps

import click

from deepseek_local.cli import moments
from deepseek_local.evidence.query import Pattern, Query

Command = Callable[..., None]
Option = Callable[[Command], Command]

_PATTERNS = {
    "who": "Who it was: principal, public part of the credential, or address.",
    "what": "What happened: kind, action, object or route.",
    "request": "Request id.",
    "reason": "Why something was refused or ended.",
    "model": "Model that was asked for.",
    "tenant": "Tenant for which it was decided.",
    "digest": "Digest of a prompt or an answer, as `audit hash` prints it.",
}


def query_options(command: Command) -> Command:
    """Add the conditions."""

    @wraps(command)
    def queried(*words: object, decision: str | None, since: str | None, until: str | None, **rest: object) -> None:
        patterns = {name: None if (text := rest.pop(name)) is None else Pattern(str(text)) for name in _PATTERNS}
        decided = Pattern(decision) if decision else None
        command(*words, query=Query(**patterns, decision=decided, since=since, until=until), **rest)

    options: tuple[Option, ...] = (*map(_pattern, _PATTERNS), _DECISION, _SINCE, _UNTIL)
    made: Command = queried
    for option in reversed(options):
        made = option(made)
    return made


def _text(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """Refuse octets that are no text: no record has them."""
    try:
        (value or "").encode()
    except UnicodeEncodeError as error:
        raise click.BadParameter(f"{value!r} is not UTF-8, which all records are; write it as text") from error
    return value


def _pattern(name: str) -> Option:
    return click.option(
        f"--{name}",
        metavar="TEXT",
        callback=_text,
        envvar=f"DEEPSEEK_LOCAL_AUDIT_{name.upper()}",
        show_envvar=True,
        help=_PATTERNS[name],
    )


_DECISION = click.option(
    "--decision",
    type=click.Choice(["allow", "deny"]),
    envvar="DEEPSEEK_LOCAL_AUDIT_DECISION",
    show_envvar=True,
    help="How it was decided.",
)
_SINCE = click.option(
    "--since",
    metavar="MOMENT",
    callback=moments.read_beginning,
    envvar="DEEPSEEK_LOCAL_AUDIT_SINCE",
    show_envvar=True,
    help="From when on: RFC 3339, a date in UTC, or how long ago, such as 2h.",
)
_UNTIL = click.option(
    "--until",
    metavar="MOMENT",
    callback=moments.read_end,
    envvar="DEEPSEEK_LOCAL_AUDIT_UNTIL",
    show_envvar=True,
    help="Until when, this moment not included; of a date, until its end.",
)
