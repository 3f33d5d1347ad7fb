"""What `deepseek-local serve` says when it is ready; what it decides and starts is tested elsewhere."""

import shlex
from pathlib import Path

import pytest

from deepseek_local.cli.serve import _how_to_talk
from deepseek_local.supervisor.state import State

TCP, UNIX = "http://127.0.0.1:8000", "unix:/run/front door/front.sock"


def shown(url: str, token_file: str | None, home: str = "var") -> str:
    return "\n".join(_how_to_talk(State(url, "demo", token_file, 1), Path(home)))


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
    assert "deepseek-local token create u:NAME" in text
    assert "deepseek-local chat " not in text


def test_the_openai_client_is_shown_where_it_can_connect() -> None:
    assert f'OpenAI(base_url="{TCP}/v1", api_key=open("/srv/local.token").read().strip())' in shown(
        TCP, "/srv/local.token"
    )
    assert "openai" not in shown(UNIX, None)
