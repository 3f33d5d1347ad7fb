"""`deepseek-local storage status`, `backup-header` and `deliver`: what there is to know of a volume, and to keep."""

from pathlib import Path

import click

from deepseek_local.audit.record import Kind
from deepseek_local.cli import render
from deepseek_local.cli.options import format_option, verbose_option
from deepseek_local.cli.render import Format
from deepseek_local.cli.storage_options import device_option, insist, key_option, records_option
from deepseek_local.hsm.uri import TokenURI
from deepseek_local.storage import creation, header, state, unlock
from deepseek_local.storage.records import Records


@click.command()
@device_option
@key_option
@click.option(
    "--check",
    is_flag=True,
    envvar="DEEPSEEK_LOCAL_STORAGE_CHECK",
    show_envvar=True,
    help="Ask the HSM and try the passphrase, without opening the volume.",
)
@records_option
@format_option
@verbose_option
def status(
    *, device: Path, key: TokenURI | None, check: bool, records: Path, audit_socket: Path | None, output: Format
) -> None:
    """Show what opens the volume, whether it is open, and what is missing."""
    read, kept = header.read(device), Records(records, audit_socket)
    if check:
        chosen = insist(key)
        kept.add(Kind.KEY_USE, "check", read.uuid, {"device": str(device), "key": unlock.describe(chosen)})
        unlock.unlock(device, read, (chosen,))
    found = state.of(device, read, kept.waiting(), is_checked=check)
    render.result(output, found, state.lines(found))


@click.command("backup-header")
@device_option
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@records_option
@format_option
@verbose_option
def backup_header(*, device: Path, file: Path, records: Path, audit_socket: Path | None, output: Format) -> None:
    """Copy the header with its key slots into a new FILE, to be kept off this host."""
    read = header.read(device)
    Records(records, audit_socket).add(Kind.ADMIN, "storage_backup_header", read.uuid, {"file": str(file)})
    creation.copy_header(device, file)
    render.result(
        output, {"uuid": read.uuid, "file": file}, [f"The header of the volume {read.uuid} is copied to {file}."]
    )


@click.command()
@records_option
@format_option
@verbose_option
def deliver(*, records: Path, audit_socket: Path | None, output: Format) -> None:
    """Give the running audit log the records that wait for it."""
    if audit_socket is None:
        raise click.UsageError("Missing option '--audit-socket'.")
    count = Records(records, None).deliver(audit_socket)
    render.result(output, {"delivered": count}, [f"{count} records are in the audit log."])
