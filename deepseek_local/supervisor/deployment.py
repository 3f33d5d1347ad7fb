"""Everything that one `serve` runs, decided beforehand: commands, files, the golden question and the times."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deepseek_local.proc import Command
from deepseek_local.supervisor.address import Address
from deepseek_local.supervisor.canary import Canary
from deepseek_local.supervisor.state import State
from deepseek_local.supervisor.watchdog import Rhythm


@dataclass(frozen=True, slots=True)
class Times:
    """Limits in seconds."""

    start_seconds: float
    """How long the engine may load."""
    drain_seconds: float
    """How long running answers may go on after a stop was asked for; the engine is told the same."""
    canary_seconds: float
    """How long the golden answer may take."""
    probe_seconds: float = 5.0
    """How long any other answer may take."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """One engine behind its front door, and its audit sequencer."""

    profile: str
    """Name of the profile, for records."""
    provenance: Mapping[str, str]
    """What else the first record tells: digests of profile and model, and versions."""
    checkpoint: Path
    """Directory of what the engine serves."""
    engine: Command
    sequencer: Command | None
    """None where somebody else keeps it."""
    audit_socket: Path
    address: Address
    """Where the front door answers."""
    front_socket: Path | None
    """None when the front door listens on a port."""
    socket_group: str | None
    drain_file: Path
    state_file: Path
    state: State
    canary: Canary
    rhythm: Rhythm
    times: Times
