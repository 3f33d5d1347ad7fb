"""The ways to use what is running now, as commands that can be pasted into another terminal in the same directory."""

import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from deepseek_local.supervisor.state import State


def of(state: State, home: Path, profile: str) -> Iterator[str]:
    """Yield the lines to show."""
    program = shlex.quote(_program())
    unix = state.url.removeprefix("unix:") if state.url.startswith("unix:") else None
    base = "http://localhost" if unix else state.url
    socket = f"--unix-socket {shlex.quote(unix)} " if unix else ""
    token = f"$(cat {shlex.quote(state.token_file)})" if state.token_file else "$(cat NAME.token)"
    place = "" if home == Path("var") else f" --home {shlex.quote(str(home))}"
    yield from ("", f"Ready: model {state.model} at {state.url}", "")
    if state.token_file:
        yield f'  {program} chat{place} "What is the capital of France?"'
    else:
        yield f"  {program} token create u:NAME{place} --profile {shlex.quote(profile)} > NAME.token"
        yield f"  {program} chat{place} --token-file NAME.token"
    body = f'{{"model": "{state.model}", "messages": [{{"role": "user", "content": "Hello"}}]}}'
    yield from (
        "",
        f"  curl {socket}{base}/v1/chat/completions \\",
        f'    -H "Authorization: Bearer {token}" -H "Content-Type: application/json" \\',
        f"    -d '{body}'",
        "",
    )
    if not unix:
        secret = f'open("{state.token_file or "NAME.token"}").read().strip()'
        yield from ("  from openai import OpenAI", f'  client = OpenAI(base_url="{base}/v1", api_key={secret})', "")
    yield "Ctrl-C stops it."


def _program() -> str:
    """Name this program so that a shell finds it: by its place where PATH does not lead there."""
    own = Path(sys.executable).with_name("deepseek-local")
    if not own.exists() or shutil.which(own.name) == str(own):
        return own.name
    return str(own.relative_to(Path.cwd()) if own.is_relative_to(Path.cwd()) else own)
