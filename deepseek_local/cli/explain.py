"""`deepseek-local policy explain`: why the policy allows a request or not."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime

import click

from deepseek_local.cli import render
from deepseek_local.cli.options import format_option, verbose_option
from deepseek_local.cli.policy_files import Chosen, Place, choose, place_options, policy_option
from deepseek_local.cli.render import Format
from deepseek_local.errors import PolicyError
from deepseek_local.policy import break_glass, questions
from deepseek_local.policy.explain import Considered, Explanation, explain
from deepseek_local.policy.questions import written


@click.command()
@click.argument("request", metavar="METHOD PATH|RESOURCE:ACTION", nargs=-1, required=True)
@click.option(
    "--as",
    "principal",
    required=True,
    metavar="PRINCIPAL",
    envvar="DEEPSEEK_LOCAL_POLICY_AS",
    show_envvar=True,
    help="Who asks, as u:NAME or s:NAME.",
)
@click.option(
    "--model",
    metavar="NAME",
    envvar="DEEPSEEK_LOCAL_POLICY_MODEL",
    show_envvar=True,
    help="The same as --attribute model=NAME.",
)
@click.option(
    "--tenant",
    metavar="NAME",
    envvar="DEEPSEEK_LOCAL_POLICY_TENANT",
    show_envvar=True,
    help="The tenant that the credential names.",
)
@click.option(
    "--attribute",
    "words",
    multiple=True,
    metavar="NAME=VALUE",
    envvar="DEEPSEEK_LOCAL_POLICY_ATTRIBUTE",
    show_envvar=True,
    help="What the request has, such as hour=22; may be given several times. What is not named, it lacks.",
)
@policy_option
@place_options
@format_option
@verbose_option
def command(
    *,
    request: tuple[str, ...],
    principal: str,
    model: str | None,
    tenant: str | None,
    words: tuple[str, ...],
    names: tuple[str, ...],
    place: Place,
    output: Format,
) -> None:
    """Say whether the policy allows a request, by which rule, and what would change the answer."""
    named = [f"{name}={value}" for name, value in (("model", model), ("tenant", tenant)) if value is not None]
    try:
        question = questions.ask(principal, " ".join(request), [*named, *words])
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    chosen = choose(names, place)
    found = explain(chosen.load(), question)
    _note_emergency(chosen, principal)
    render.result(output, asdict(found), _lines(found))


def _note_emergency(chosen: Chosen, principal: str) -> None:
    """Say so when an emergency grant may make the running front door answer otherwise."""
    if chosen.break_glass is None:
        return
    try:
        grants = break_glass.read(chosen.break_glass, datetime.now(UTC))
    except PolicyError as error:
        render.note(str(error))
        return
    for grant in grants:
        if grant.principal == principal:
            render.note(
                f"{principal} has the role {grant.role} by emergency grant {grant.id}, which is not considered here."
            )


def _lines(found: Explanation) -> Iterator[str]:
    yield f"{found.question}: {'allow' if found.allowed else 'deny'} by {found.rule}"
    tenant = f" for tenant {found.tenant}" if found.tenant else ""
    yield f"roles: {', '.join(found.roles) or 'none'}{tenant}"
    yield from map(_considered, found.considered)
    yield from (f"what would change it: {change}" for change in found.changes)


def _considered(rule: Considered) -> str:
    values = (
        f"{name} {'is lacking' if value is None else f'is {written(value)}'}" for name, value in rule.values.items()
    )
    because = f" ({', '.join(values)})" if rule.values else ""
    return f"{rule.file}:{rule.line}: {rule.rule}: {'counts' if rule.counts else 'does not count'}{because}"
