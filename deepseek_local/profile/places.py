"""
Where the files of one deployment lie: everything durable below *home*, everything of one start below *runtime*.

    home/                                  runtime/ (0750)
    ├── models/CARD/                       ├── gateway.json        settings of the front door (0600)
    ├── tokens.json, tokens.key (0600)     ├── front.sock          the front door, unless it listens on TCP
    ├── tokens.used/                       ├── audit.sock          the sequencer
    ├── digest-keys/, salt.key, proxy.key  ├── quota.db            what was used, unless Redis counts it
    ├── users.csv, break-glass.json        ├── state.json          what is running, for `chat`
    ├── audit/, audit.key, audit.mac       ├── local.token (0600)  token of this start for the local principal
    ├── cache/ (0700)                      └── draining            exists while new requests are refused
    └── log/engine.log, log/sequencer.log

This module only computes names; nothing is read or created.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deepseek_local.profile.schema import Profile


@dataclass(frozen=True, slots=True)
class Places:
    """The two absolute directories of a deployment, and the names below them."""

    home: Path
    runtime: Path
    foreign_audit_socket: Path | None = None
    """Socket of a sequencer that somebody else keeps, such as a unit with a user of its own; None where `serve` starts it."""

    @classmethod
    def of(cls, home: Path, environment: Mapping[str, str]) -> "Places":
        """
        Take *runtime* from systemd's `RUNTIME_DIRECTORY` where it is set, else `run` below *home*.

        `DEEPSEEK_LOCAL_AUDIT_SOCKET` says that a sequencer runs already, and where it listens.
        """
        home = home.absolute()
        runtime = environment.get("RUNTIME_DIRECTORY", "").split(":")[0]
        foreign = environment.get("DEEPSEEK_LOCAL_AUDIT_SOCKET")
        return cls(
            home,
            Path(runtime).absolute() if runtime else home / "run",
            Path(foreign).absolute() if foreign else None,
        )

    def model(self, profile: Profile) -> Path:
        """Return the checkpoint's directory."""
        if profile.model.path is not None:
            return self.home / profile.model.path
        return self.home / "models" / (profile.model.card or profile.model.served_name)

    def tokens(self, profile: Profile) -> Path:
        """Return the token store."""
        return self.home / profile.gateway.tokens

    def tokens_key(self, profile: Profile) -> Path:
        """Return the key under which tokens are hashed; it lies beside the store."""
        return self.tokens(profile).with_suffix(".key")

    def audit(self, profile: Profile) -> Path:
        """Return the directory of the audit segments."""
        return self.home / profile.audit.directory

    def front_socket(self, profile: Profile) -> Path:
        """Return the front door's Unix socket."""
        return self.runtime / profile.gateway.socket

    @property
    def digest_keys(self) -> Path:
        """Return the directory of the keys under which prompts and answers are digested."""
        return self.home / "digest-keys"

    @property
    def captures(self) -> Path:
        """Return the store of prompts and answers, where they are captured."""
        return self.home / "capture"

    @property
    def capture_key(self) -> Path:
        """Return the key that wraps the keys of that store."""
        return self.home / "capture.key"

    @property
    def salt_key(self) -> Path:
        """Return the key from which the prefix-cache salt of every tenant is derived."""
        return self.home / "salt.key"

    @property
    def proxy_key(self) -> Path:
        """Return the key with which nginx proves that it hands over client certificates."""
        return self.home / "proxy.key"

    @property
    def break_glass(self) -> Path:
        """Return the file of the emergency grants."""
        return self.home / "break-glass.json"

    def token_use(self, profile: Profile) -> Path:
        """Return the directory whose files tell, by their times, when each token was used last."""
        return self.tokens(profile).with_suffix(".used")

    @property
    def ledger(self) -> Path:
        """Return the database in which quotas are counted."""
        return self.runtime / "quota.db"

    @property
    def cache(self) -> Path:
        """Return the directory for the engine's compiled code; it is executed, so it must be private (0700)."""
        return self.home / "cache"

    @property
    def engine_log(self) -> Path:
        """Return the file that takes what the engine prints."""
        return self.home / "log" / "engine.log"

    @property
    def sequencer_log(self) -> Path:
        """Return the file that takes what the audit sequencer prints."""
        return self.home / "log" / "sequencer.log"

    @property
    def gateway(self) -> Path:
        """Return the file with the settings of the front door."""
        return self.runtime / "gateway.json"

    @property
    def audit_socket(self) -> Path:
        """Return the sequencer's socket."""
        return self.foreign_audit_socket or self.runtime / "audit.sock"

    @property
    def state(self) -> Path:
        """Return the file that says what is running."""
        return self.runtime / "state.json"

    @property
    def local_token(self) -> Path:
        """Return the file with this start's token for the local principal."""
        return self.runtime / "local.token"

    @property
    def drain(self) -> Path:
        """Return the file whose existence makes the front door refuse new requests."""
        return self.runtime / "draining"
