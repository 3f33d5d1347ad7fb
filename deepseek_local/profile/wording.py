"""
The words in which a profile's mistakes are told: what is wrong, the value seen, the remedy.

Pydantic's error types (https://docs.pydantic.dev/latest/errors/validation_errors/) are named by what its JSON mode with strict types
can raise for `profile.schema`; a type that is new to us falls back to pydantic's own sentence.
"""

import difflib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from deepseek_local.access import PRINCIPAL

Context = Mapping[str, Any]

PATTERNS = {
    r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$": "must be 1 to 64 letters, digits, '.', '_' or '-', the first a letter or digit",
    r"^sha256:[0-9a-f]{64}$": "must be sha256: and 64 lower-case hex digits",
    f"^{PRINCIPAL.pattern}$": "must be u: (a person) or s: (a service) and a lower-case name, such as u:alice",
    r"^[a-z][a-z0-9_-]{0,62}$": "must be a lower-case letter and then letters, digits, '_' or '-', such as operator",
    f"^(\\*|{PRINCIPAL.pattern})$": "must be * or a principal such as u:alice",
    r"^(\*|[a-z][a-z0-9_-]{0,62})$": "must be * or a lower-case name such as radiology",
    r"^(\*|[A-Za-z0-9][A-Za-z0-9._-]{0,63})$": "must be * or the name of a model",
    r"^(rediss?://(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9.-]+)(:[0-9]{1,5})?(/[0-9]{1,4})?|unix:///[^@?#]+)$": (
        "must be a URL such as rediss://quota.site:6379/0 or unix:///run/redis/redis.sock, without user, password or options"
    ),
    r"^(debug|info|warning|error)$": "must be debug, info, warning or error",
}
"""What each pattern of the schema asks for, in words."""

SHOWN_CHARACTERS = 60

YAML_WORDS = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}
"""Words that YAML 1.1 read as booleans and that are plain text here."""


def show(value: object) -> str:
    """Write a value as it was seen, on one line and not too long."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    text = text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."
    return "".join(letter if letter.isprintable() else f"\\u{ord(letter):04x}" for letter in text)


def dotted(path: Iterable[str | int]) -> str:
    """Write a path as `engine.max_num_seqs`; a part that is not a plain word is quoted."""
    parts = (str(part) for part in path)
    return ".".join(part if re.fullmatch(r"[\w:/@-]{1,60}", part) else show(part) for part in parts)


def meant(word: str, known: Iterable[str]) -> str:
    """Say `did you mean x? ` where a known word is close to a wrong one, else nothing: it stands before the list of all words."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"did you mean {close[0]}? " if close else ""


def sentence(kind: str, context: Context, seen: object, fallback: str) -> str:
    """Tell one of pydantic's errors about a value; `missing` and `extra_forbidden` concern keys and are not told here."""
    what, remedy = _TELL[kind](context, seen) if kind in _TELL else (fallback, "")
    return f"{what} ({show(seen)} seen){remedy and ', ' + remedy}"


def _number(context: Context, seen: object) -> tuple[str, str]:  # noqa: ARG001 -- all tellers are called alike
    """Tell that a whole number was expected."""
    if isinstance(seen, str) and re.fullmatch(r"[-+]?[0-9]+", seen) and not re.match(r"[-+]?0[0-9]", seen):
        return "must be a whole number", "remove the quotes"
    return "must be a whole number", "write decimal digits only, such as 64"


def _decimal(context: Context, seen: object) -> tuple[str, str]:  # noqa: ARG001 -- all tellers are called alike
    """Tell that a number was expected."""
    return "must be a number", "write it with decimal digits and without quotes, such as 0.9"


def _boolean(context: Context, seen: object) -> tuple[str, str]:  # noqa: ARG001 -- all tellers are called alike
    """Tell that true or false was expected."""
    word = YAML_WORDS.get(seen.lower(), "true or false") if isinstance(seen, str) else "true or false"
    return "must be true or false", f"write {word} without quotes"


def _text(context: Context, seen: object) -> tuple[str, str]:  # noqa: ARG001 -- all tellers are called alike
    """Tell that text was expected."""
    if seen is None or isinstance(seen, list | dict):
        return "must be a text", "write one word, or a text in quotes"
    return "must be a text", "put it in quotes"


def _sequence(context: Context, seen: object) -> tuple[str, str]:  # noqa: ARG001 -- all tellers are called alike
    """Tell that a list was expected."""
    return "must be a list", f"write [{show(seen)}]" if isinstance(seen, str) else "write [first, second]"


def _section(context: Context, seen: object) -> tuple[str, str]:  # noqa: ARG001 -- all tellers are called alike
    """Tell that a section was expected."""
    return "must be a section", "indent its settings below it as key: value lines, or remove it"


def _word(context: Context, seen: object) -> tuple[str, str]:
    """Tell which words are allowed."""
    allowed = context["expected"]
    guess = meant(seen, re.findall(r"'([^']*)'", allowed)) if isinstance(seen, str) else ""
    return f"must be {allowed}", f"{guess}choose one of these words"


def _pattern(context: Context, seen: object) -> tuple[str, str]:  # noqa: ARG001 -- all tellers are called alike
    """Tell what a text must look like."""
    pattern = context["pattern"]
    return PATTERNS.get(pattern, f"must match {pattern}"), "change it accordingly"


def _bound(phrase: str, name: str, remedy: str) -> Callable[[Context, object], tuple[str, str]]:
    """Make a teller for a limit that pydantic gives in its context under `name`."""
    return lambda context, _: (f"must be {phrase} {context[name]:,}".replace(",", "_"), remedy)


_TELL: Mapping[str, Callable[[Context, Any], tuple[str, str]]] = {
    "int_type": _number,
    "int_from_float": _number,
    "float_type": _decimal,
    "bool_type": _boolean,
    "string_type": _text,
    "path_type": _text,
    "tuple_type": _sequence,
    "dict_type": _section,
    "model_type": _section,
    "enum": _word,
    "string_pattern_mismatch": _pattern,
    "greater_than": _bound("more than", "gt", "choose a larger one"),
    "greater_than_equal": _bound("at least", "ge", "choose a larger one"),
    "less_than": _bound("less than", "lt", "choose a smaller one"),
    "less_than_equal": _bound("at most", "le", "choose a smaller one"),
    "string_too_short": lambda _, __: ("must not be empty", "write a text"),
    "string_too_long": lambda context, _: (f"must have at most {context['max_length']} characters", "shorten it"),
    "too_short": lambda context, _: (f"must have at least {context['min_length']} item", "add one"),
}
