"""`deepseek-local storage rekey` and `storage recovery-key`: what opens a volume is changed, without touching its data."""

from pathlib import Path

import click

from deepseek_local.audit.record import Kind
from deepseek_local.cli import render
from deepseek_local.cli.options import format_option, verbose_option
from deepseek_local.cli.render import Format
from deepseek_local.cli.storage_making import PAPER
from deepseek_local.cli.storage_options import (
    device_option,
    generate_option,
    header_backup_option,
    insist,
    key_option,
    new_key_option,
    records_option,
)
from deepseek_local.hsm import aes
from deepseek_local.hsm.uri import TokenURI
from deepseek_local.storage import creation, header, recovery, unlock
from deepseek_local.storage import rekey as rekeying
from deepseek_local.storage.records import Records


@click.command()
@device_option
@key_option
@new_key_option
@generate_option
@click.option(
    "--recovery-key",
    "by_recovery_key",
    is_flag=True,
    envvar="DEEPSEEK_LOCAL_STORAGE_RECOVERY_KEY",
    show_envvar=True,
    help="Ask for the recovery key instead of the HSM that wrapped the passphrase until now.",
)
@header_backup_option
@records_option
@format_option
@verbose_option
def rekey(
    *,
    device: Path,
    key: TokenURI | None,
    new_key: TokenURI | None,
    generate: bool,
    by_recovery_key: bool,
    header_backup: Path,
    records: Path,
    audit_socket: Path | None,
    output: Format,
) -> None:
    """Change the passphrase and wrap the new one, with another key where one is named; again finishes what was cut off."""
    new = new_key or insist(key)
    read = header.read(device)
    creation.insist_on_room_for(header_backup)
    typed = recovery.read(render.ask_secret("Recovery key: ")) if by_recovery_key else None
    if generate:
        aes.make(new)
    attributes = {
        "device": str(device),
        "key": unlock.describe(new),
        "by": "recovery key" if by_recovery_key else "HSM",
    }
    kept = Records(records, audit_socket)
    kept.add(Kind.ADMIN, "storage_rekey", read.uuid, attributes)
    if typed is not None:
        rekeying.with_recovery_key(device, typed, new)
    else:
        kept.add(Kind.KEY_USE, "unwrap", read.uuid, attributes)
        rekeying.with_hsm(device, insist(key), new)
    creation.copy_header(device, header_backup)
    wrapped = unlock.describe(new)
    old = "Destroy older copies of the header: with one of them, the old key opens the volume again."
    data = {"uuid": read.uuid, "key": wrapped, "header_backup": header_backup}
    render.result(output, data, [f"The volume {read.uuid} opens with the key {wrapped} from now on.", old])


@click.command("recovery-key")
@device_option
@key_option
@header_backup_option
@records_option
@format_option
@verbose_option
def recovery_key(
    *,
    device: Path,
    key: TokenURI | None,
    header_backup: Path,
    records: Path,
    audit_socket: Path | None,
    output: Format,
) -> None:
    """Make a new recovery key and show it once; then the old one opens nothing any more."""
    chosen, read = insist(key), header.read(device)
    creation.insist_on_room_for(header_backup)
    attributes = {"device": str(device), "key": unlock.describe(chosen)}
    kept = Records(records, audit_socket)
    kept.add(Kind.ADMIN, "storage_recovery_key", read.uuid, attributes)
    kept.add(Kind.KEY_USE, "unwrap", read.uuid, attributes)
    opened = unlock.unlock(device, read, (chosen,))

    def show(text: str) -> None:
        render.result(output, {"uuid": read.uuid, "recovery_key": text}, [f"recovery key  {text}", PAPER])
        render.insist_on_shown()

    recovery.replace(device, opened.passphrase, show)
    creation.copy_header(device, header_backup)
    render.note("Destroy older copies of the header: with one of them, the old recovery key opens the volume again.")
