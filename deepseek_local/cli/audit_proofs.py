"""`deepseek-local audit prove`, `check-proof` and `consistency`: proofs for those who do not have the log."""

import base64
from pathlib import Path

import click

from deepseek_local.audit.record import parse
from deepseek_local.cli import record_numbers, render
from deepseek_local.cli.audit_trust import key_option
from deepseek_local.cli.options import audit_directory_option, format_option, verbose_option
from deepseek_local.cli.render import Format
from deepseek_local.errors import AuditError, OutputError
from deepseek_local.evidence import checkpoints, proof_file, proofs, rendering, trust
from deepseek_local.evidence.checkpoints import Stop
from deepseek_local.evidence.proof_file import SUFFIX
from deepseek_local.evidence.trust import Trust
from deepseek_local.files import read_regular
from deepseek_local.tlog.note import BYTES_LIMIT


@click.command()
@click.argument("seq", type=click.IntRange(0, record_numbers.LARGEST))
@audit_directory_option
@key_option
@click.option(
    "--output",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="DEEPSEEK_LOCAL_AUDIT_PROOF",
    show_default=f"SEQ{SUFFIX}",
    show_envvar=True,
    help="File to write the proof to.",
)
@format_option
@verbose_option
def prove(*, seq: int, directory: Path, keys: tuple[str, ...], file: Path | None, output: Format) -> None:
    """Write a file that proves record SEQ to anybody who has the public key."""
    proof = proofs.prove(directory, trust.read(keys), seq)
    file = file or Path(f"{seq}{SUFFIX}")
    try:
        file.write_bytes(proof.encode())
    except OSError as error:
        raise OutputError(f"cannot write {file}: {error.strerror}; give another --output") from error
    render.result(
        output,
        {"record": seq, "file": file, "hashes": len(proof.hashes)},
        [f"{file} proves record {seq}; check it with `audit check-proof {file}`."],
    )


@click.command("check-proof")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@key_option
@format_option
@verbose_option
def check_proof(*, file: Path, keys: tuple[str, ...], output: Format) -> None:
    """Check the proof in FILE and show its record; it takes nothing but the file and the public key."""
    try:
        content = read_regular(file, BYTES_LIMIT + 1)
    except OSError as error:
        raise AuditError(f"cannot read {file}: {error.strerror}; name a file that `audit prove` wrote") from error
    line, signed = proofs.check(proof_file.parse(content), trust.read(keys), str(file))
    record = parse(line)
    render.result(
        output,
        {"record": record.envelope.seq, "line": line.decode(), "log": signed.origin, "sealed_records": signed.size},
        [
            rendering.text(record),
            f"This record is number {record.envelope.seq} of {signed.origin}, sealed among {signed.size} records.",
        ],
    )


@click.command()
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@audit_directory_option
@key_option
@format_option
@verbose_option
def consistency(*, old: str, new: str, directory: Path, keys: tuple[str, ...], output: Format) -> None:
    """Prove that the log of NEW records begins with that of OLD; each is a number of records, or a file with a checkpoint."""
    trusting = trust.read(keys)
    proved = proofs.continuation(directory, trusting, _state(old, trusting), _state(new, trusting))
    hashes = [base64.b64encode(each).decode() for each in proved.hashes]
    states = {
        name: {"size": tree.size, "root": base64.b64encode(tree.root).decode()}
        for name, tree in (("old", proved.old), ("new", proved.new))
    }
    render.result(
        output,
        {**states, "proof": hashes},
        [*hashes, f"The log of {proved.new.size} records begins with all {proved.old.size} records of the older one."],
    )


def _state(word: str, trusting: Trust) -> int | Stop:
    """Read a number of records, or a file."""
    number = record_numbers.read(word)
    return checkpoints.read_note(Path(word), trusting) if number is None else number
