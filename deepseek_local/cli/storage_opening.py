"""`deepseek-local storage open` and `storage close`: the volume in the clear, and back."""

from pathlib import Path

import click

from deepseek_local.audit.record import Kind
from deepseek_local.cli import render
from deepseek_local.cli.options import format_option, verbose_option
from deepseek_local.cli.render import Format
from deepseek_local.cli.storage_options import device_option, insist, key_option, name_option, records_option
from deepseek_local.errors import Error, StorageError
from deepseek_local.hsm.uri import TokenURI
from deepseek_local.storage import header, mapping, opening, unlock
from deepseek_local.storage.header import Header
from deepseek_local.storage.mapping import Mapping
from deepseek_local.storage.records import Records


@click.command("open")
@device_option
@key_option
@name_option
@click.option(
    "--make-filesystem",
    is_flag=True,
    envvar="DEEPSEEK_LOCAL_STORAGE_MAKE_FILESYSTEM",
    show_envvar=True,
    help="Make ext4 on the open volume if it carries nothing yet.",
)
@records_option
@format_option
@verbose_option
def open_volume(
    *,
    device: Path,
    key: TokenURI | None,
    name: str,
    make_filesystem: bool,
    records: Path,
    audit_socket: Path | None,
    output: Format,
) -> None:
    """Open the volume as /dev/mapper/NAME; one that is open already stays so."""
    chosen, read = insist(key), header.read(device)
    opened = opening.already(read, opening.check_name(name))
    is_new = opened is None
    if opened is None:
        opened = _open(device, read, name, chosen, Records(records, audit_socket))
    made = make_filesystem and opening.make_filesystem(opened)
    data = {"uuid": read.uuid, "mapping": opened.path, "opened": is_new, "filesystem_made": made}
    lines = [f"The volume {read.uuid} is {'' if is_new else 'already '}open as {opened.path}."]
    render.result(output, data, [*lines, "It has a new ext4 file system."] if made else lines)


def _open(device: Path, read: Header, name: str, key: TokenURI, records: Records) -> Mapping:
    """Open the volume, on record before the HSM is asked and after it is open, or why it is not."""
    attributes = {"device": str(device), "name": name, "key": unlock.describe(key)}
    records.add(Kind.KEY_USE, "unwrap", read.uuid, attributes)
    try:
        opened = opening.open_volume(device, read, name, key)
    except Error as error:
        records.add(Kind.LUKS_OPEN, "open", read.uuid, attributes, reason=str(error))
        raise
    try:
        records.add(Kind.LUKS_OPEN, "open", read.uuid, attributes)
    except StorageError:
        opening.close_volume(opened)
        raise
    return opened


@click.command()
@name_option
@records_option
@format_option
@verbose_option
def close(*, name: str, records: Path, audit_socket: Path | None, output: Format) -> None:
    """Close the volume, unless something uses it; then say what."""
    opened = mapping.named(opening.check_name(name))
    if opened is None:
        render.result(output, {"mapping": None, "closed": False}, [f"No volume is open as {mapping.MAPPER / name}."])
        return
    uuid = opening.insist_on_volume(opened)
    opening.close_volume(opened)
    try:
        Records(records, audit_socket).add(Kind.LUKS_CLOSE, "close", uuid, {"name": name})
    except StorageError as error:  # a volume is never kept open for want of a record
        render.note(str(error))
    render.result(output, {"uuid": uuid, "mapping": opened.path, "closed": True}, [f"The volume {uuid} is closed."])
