"""What is running: written by `serve` when it is ready, read by `chat`, removed when `serve` ends."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from deepseek_local.errors import ClientError
from deepseek_local.files import write_atomic


@dataclass(frozen=True, slots=True)
class State:
    """The content of `state.json`."""

    url: str
    """Where the front door answers (see `supervisor.address`)."""
    model: str
    """The name that clients put into `model`."""
    token_file: str | None
    """File with this start's token for the local principal; None when the profile names none."""
    pid: int
    """Process id of `serve`."""


def write(path: Path, state: State) -> None:
    """Replace the file. Raises `OSError`."""
    write_atomic(path, f"{json.dumps(asdict(state), indent=2)}\n".encode(), mode=0o640)


def read(path: Path) -> State:
    """Return what is running. Raises `ClientError` when nothing is, or the file cannot be used."""
    try:
        state = TypeAdapter(State).validate_json(path.read_bytes(), strict=True)
    except FileNotFoundError as error:
        raise ClientError(f"nothing is running here ({path} does not exist): {_START}") from error
    except (OSError, ValidationError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not what `serve` writes"
        raise ClientError(f"{path} cannot be used ({reason}): {_START}") from error
    if not _lives(state.pid):
        raise ClientError(f"`serve` with process id {state.pid} has ended without tidying up ({path}): {_START}")
    return state


_START = "start it with `deepseek-local serve --profile NAME`, or give --url and --token-file"


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
