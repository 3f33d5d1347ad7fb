"""`deepseek-local audit init` and `audit rotate`: what people ask of the audit log's writer."""

from pathlib import Path

import click

from deepseek_local.audit import clock, rotation, seal, set_up
from deepseek_local.audit.admin import record_change
from deepseek_local.cli import audit_signing, render
from deepseek_local.cli.options import (
    audit_directory_option,
    audit_keys_option,
    audit_node_option,
    audit_socket_option,
    format_option,
    verbose_option,
)
from deepseek_local.cli.render import Format
from deepseek_local.hsm import ed25519
from deepseek_local.hsm.uri import TokenURI

_SENTENCE = (
    "The auditor keeps both away from this host, which does not have the first key any more and cannot show it again."
)


@click.command()
@audit_directory_option
@audit_keys_option
@audit_node_option
@click.option(
    "--origin",
    metavar="NAME",
    envvar="DEEPSEEK_LOCAL_AUDIT_ORIGIN",
    show_default="NODE/audit/YEAR",
    show_envvar=True,
    help="Name of the log, which no other log may ever have.",
)
@audit_signing.key_option
@click.option(
    "--generate",
    is_flag=True,
    envvar="DEEPSEEK_LOCAL_AUDIT_GENERATE",
    show_envvar=True,
    help="Make the key pair that --signing-key names, in the HSM; it cannot be taken out.",
)
@format_option
@verbose_option
def init(
    *,
    directory: Path,
    keys: Path | None,
    node: str,
    origin: str | None,
    signing_key: TokenURI | None,
    generate: bool,
    output: Format,
) -> None:
    """Make the keys that seal the log, and show what the auditor keeps; after a first start, show what it has made."""
    keys = keys or directory.absolute().parent
    if generate and signing_key is None:
        raise click.UsageError("--generate makes the key that --signing-key names; give both.")
    if generate and signing_key is not None and not seal.is_there(keys):
        ed25519.make(signing_key)
    with audit_signing.opened(signing_key) as key:
        handed = set_up.hand_out(directory, keys, node, clock.now(), origin, signing_key=key)
    shown = {"verifier_key": handed.verifier_key, "first_key": handed.first_key.hex()}
    lines = [f"verifier key  {shown['verifier_key']}", f"first key     {shown['first_key']}", _SENTENCE]
    render.result(output, shown, lines)
    render.insist_on_shown()
    seal.forget_first(keys)


@click.command()
@audit_directory_option
@audit_socket_option
@format_option
@verbose_option
def rotate(*, directory: Path, socket: Path, output: Format) -> None:
    """Let the running sequencer close its segment and begin a new one."""
    record_change(socket, "audit_rotate", "audit_log", {})
    segment = rotation.rotate(directory, socket)
    render.result(output, {"segment": str(segment)}, [f"{segment} follows"])
