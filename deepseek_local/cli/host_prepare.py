"""`deepseek-local host prepare`: show what would make a host fit, do it, or take it back."""

import ipaddress
from pathlib import Path

import click

from deepseek_local.cli import render
from deepseek_local.cli.host_options import is_this_host, root_option, senses
from deepseek_local.cli.options import format_option, verbose_option
from deepseek_local.cli.render import Format
from deepseek_local.host import applying, probing, steps
from deepseek_local.host.changes import Network, Wishes
from deepseek_local.host.packages import Source


def _network(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(value) for value in values)
    except ValueError as error:
        raise click.BadParameter(f"{error}: give an address or a network, as 10.0.0.0/24") from error


@click.command("prepare")
@click.option(
    "--apply",
    "is_applied",
    is_flag=True,
    envvar="DEEPSEEK_LOCAL_HOST_APPLY",
    show_envvar=True,
    help="Make the changes after they were shown.",
)
@click.option(
    "--undo",
    "is_undone",
    is_flag=True,
    envvar="DEEPSEEK_LOCAL_HOST_UNDO",
    show_envvar=True,
    help="Take back every change that was made.",
)
@click.option(
    "--only",
    multiple=True,
    type=click.Choice(steps.NAMES),
    envvar="DEEPSEEK_LOCAL_HOST_ONLY",
    show_envvar=True,
    help="Step to take instead of all; may be given several times.",
)
@click.option(
    "--open",
    "ports",
    multiple=True,
    type=click.IntRange(1, 65_535),
    default=(22, 443),
    envvar="DEEPSEEK_LOCAL_HOST_OPEN",
    show_default=True,
    show_envvar=True,
    help="TCP port that the firewall leaves open, instead of these; may be given several times.",
)
@click.option(
    "--peer",
    "peers",
    metavar="NETWORK",
    multiple=True,
    callback=_network,
    envvar="DEEPSEEK_LOCAL_HOST_PEER",
    show_envvar=True,
    help="Address or network that reaches every port, as another node of one engine; may be given several times.",
)
@click.option(
    "--packages",
    metavar="DIRECTORY|URL",
    envvar="DEEPSEEK_LOCAL_HOST_PACKAGES",
    show_envvar=True,
    help="Where packages come from, instead of what apt or dnf is set up with.",
)
@root_option
@format_option
@verbose_option
def command(
    *,
    is_applied: bool,
    is_undone: bool,
    only: tuple[str, ...],
    ports: tuple[int, ...],
    peers: tuple[Network, ...],
    packages: str | None,
    root: Path,
    output: Format,
) -> None:
    """Show what would be changed to make this host fit, and nothing more without --apply."""
    if is_applied and is_undone:
        raise click.UsageError("Give either --apply or --undo.")
    seen = senses(root)
    commands = seen.commands if is_this_host(root) else None
    facts = probing.probe(seen)
    if is_undone:
        count = applying.undo(seen.tree, commands, has_systemd=facts.has_systemd, tell=render.note)
        render.result(output, {"undone": count}, [f"{count} steps were taken back."])
        return
    wishes = Wishes(ports, peers, None if packages is None else Source.of(packages))
    changes = applying.pending(
        [each for each in steps.steps(facts, wishes) if not only or each.name in only], seen.tree
    )
    shown = {change.name: list(applying.difference(change, seen.tree)) for change in changes}
    if not is_applied:
        render.result(output, {"changes": changes, "difference": shown, "applied": False}, _lines(shown))
        return
    for line in _lines(shown):
        render.note(line)
    left = [
        argv
        for change in changes
        for argv in applying.apply(change, seen.tree, commands, has_systemd=facts.has_systemd)
    ]
    done = [f"{len(changes)} steps are done.", *(f"Left to be run: {' '.join(argv)}" for argv in left)]
    render.result(output, {"changes": changes, "difference": shown, "applied": True, "left": left}, done)


def _lines(shown: dict[str, list[str]]) -> list[str]:
    if not shown:
        return ["Nothing is to be changed."]
    return [line for difference in shown.values() for line in difference]
