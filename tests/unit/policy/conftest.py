"""What the tests of the policy share: short ways to say who asks for what, and to write policies."""

from collections.abc import Callable
from pathlib import Path

import pytest

from deepseek_local.access import Access, Body, Principal, Risk


@pytest.fixture
def access() -> Callable[[str, str], Access]:
    return lambda resource, action: Access("/route", resource, action, Risk.GUARDED, Body.NONE)


@pytest.fixture
def who() -> Callable[..., Principal]:
    return lambda name, **more: Principal(name, "token", "kid", **more)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write(text: str, name: str = "policy.csv") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write
