"""`deepseek-local audit witness`: cosign the logs of other hosts here, and get the log of this host cosigned elsewhere."""

import logging
import re
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from deepseek_local.cli import render
from deepseek_local.cli.options import Command, audit_directory_option, format_option, verbose_option
from deepseek_local.cli.render import Format
from deepseek_local.tlog.policy import NO_QUORUM
from deepseek_local.witness import memory, policy_file, server, tls
from deepseek_local.witness.cosignatures import Cosignatures
from deepseek_local.witness.cosigning import Cosigning
from deepseek_local.witness.local_log import LocalLog
from deepseek_local.witness.memory import Memory
from deepseek_local.witness.round import Round

_LAST_PORT = 65_535
_LISTEN = re.compile(r"(?:\[([0-9a-fA-F:.]+)\]|([^:\[\]]+)):([0-9]{1,5})")


def _file_option(name: str, variable: str, text: str, *, required: bool = False) -> Callable[[Command], Command]:
    return click.option(
        name,
        type=click.Path(dir_okay=False, path_type=Path),
        required=required,
        envvar=f"DEEPSEEK_LOCAL_WITNESS_{variable}",
        show_envvar=True,
        help=text,
    )


def _address(_: click.Context, __: click.Parameter, value: str) -> tuple[str, int]:
    match = _LISTEN.fullmatch(value)
    if match is None or int(match[3]) > _LAST_PORT:
        raise click.BadParameter("write HOST:PORT or [IPV6]:PORT.")
    return match[1] or match[2], int(match[3])


_directory_option = click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("var/witness"),
    envvar="DEEPSEEK_LOCAL_WITNESS_DIRECTORY",
    show_default=True,
    show_envvar=True,
    help="Directory of the key and the memory of the witness.",
)
_policy_option = _file_option(
    "--policy", "POLICY", "File of logs, witnesses and quorum, as C2SP tlog-policy has it.", required=True
)
_certificate_option = _file_option("--certificate", "CERTIFICATE", "Certificate to show, PEM, for TLS.")
_key_option = _file_option("--certificate-key", "CERTIFICATE_KEY", "Its key, if that is in a file of its own.")


@click.group()
def command() -> None:
    """Be a witness of audit logs, and have the log of this host witnessed."""


@command.command()
@click.argument("name")
@_directory_option
@format_option
@verbose_option
def init(name: str, directory: Path, output: Format) -> None:
    """Make a witness called NAME, such as audit.example/w1, and print its verifier key for policies."""
    key = str(memory.create(directory, name).verifier)
    render.result(output, {"name": name, "key": key, "directory": directory}, [key])


@command.command()
@_directory_option
@_policy_option
@click.option(
    "--listen",
    default="127.0.0.1:7380",
    callback=_address,
    metavar="HOST:PORT",
    envvar="DEEPSEEK_LOCAL_WITNESS_LISTEN",
    show_default=True,
    show_envvar=True,
    help="Address to answer at.",
)
@_certificate_option
@_key_option
@_file_option("--client-ca", "CLIENT_CA", "Answer only clients with a certificate of this authority, PEM.")
@verbose_option
def serve(
    *,
    directory: Path,
    policy: Path,
    listen: tuple[str, int],
    certificate: Path | None,
    certificate_key: Path | None,
    client_ca: Path | None,
) -> None:
    """Cosign what continues the logs of the policy, until SIGTERM; its witnesses and quorum mean nothing here."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    kept = Memory(directory)
    logs = policy_file.read(policy)
    render.note(f"The witness {kept.cosigner.verifier} knows {len(logs.logs)} log(s).")
    server.run(Cosigning(kept, logs), *listen, tls.server(certificate, certificate_key, client_ca))


@command.command()
@audit_directory_option
@_policy_option
@_file_option("--ca", "CA", "Authority of the witnesses' certificates, PEM; without it those of the host.")
@_certificate_option
@_key_option
@format_option
@verbose_option
def submit(
    *,
    directory: Path,
    policy: Path,
    ca: Path | None,
    certificate: Path | None,
    certificate_key: Path | None,
    output: Format,
) -> None:
    """Get the newest checkpoint cosigned by the witnesses of the policy; exit code 5 if one has seen another log."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    rules = policy_file.read(policy)
    with tls.client(ca, certificate, certificate_key) as client:
        report = Round(LocalLog(directory), Cosignatures(directory), rules, client).run()
    needed = "no cosignature is needed" if rules.quorum == NO_QUORUM else f"the quorum {rules.quorum} is reached"
    lines = [f"{report.size} records of {report.origin}: {needed}."]
    lines += [f"{name}: cosigned at {_moment(seconds)}" for name, seconds in report.cosigned.items()]
    lines += [f"{name}: {reason}" for name, reason in report.missed.items()]
    render.result(output, {**asdict(report), "quorum": rules.quorum}, lines)


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
