"""
Let schemathesis ask the front door by the engine's own OpenAPI document, as an admin, with a wrong role, and as nobody.

    python -m tests.fuzz.run_schemathesis [--schemathesis .venv-security/bin/schemathesis] [--examples 30] [--seed 1] [--parser httptools]

Fails for any answer of 500 or above, for a request that the engine saw without an allowed decision, and for a route that was allowed to
somebody without the right. schemathesis lives in an environment of its own: `scripts/environment .venv-security security-tools`.
"""

import argparse
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.client import Protocol
from tests.fuzz.findings import collect, findings, records
from tests.fuzz.run import ROOT, FuzzedDoor
from tests.integration.gateway.conftest import PARSERS

DOCUMENT_PROGRAM = ROOT / "tests" / "integration" / "engine_routes.py"
PHASES = {"admin": "examples,coverage,fuzzing"}
"""The coverage phase sends twenty thousand requests, of which only an admin's get past the policy; the others do without."""
RIGHTS = {"admin": None, "analyst": {"GET /v1/models"}, "a wrong token": set[str](), "nobody": set[str]()}
"""The only routes that each may be allowed; None for all that can be."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for."""

    program: Path
    examples: int
    seed: int
    parser: str


def write_document(to: Path) -> None:
    """Let the installed engine build its application and describe it."""
    with to.open("wb") as output:
        subprocess.run(
            [sys.executable, str(DOCUMENT_PROGRAM), "--openapi"], stdout=output, stderr=subprocess.DEVNULL, check=True
        )


def tried(who: str, document: Path, options: Options) -> list[str]:
    """Run schemathesis once; return what does not hold."""
    with tempfile.TemporaryDirectory() as directory:
        door = FuzzedDoor(Path(directory), options.parser)
        token = {"admin": door.root, "analyst": door.ann, "a wrong token": door.root[:-1] + "x", "nobody": None}[who]
        with door.apart():
            result = subprocess.run(command(who, document, door.port, token, options), cwd=directory, check=False)
        evidence = collect(Protocol(), door.sequencer.directory, door.seen_file)
        decided = [record for record in records(door.sequencer.directory) if record["kind"] == "decision"]
    allowed = {record["route"] for record in decided if record["dec"] == "allow"}
    right = RIGHTS[who]
    found = findings(evidence)
    found += [f"{route} was allowed to {who}" for route in sorted(allowed) if right is not None and route not in right]
    if result.returncode != 0:
        found.append("schemathesis found something: see above")
    reasons = Counter(record.get("reason", "allowed") for record in decided)
    print(
        f"{who}: {len(decided)} decisions {dict(reasons)}, {len(evidence.seen)} reached the engine, {len(found)} findings"
    )
    return found


def command(who: str, document: Path, port: int, token: str | None, options: Options) -> list[str]:
    """Return the command line; the check is for faults alone, for the stub behind the door keeps to no schema."""
    header = ["--header", f"Authorization: Bearer {token}"] if token else []
    return [
        str(options.program), "run", str(document), "--url", f"http://127.0.0.1:{port}", "--checks", "not_a_server_error",
        "--phases", PHASES.get(who, "examples,fuzzing"), "--max-examples", str(options.examples), "--seed", str(options.seed),
        "--mode", "all", "--suppress-health-check", "all", "--warnings", "off", "--continue-on-failure", *header,
    ]  # fmt: skip


def main() -> int:
    """Do what the command line asks."""
    parser = argparse.ArgumentParser(description="Ask the front door by the engine's document.", allow_abbrev=False)
    parser.add_argument("--schemathesis", type=Path, default=ROOT / ".venv-security" / "bin" / "schemathesis")
    parser.add_argument("--examples", type=int, default=30, help="for each operation and phase")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--parser", choices=list(PARSERS), default="httptools")
    given = parser.parse_args()
    options = Options(given.schemathesis.resolve(), given.examples, given.seed, given.parser)
    with tempfile.TemporaryDirectory() as directory:
        document = Path(directory) / "openapi.json"
        write_document(document)
        found = [line for who in RIGHTS for line in tried(who, document, options)]
    print(*found, sep="\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
