"""What `deepseek-local serve` says when it is ready; what it decides and starts is tested elsewhere."""

import contextlib
import os
import shlex
import shutil
import sys
from pathlib import Path

import pytest

from deepseek_local.cli import ways
from deepseek_local.cli.render import Format
from deepseek_local.cli.serve import _announce
from deepseek_local.supervisor.state import State

TCP, UNIX = "http://127.0.0.1:8000", "unix:/run/front door/front.sock"


def shown(url: str, token_file: str | None, home: str = "var") -> str:
    return "\n".join(ways.of(State(url, "demo", token_file, 1), Path(home), "my site.yaml"))


@pytest.fixture(autouse=True)
def activated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let PATH lead to this environment's programs, as in an activated one."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")


def curl(text: str) -> list[str]:
    return shlex.split(text[text.index("  curl") : text.index("\n\n", text.index("  curl"))])


@pytest.mark.parametrize("token_file", ["/srv/my home/local.token", None])
@pytest.mark.parametrize("url", [TCP, UNIX])
def test_a_shell_takes_the_command_that_is_shown(url: str, token_file: str | None) -> None:
    words = curl(shown(url, token_file))
    assert words[-1] == '{"model": "demo", "messages": [{"role": "user", "content": "Hello"}]}'
    assert words[1:3] == ["--unix-socket", UNIX.removeprefix("unix:")] or url == TCP
    assert next(word for word in words if word.startswith("http")).endswith("/v1/chat/completions")
    assert any(word.startswith("Authorization: Bearer ") for word in words)


def test_with_a_token_of_this_start_chat_needs_nothing_else() -> None:
    assert '  deepseek-local chat "What is the capital of France?"' in shown(TCP, "/srv/local.token")
    assert "chat --home '/my home' " in shown(TCP, "/srv/local.token", "/my home")


def test_without_one_a_token_has_to_be_created_first() -> None:
    text = shown(UNIX, None)
    assert "  deepseek-local token create u:NAME --profile 'my site.yaml' > NAME.token" in text
    assert "Bearer $(cat NAME.token)" in text
    assert "  deepseek-local chat --token-file NAME.token" in text


def test_the_openai_client_is_shown_where_it_can_connect() -> None:
    assert f'OpenAI(base_url="{TCP}/v1", api_key=open("/srv/local.token").read().strip())' in shown(
        TCP, "/srv/local.token"
    )
    assert "openai" not in shown(UNIX, None)


def test_the_program_is_shown_by_its_place_where_path_does_not_lead_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own = Path(sys.executable).with_name("deepseek-local")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.chdir(tmp_path)
    assert f'  {own} chat "What' in shown(TCP, "/srv/local.token")
    monkeypatch.chdir(own.parents[2])
    word = shlex.split(shown(TCP, "/srv/local.token").splitlines()[3])[0]
    assert word == str(own.relative_to(own.parents[2]))
    assert shutil.which(word) is not None


def test_a_service_does_not_end_because_nobody_can_read_how_to_use_it(monkeypatch, caplog) -> None:
    with contextlib.suppress(OSError), Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        _announce(State(TCP, "demo", None, 1), Format.JSON, iter(()))
        monkeypatch.undo()
    assert "it runs, but how to use it cannot be shown: " in caplog.text
