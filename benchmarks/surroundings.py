"""What the front door needs around it: a token, a policy, its settings, and the sequencer that writes its audit log."""

import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from processes import running, wait_for

from deepseek_local import digest_keys
from deepseek_local.identity import keys, store
from deepseek_local.profile.front_door import LedgerKind, Limits, Quota
from deepseek_local.profile.handover import GATEWAY_VARIABLE, GatewaySettings, LedgerSettings
from deepseek_local.profile.library import shipped_file

PRINCIPAL = "u:load"
PLENTY = 1_000_000_000
QUOTAS = (Quota(principal="*", requests_per_minute=PLENTY, tokens_per_minute=PLENTY),)
MEMORY = Path("/dev/shm")  # noqa: S108  tmpfs is the point: the ledger lies there, as in the runtime directory of a service
MODEL_NAME = "stub"
MAX_MODEL_LEN = 8192


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a guarded server and its clients are given."""

    token: str
    variables: dict[str, str]
    """For the environment of the server."""


def prepared(stack: ExitStack, directory: Path, quotas: Sequence[Quota]) -> Surroundings:
    """Write the files below a new directory and start a sequencer."""
    directory.mkdir()
    memory = stack.enter_context(tempfile.TemporaryDirectory(dir=MEMORY))
    _, token = store.create(directory / "tokens.json", directory / "tokens.key", PRINCIPAL, datetime.now(UTC))
    digest_keys.ensure(directory / "digest-keys")
    keys.ensure(directory / "salt.key")
    (directory / "users.csv").write_text(f"g, {PRINCIPAL}, operator\n")
    settings = _settings(directory, tuple(quotas), Path(memory))
    file = directory / "gateway.json"
    file.write_text(settings.model_dump_json())
    file.chmod(0o600)
    audit = (sys.executable, "-m", "deepseek_local", "audit", "serve")
    places = ("--directory", str(directory / "audit"), "--socket", str(settings.audit_socket))
    stack.enter_context(running((*audit, *places)))
    wait_for(str(settings.audit_socket))
    return Surroundings(token, {GATEWAY_VARIABLE: str(file)})


def _settings(directory: Path, quotas: tuple[Quota, ...], memory: Path) -> GatewaySettings:
    return GatewaySettings(
        policy_files=(shipped_file("policies", "seed.csv"), directory / "users.csv"),
        break_glass_file=directory / "break-glass.json",
        tokens_file=directory / "tokens.json",
        tokens_key_file=directory / "tokens.key",
        token_use_directory=directory / "tokens.used",
        internal_tokens={},
        audit_socket=directory / "audit.sock",
        audit_timeout_seconds=2.0,
        digest_keys=directory / "digest-keys",
        drain_file=directory / "draining",
        limits=Limits(),
        quotas=quotas,
        ledger=LedgerSettings(
            kind=LedgerKind.SQLITE, file=memory / "quota.db", url=None, password_file=None, timeout_seconds=1.0
        ),
        salt_key_file=directory / "salt.key",
        served_models=(MODEL_NAME,),
        max_model_len=MAX_MODEL_LEN,
        node="bench",
    )
