"""`deepseek-local storage init` and `storage erase`: the first and the last thing that is done to a volume."""

from pathlib import Path

import click

from deepseek_local.audit.record import Kind
from deepseek_local.cli import render
from deepseek_local.cli.options import format_option, verbose_option
from deepseek_local.cli.render import Format
from deepseek_local.cli.storage_options import (
    device_option,
    generate_option,
    header_backup_option,
    insist,
    key_option,
    records_option,
)
from deepseek_local.hsm import aes
from deepseek_local.hsm.uri import TokenURI
from deepseek_local.storage import creation, header, opening, unlock
from deepseek_local.storage.device import Device, examine
from deepseek_local.storage.records import Records

PAPER = "Keep this recovery key on paper in a safe: it opens the volume without the HSM, and is not shown again."


@click.command()
@device_option
@key_option
@generate_option
@header_backup_option
@click.option(
    "--force",
    type=click.Path(path_type=Path),
    metavar="DEVICE",
    envvar="DEEPSEEK_LOCAL_STORAGE_FORCE",
    show_envvar=True,
    help="Destroy what is on the device, which is named here once more.",
)
@click.option(
    "--yes",
    is_flag=True,
    envvar="DEEPSEEK_LOCAL_STORAGE_YES",
    show_envvar=True,
    help="Do it; without it, show what would be done.",
)
@records_option
@format_option
@verbose_option
def init(
    *,
    device: Path,
    key: TokenURI | None,
    generate: bool,
    header_backup: Path,
    force: Path | None,
    yes: bool,
    records: Path,
    audit_socket: Path | None,
    output: Format,
) -> None:
    """Make an encrypted volume, and show its recovery key once."""
    found, chosen = examine(device), insist(key)
    creation.insist_on_empty(found, force)
    creation.insist_on_room_for(header_backup)
    plan = _plan(found, chosen, header_backup, generate=generate)
    if not yes:
        data = {"done": False, "device": found.path, "bytes": found.bytes, "destroyed": found.signatures, "steps": plan}
        render.result(output, data, [*plan, "Nothing was done; do it with --yes."])
        return
    if generate:
        aes.make(chosen)
    prepared = creation.prepare(chosen)
    attributes = {"device": str(found.path), "key": unlock.describe(chosen), "destroyed": list(found.signatures)}
    Records(records, audit_socket).add(Kind.ADMIN, "storage_init", prepared.uuid, attributes)

    def show(recovery_key: str) -> None:
        made = {"done": True, "device": found.path, "uuid": prepared.uuid, "recovery_key": recovery_key}
        render.result(output, made, [f"volume        {prepared.uuid}", f"recovery key  {recovery_key}", PAPER])
        render.insist_on_shown()

    creation.create(found, prepared, chosen, show, header_backup)
    render.note(
        f"The copy of the header is {header_backup}; keep it off this host. Next: storage open --make-filesystem."
    )


@click.command()
@device_option
@records_option
@format_option
@verbose_option
def erase(*, device: Path, records: Path, audit_socket: Path | None, output: Format) -> None:
    """Destroy all keys of a closed volume, which makes its data unreadable for ever; asks for its UUID."""
    read = header.read(device)
    render.note(
        f"This destroys all that is on {device}. It is the volume {read.uuid}; type that UUID to erase its keys."
    )
    typed = render.ask("")
    opening.insist_on_erasable(device, read, typed)
    Records(records, audit_socket).add(Kind.ADMIN, "storage_erase", read.uuid, {"device": str(device)})
    opening.erase(device)
    left = "Destroy the copies of its header too: with one of them, the HSM or the recovery key opens the volume again."
    render.result(output, {"erased": read.uuid}, [f"The volume {read.uuid} is erased.", left])


def _plan(device: Device, key: TokenURI, backup: Path, *, generate: bool) -> list[str]:
    """Say what will be done, in its order."""
    on = (
        f", destroying {', '.join(device.signatures)}" if device.signatures else ", which carries nothing that is known"
    )
    name = unlock.describe(key)
    return [
        f"{'make' if generate else 'use'} the key {name}",
        f"make a LUKS2 volume of {device.bytes} bytes on {device.path}{on}",
        "show a recovery key, once",
        f"copy the header to {backup}",
    ]
