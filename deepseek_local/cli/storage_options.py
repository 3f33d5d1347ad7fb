"""The options that the commands of `storage` share."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from deepseek_local.cli import token_uri
from deepseek_local.hsm.uri import TokenURI

Command = TypeVar("Command", bound=Callable[..., object])


def device_option(command: Command) -> Command:
    """Add `--device`, as the parameter `device: Path`."""
    return click.option(
        "--device",
        type=click.Path(path_type=Path),
        callback=_absolute,
        required=True,
        envvar="DEEPSEEK_LOCAL_STORAGE_DEVICE",
        show_envvar=True,
        help="Block device, or file, of the volume; best a name below /dev/disk/by-id.",
    )(command)


def name_option(command: Command) -> Command:
    """Add `--name`, as the parameter `name: str`."""
    return click.option(
        "--name",
        default="deepseek-local",
        envvar="DEEPSEEK_LOCAL_STORAGE_NAME",
        show_default=True,
        show_envvar=True,
        help="Name of the open volume below /dev/mapper.",
    )(command)


def key_option(command: Command) -> Command:
    """Add `--key`, as the parameter `key: TokenURI | None`."""
    return click.option(
        "--key",
        metavar="pkcs11:...",
        callback=token_uri.parse,
        envvar="DEEPSEEK_LOCAL_STORAGE_KEY",
        show_envvar=True,
        help="AES key in the HSM that wraps the passphrase, as a pkcs11: URI with module-path and pin-source.",
    )(command)


def new_key_option(command: Command) -> Command:
    """Add `--new-key`, as the parameter `new_key: TokenURI | None`."""
    return click.option(
        "--new-key",
        metavar="pkcs11:...",
        callback=token_uri.parse,
        envvar="DEEPSEEK_LOCAL_STORAGE_NEW_KEY",
        show_default="--key",
        show_envvar=True,
        help="AES key that wraps the passphrase from now on.",
    )(command)


def generate_option(command: Command) -> Command:
    """Add `--generate`."""
    return click.option(
        "--generate",
        is_flag=True,
        envvar="DEEPSEEK_LOCAL_STORAGE_GENERATE",
        show_envvar=True,
        help="Make the key first, in the HSM; it cannot be taken out.",
    )(command)


def header_backup_option(command: Command) -> Command:
    """Add `--header-backup`, as the parameter `header_backup: Path`."""
    return click.option(
        "--header-backup",
        type=click.Path(dir_okay=False, path_type=Path),
        required=True,
        envvar="DEEPSEEK_LOCAL_STORAGE_HEADER_BACKUP",
        show_envvar=True,
        help="New file for the copy of the header, without which a damaged sector can cost the whole volume.",
    )(command)


def records_option(command: Command) -> Command:
    """Add `--records` and `--audit-socket`, as the parameters `records: Path` and `audit_socket: Path | None`."""
    socket = click.option(
        "--audit-socket",
        type=click.Path(dir_okay=False, path_type=Path),
        envvar="DEEPSEEK_LOCAL_AUDIT_SOCKET",
        show_envvar=True,
        help="Unix socket of the sequencer, where it may run already.",
    )
    directory = click.option(
        "--records",
        type=click.Path(file_okay=False, path_type=Path),
        default=Path("/var/lib/deepseek-local-storage"),
        envvar="DEEPSEEK_LOCAL_STORAGE_RECORDS",
        show_default=True,
        show_envvar=True,
        help="Directory in which records wait for the audit log; never on the volume.",
    )
    return directory(socket(command))


def insist(key: TokenURI | None) -> TokenURI:
    """Return the key, which a command cannot do without. Raises `click.UsageError`."""
    if key is None:
        raise click.UsageError("Missing option '--key'.")
    return key


def _absolute(_context: click.Context, _parameter: click.Parameter, value: Path) -> Path:
    """Keep the name, which may be a link below /dev/disk, and let no program take it for an option."""
    return value.absolute()
