"""`deepseek-local policy break-glass`: emergency grants, on record before they count."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from deepseek_local.audit.admin import record_change, who
from deepseek_local.cli import durations, render
from deepseek_local.cli.options import format_option, home_option, profile_option, set_option, verbose_option
from deepseek_local.cli.render import Format
from deepseek_local.errors import PolicyError, Problem
from deepseek_local.policy import break_glass, enforcer
from deepseek_local.policy.break_glass import EmergencyGrant
from deepseek_local.profile import load, policies
from deepseek_local.profile.places import Places


@click.group()
def command() -> None:
    """Give, list and withdraw emergency grants: a role for at most eight hours."""


@command.command()
@click.argument("principal")
@click.argument("role")
@click.option(
    "--for",
    "duration",
    callback=durations.read,
    required=True,
    metavar="DURATION",
    envvar="DEEPSEEK_LOCAL_BREAK_GLASS_FOR",
    show_envvar=True,
    help="How long it counts, such as 30m or 2h; at most 8h.",
)
@click.option(
    "--reason",
    required=True,
    metavar="TEXT",
    envvar="DEEPSEEK_LOCAL_BREAK_GLASS_REASON",
    show_envvar=True,
    help="Why, for the audit log; at least ten characters.",
)
@click.option(
    "--tenant",
    metavar="NAME",
    envvar="DEEPSEEK_LOCAL_BREAK_GLASS_TENANT",
    show_envvar=True,
    help="The only tenant for which it counts.",
)
@home_option
@profile_option
@set_option
@format_option
@verbose_option
def grant(
    *,
    principal: str,
    role: str,
    duration: timedelta,
    reason: str,
    tenant: str | None,
    home: Path,
    profile: str,
    sets: tuple[str, ...],
    output: Format,
) -> None:
    """Give PRINCIPAL a ROLE for a while; a running front door knows it within a second."""
    places = Places.of(home, os.environ)
    entry = break_glass.make(
        principal=principal, role=role, tenant=tenant, since=_now(), duration=duration, reason=reason, by=who()
    )
    _insist_on_role(role, profile, sets, places)
    _record(places, "break_glass_grant", entry)
    break_glass.grant(places.break_glass, entry)
    told = f"EMERGENCY GRANT {entry.id}: {principal} has the role {role} until {_moment(entry.until)}."
    render.note("Its end comes by itself; withdraw it as soon as it is not needed.")
    render.result(output, _described(entry), [told])


@command.command("list")
@home_option
@format_option
@verbose_option
def list_grants(*, home: Path, output: Format) -> None:
    """List the emergency grants that count now."""
    found = [_described(entry) for entry in break_glass.read(Places.of(home, os.environ).break_glass, _now())]
    rows = [[value or "-" for value in entry.values()] for entry in found]
    headings = ["ID", "PRINCIPAL", "ROLE", "TENANT", "SINCE", "UNTIL", "BY", "REASON"]
    render.result(output, found, render.table(headings, rows))


@command.command()
@click.argument("identifier", metavar="ID")
@home_option
@format_option
@verbose_option
def withdraw(*, identifier: str, home: Path, output: Format) -> None:
    """End the emergency grant ID before its time."""
    places = Places.of(home, os.environ)
    entry = break_glass.withdraw(places.break_glass, identifier, _now())
    # Less right is never held up by a record that cannot be made.
    _record(places, "break_glass_withdraw", entry)
    render.result(output, _described(entry), [f"Emergency grant {entry.id} of {entry.principal} is withdrawn."])


def _insist_on_role(role: str, profile: str, sets: tuple[str, ...], places: Places) -> None:
    """Raise `PolicyError` for a role without rules, which would help nobody; a broken policy is no reason to refuse."""
    chosen = load.load(profile, sets=sets, environment=os.environ)
    files = policies.files(chosen, places)
    try:
        policy = enforcer.load(files, chosen.gateway.administrators)
    except PolicyError as error:
        render.note(f"The policy cannot be used, so nobody knows what {role} may do:\n{error}")
        return
    roles = sorted({rule.role for rule in policy.grants} | {line.role for line in policy.memberships})
    if role not in roles:
        message = f"the policy has no role {role!r}; name one of {', '.join(name for name in roles if name != '*')}"
        raise PolicyError([Problem(message, str(files[-1]))])


def _record(places: Places, action: str, entry: EmergencyGrant) -> None:
    attributes = {**_described(entry), "grant": entry.id}
    del attributes["id"]
    if not record_change(places.audit_socket, action, "break_glass", attributes):
        render.note("Nothing runs in this home, so no audit log takes a record of this change.")


def _described(entry: EmergencyGrant) -> dict[str, str | None]:
    return {
        "id": entry.id,
        "principal": entry.principal,
        "role": entry.role,
        "tenant": entry.tenant,
        "since": _moment(entry.since),
        "until": _moment(entry.until),
        "by": entry.by,
        "reason": entry.reason,
    }


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
