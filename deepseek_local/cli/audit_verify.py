"""`deepseek-local audit verify`: whether the log is what was written."""

import os
from pathlib import Path

import click

from deepseek_local.audit.admin import record_change
from deepseek_local.cli import moments, record_numbers, render
from deepseek_local.cli.audit_trust import key_option, mac_key_option
from deepseek_local.cli.options import audit_directory_option, format_option, verbose_option
from deepseek_local.cli.render import Format
from deepseek_local.errors import AuditError
from deepseek_local.evidence import checkpoints, trust
from deepseek_local.evidence import verify as verification
from deepseek_local.evidence.report import EXIT_CODES, Report
from deepseek_local.evidence.window import Window
from deepseek_local.profile.places import Places


def _limit(context: click.Context, parameter: click.Parameter, value: str | None) -> int | str | None:
    """Read the number of a record, or a moment."""
    if value is not None and (number := record_numbers.read(value)) is not None:
        return number
    read = moments.read_beginning if parameter.name == "since" else moments.read_end
    return read(context, parameter, value)


@click.command("verify")
@audit_directory_option
@key_option
@mac_key_option
@click.option(
    "--since",
    callback=_limit,
    metavar="SEQ|MOMENT",
    envvar="DEEPSEEK_LOCAL_AUDIT_VERIFY_SINCE",
    show_envvar=True,
    help="Begin with the segment that has this record, or that was begun before this moment.",
)
@click.option(
    "--until",
    callback=_limit,
    metavar="SEQ|MOMENT",
    envvar="DEEPSEEK_LOCAL_AUDIT_VERIFY_UNTIL",
    show_envvar=True,
    help="End with the segment that has this record, or that was begun before this moment.",
)
@click.option(
    "--from",
    "trusted",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    envvar="DEEPSEEK_LOCAL_AUDIT_VERIFY_FROM",
    show_envvar=True,
    help="Checkpoint that was kept elsewhere: the log must continue it, and what it covers is not read again.",
)
@click.option(
    "--socket",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="DEEPSEEK_LOCAL_AUDIT_VERIFY_SOCKET",
    show_envvar=True,
    help="Unix socket of the sequencer that must record this verification; without it, that of the log's own home does if it runs.",
)
@format_option
@verbose_option
@click.pass_context
def command(
    context: click.Context,
    *,
    directory: Path,
    keys: tuple[str, ...],
    mac_key: Path | None,
    since: int | str | None,
    until: int | str | None,
    trusted: Path | None,
    socket: Path | None,
    output: Format,
) -> None:
    """Tell whether the log is what was written: exit code 0 if it is intact, 5 if it was tampered with, 6 if it is incomplete."""
    if trusted is not None and since is not None:
        raise click.UsageError("--from says where to begin; leave out --since")
    trusting = trust.read(keys, mac_key)
    kept = None if trusted is None else checkpoints.read_note(trusted, trusting)
    report = verification.verify(directory, trusting, Window(since, until, kept))
    # First what was found: nothing that goes wrong afterwards may hide it.
    render.result(output, report, report.lines())
    try:
        _record(directory, socket, report)
    except AuditError as error:
        if socket is not None and not EXIT_CODES[report.verdict]:
            raise
        render.note(f"This verification is not on record: {error}")
    context.exit(EXIT_CODES[report.verdict])


def _record(directory: Path, socket: Path | None, report: Report) -> None:
    """Leave a record of the verification; without `socket`, only if something runs in the home of the log. Raises `AuditError`."""
    found = {"verdict": str(report.verdict), "first": report.first, "records": report.records}
    place = socket or Places.of(directory.absolute().parent, os.environ).audit_socket
    try:
        is_recorded = record_change(place, "audit_verify", "audit", found)
    except OSError as error:
        raise AuditError(f"{place} cannot be looked at ({error.strerror}); run this as a user who may") from error
    if socket is not None and not is_recorded:
        raise AuditError(f"nothing runs on {socket} that could record the verification; leave out --socket")
