"""`deepseek-local storage`: encrypted volumes whose passphrase only the HSM can unwrap."""

import logging

import click

from deepseek_local.cli import storage_keys, storage_making, storage_opening, storage_status


@click.group()
def command() -> None:
    """Make, open, close and rekey the encrypted volume of a deployment."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")


for each in (
    storage_making.init,
    storage_opening.open_volume,
    storage_opening.close,
    storage_keys.rekey,
    storage_keys.recovery_key,
    storage_status.status,
    storage_status.backup_header,
    storage_making.erase,
    storage_status.deliver,
):
    command.add_command(each)
