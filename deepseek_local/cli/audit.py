"""`deepseek-local audit`: run the sequencer, and look at what it wrote."""

import logging
from pathlib import Path

import click

from deepseek_local import parent
from deepseek_local.audit import sequencer
from deepseek_local.audit.space import Watermarks
from deepseek_local.cli import (
    audit_capture,
    audit_export,
    audit_hash,
    audit_proofs,
    audit_prune,
    audit_reading,
    audit_ship,
    audit_signing,
    audit_verify,
    audit_witness,
    audit_writing,
)
from deepseek_local.cli.options import (
    audit_directory_option,
    audit_keys_option,
    audit_node_option,
    audit_socket_option,
    verbose_option,
)
from deepseek_local.cli.user_id import UserID
from deepseek_local.hsm.uri import TokenURI


@click.group()
def command() -> None:
    """Run the audit sequencer and look at its log."""


command.add_command(audit_capture.command)
command.add_command(audit_hash.hash_text)
command.add_command(audit_hash.keys)
command.add_command(audit_reading.tail)
command.add_command(audit_reading.search)
command.add_command(audit_export.command)
command.add_command(audit_prune.command)
command.add_command(audit_verify.command)
command.add_command(audit_proofs.prove)
command.add_command(audit_proofs.check_proof)
command.add_command(audit_proofs.consistency)
command.add_command(audit_ship.command)
command.add_command(audit_witness.command, "witness")
command.add_command(audit_writing.init)
command.add_command(audit_writing.rotate)


@command.command()
@audit_directory_option
@audit_keys_option
@audit_signing.key_option
@audit_socket_option
@audit_node_option
@click.option(
    "--allow-uid",
    "allowed_uids",
    type=UserID(),
    multiple=True,
    envvar="DEEPSEEK_LOCAL_AUDIT_ALLOW_UID",
    show_envvar=True,
    help="User, by name or number, that may write besides root and our own; may be given several times.",
)
@click.option(
    "--warn-free-percent",
    type=click.FloatRange(0, 90),
    default=Watermarks().warn_percent,
    envvar="DEEPSEEK_LOCAL_AUDIT_WARN_FREE_PERCENT",
    show_default=True,
    show_envvar=True,
    help="Free share of the volume below which a warning is recorded; 0 for never.",
)
@click.option(
    "--stop-free-percent",
    type=click.FloatRange(0, 50),
    default=Watermarks().stop_percent,
    envvar="DEEPSEEK_LOCAL_AUDIT_STOP_FREE_PERCENT",
    show_default=True,
    show_envvar=True,
    help="Free share below which records of requests are refused; 0 for never.",
)
@click.option(
    "--parent",
    "process",
    type=click.IntRange(min=1),
    envvar=parent.VARIABLE,
    show_envvar=True,
    help="End in order with this process, which must be the one that starts the sequencer.",
)
@verbose_option
def serve(
    *,
    directory: Path,
    keys: Path | None,
    signing_key: TokenURI | None,
    socket: Path,
    node: str,
    allowed_uids: tuple[int, ...],
    warn_free_percent: float,
    stop_free_percent: float,
    process: int | None,
) -> None:
    """Keep the log until SIGTERM: one writer for all processes of this host."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    if process is not None:
        parent.end_with(process)
    keys = keys or directory.absolute().parent
    with audit_signing.opened(signing_key) as key:
        sequencer.run(
            directory,
            keys,
            socket,
            node=node,
            signing_key=key,
            allowed_uids=allowed_uids,
            watermarks=Watermarks(warn_free_percent, stop_free_percent),
        )
