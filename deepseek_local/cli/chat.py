"""`deepseek-local chat`: ask the running model, once or in a conversation."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import click

from deepseek_local import chat
from deepseek_local.chat import Conversation, Message, Options
from deepseek_local.cli import render
from deepseek_local.cli.options import format_option, home_option, verbose_option
from deepseek_local.cli.render import Format
from deepseek_local.profile.places import Places

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@click.command()
@click.argument("question", required=False)
@click.option(
    "--url",
    envvar="DEEPSEEK_LOCAL_URL",
    show_envvar=True,
    metavar="URL",
    help="http://HOST:PORT, https://… or unix:/PATH.",
)
@click.option(
    "--token-file",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="DEEPSEEK_LOCAL_TOKEN_FILE",
    show_envvar=True,
    help=f"File with the token; the variable {chat.TOKEN} may hold the token itself.",
)
@click.option("--system", envvar="DEEPSEEK_LOCAL_SYSTEM", show_envvar=True, metavar="TEXT", help="System prompt.")
@click.option(
    "--max-tokens",
    type=click.IntRange(min=1),
    envvar="DEEPSEEK_LOCAL_MAX_TOKENS",
    show_envvar=True,
    help="Longest answer, in tokens.",
)
@click.option(
    "--temperature",
    type=click.FloatRange(0, 2),
    envvar="DEEPSEEK_LOCAL_TEMPERATURE",
    show_envvar=True,
    help="0 always gives the same answer.",
)
@home_option
@format_option
@verbose_option
def command(
    *,
    question: str | None,
    url: str | None,
    token_file: Path | None,
    system: str | None,
    max_tokens: int | None,
    temperature: float | None,
    home: Path,
    output: Format,
) -> None:
    """
    Ask the running model and stream its answer.

    Without QUESTION it is read from standard input; on a terminal a conversation starts, which an empty line or Ctrl-D ends.
    """
    target = chat.find(url, token_file, os.environ, Places.of(home, os.environ).state)
    messages = [Message("system", system)] if system else []
    options = Options(max_tokens, temperature)
    with closing(Conversation(target)) as conversation:
        for asked in _questions(question):
            messages.append(Message("user", asked))
            answer = _answer(conversation, messages, options, output)
            messages.append(Message("assistant", answer))
            if output is Format.JSON:
                render.result(output, {"question": asked, "answer": answer}, ())


def _questions(question: str | None) -> Iterator[str]:
    if question is not None:
        yield _sound(question)
    elif sys.stdin is not None and sys.stdin.isatty():
        while asked := render.ask("you> ").strip():
            yield _sound(asked)
    else:
        given = sys.stdin.buffer.read() if sys.stdin is not None else b""
        yield _sound(given.decode("utf-8", "surrogateescape").strip())


def _sound(question: str) -> str:
    """Refuse what no question can be, before anything is sent. Raises `click.UsageError`."""
    if not question.strip():
        raise click.UsageError("the question is empty; give it as an argument or on standard input")
    if any("\ud800" <= character <= "\udfff" for character in question):
        raise click.UsageError("the question is not UTF-8 text; convert it, for example with iconv")
    return question


def _answer(conversation: Conversation, messages: list[Message], options: Options, output: Format) -> str:
    """Return the answer, and as text show it while it comes; of thinking only the fact is shown."""
    answer, thinks = "", False
    try:
        for piece in conversation.ask(messages, options):
            if piece.thinking and not thinks:
                render.note("(thinking)")
            thinks = thinks or piece.thinking
            if not piece.thinking:
                answer += piece.text
                if output is Format.TEXT:
                    render.stream(_harmless(piece.text))
    finally:
        if answer and output is Format.TEXT:
            render.stream("\n")
    return answer


def _harmless(text: str) -> str:
    """Take from a terminal what could command it: a model may repeat escape sequences that somebody put into its prompt."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text) if render.is_terminal() else text
