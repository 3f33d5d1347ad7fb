"""A small right profile, and the lines that are told about a wrong one."""

from pathlib import Path

import pytest

from deepseek_local.errors import ProfileError
from deepseek_local.profile.load import load

RIGHT = """\
hardware:
  vendor: nvidia
  gpu: NVIDIA H100 80GB HBM3
  count: 2
  memory_gib: 79.18
model:
  card: deepseek-llm-7b-chat
  served_name: deepseek
engine:
  tensor_parallel_size: 2
  max_model_len: 4096
  max_num_seqs: 64
  max_num_batched_tokens: 2048
  gpu_memory_utilization: 0.9
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a profile into the working directory and return its name."""
    monkeypatch.chdir(tmp_path)

    def write(text: str = RIGHT, name: str = "p.yaml") -> str:
        Path(name).write_text(text, encoding="utf-8")
        return name

    return write


@pytest.fixture
def mistakes(write):
    """Load a profile and return its mistakes, a line each; none if it is right."""

    def mistakes(text: str = RIGHT, **options) -> list[str]:
        try:
            load(write(text), **options)
        except ProfileError as error:
            return [str(problem) for problem in error.problems]
        return []

    return mistakes


@pytest.fixture
def with_line():
    """Return the right profile with one line replaced."""

    def with_line(key: str, line: str) -> str:
        lines = RIGHT.splitlines()
        (index,) = [index for index, old in enumerate(lines) if old.strip().startswith(f"{key}:")]
        indent = lines[index][: len(lines[index]) - len(lines[index].lstrip())]
        lines[index] = "\n".join(indent + part for part in line.splitlines())
        return "\n".join(lines) + "\n"

    return with_line
