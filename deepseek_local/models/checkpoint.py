"""
A checkpoint directory, looked over before the engine sees it: complete, readable, and free of code.

The engine is never allowed to run code of a model (`auto_map`, `*.py`: CVE-2026-22807, CVE-2026-27893) nor to unpickle weights
(`*.bin`, `*.pt`, `*.pth`). Only small files and safetensors headers are read, so this takes well under a second even for 600 GB.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deepseek_local.errors import ModelError
from deepseek_local.models.facts import ModelFacts, facts_from_config
from deepseek_local.models.safetensors import read_header

_INDEX = "model.safetensors.index.json"
_WEIGHTS = ".safetensors"
_PICKLES = (".bin", ".pt", ".pth")
_READ = (_WEIGHTS, ".json", ".jinja", ".model", ".tiktoken", ".txt")
"""What the engine opens: weights, configuration, chat template and tokenizer; nothing else takes part in the revision."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A directory that the engine may be given."""

    path: Path
    facts: ModelFacts
    revision: str
    """See `revision`."""


def inspect(path: Path) -> Checkpoint:
    """
    Look a checkpoint over.

    Raises `ModelError` when it is missing, unreadable, incomplete or unsafe; the message names the file and the remedy.
    """
    try:
        config = _config(path)
        _refuse_dangling_links(path)
        _refuse_code(path, config)
        _refuse_missing_weights(path)
        return Checkpoint(path, facts_from_config(config), revision(path))
    except PermissionError as error:
        raise ModelError(
            f"{error.filename} cannot be read by user {os.geteuid()}: give it read permission, directories also execute"
        ) from error
    except OSError as error:
        raise ModelError(f"the checkpoint {path} cannot be read: {error}") from error
    except ModelError as error:
        raise ModelError(f"the checkpoint {path} cannot be served: {error}") from error


def revision(path: Path) -> str:
    """
    Return a digest that identifies a checkpoint, quickly; it does not prove every byte of its weights.

    SHA-256 over the sorted lines `SHA256 SIZE NAME` of the files that the engine reads: of a safetensors file the header (names,
    shapes and places of all tensors) is hashed, of every other file the whole content. Raises `ModelError` and `OSError`.
    """
    lines = sorted(_line(file) for file in _files(path))
    return "sha256:" + hashlib.sha256("".join(lines).encode()).hexdigest()


def _line(file: Path) -> str:
    if file.suffix == _WEIGHTS:
        header = read_header(file)
        return f"{hashlib.sha256(header.content).hexdigest()} {header.file_bytes} {file.name}\n"
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return f"{digest} {file.stat().st_size} {file.name}\n"


def _files(path: Path) -> Iterator[Path]:
    """List what the engine reads; it looks at the top level only, and not at hidden files."""
    for entry in path.iterdir():
        if entry.suffix in _READ and not entry.name.startswith(".") and entry.is_file():
            yield entry


def _config(path: Path) -> dict[str, object]:
    if not path.exists():
        raise ModelError("it does not exist; set model.path to the directory that holds config.json and *.safetensors")
    if not path.is_dir():
        raise ModelError("it is not a directory; set model.path to the directory that holds config.json")
    file = path / "config.json"
    if not file.exists():
        raise ModelError("it holds no config.json; set model.path to the directory of a Hugging Face checkpoint")
    try:
        config = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ModelError(f"its config.json is not valid JSON ({error}); download it again") from error
    if not isinstance(config, dict):
        raise ModelError(f"its config.json holds {type(config).__name__} where an object belongs; download it again")
    return config


def _refuse_dangling_links(path: Path) -> None:
    for entry in sorted(path.iterdir()):
        if entry.is_symlink() and not entry.exists():
            raise ModelError(
                f"{entry.name} is a link to {entry.readlink()}, which does not exist; copy the file itself"
            )


def _refuse_code(path: Path, config: dict[str, object]) -> None:
    code = sorted(str(file.relative_to(path)) for file in path.rglob("*.py"))
    if code:
        raise ModelError(
            f"it brings code of its own ({', '.join(code)}), which is never run; move these files elsewhere: vLLM has its own "
            "classes for DeepSeek's architectures"
        )
    # DeepSeek's own checkpoints name their classes in `auto_map`; without the files that is harmless. With `--` it names another
    # repository, whose code would come from a cache.
    elsewhere = [name for name in _strings(config.get("auto_map")) if "--" in name]
    if elsewhere:
        raise ModelError(
            f"its config.json names code in another repository (auto_map: {elsewhere[0]!r:.128}), which is never run; delete 'auto_map' "
            "there if vLLM has a class for this architecture"
        )


def _strings(value: object) -> Iterator[str]:
    """Return all texts in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _strings(part)


def _refuse_missing_weights(path: Path) -> None:
    names = {entry.name for entry in path.iterdir()}
    if not any(name.endswith(_WEIGHTS) for name in names):
        if pickles := sorted(name for name in names if name.endswith(_PICKLES)):
            raise ModelError(
                f"its weights are pickles ({pickles[0]}), which can run code when loaded; take the safetensors version, or "
                "convert them on an isolated machine"
            )
        raise ModelError("it holds no weights (*.safetensors); copy or download them")
    if missing := sorted(_indexed(path) - names):
        raise ModelError(f"{len(missing)} of its weight files are missing, first {missing[0]}; copy or download them")


def _indexed(path: Path) -> set[str]:
    """Return the weight files that the index names; a single-file checkpoint has no index."""
    index = path / _INDEX
    if not index.exists():
        return set()
    try:
        return set(json.loads(index.read_bytes())["weight_map"].values())
    except (ValueError, AttributeError, TypeError, LookupError, RecursionError) as error:
        raise ModelError(f"its {_INDEX} is damaged ({error}); download it again") from error
