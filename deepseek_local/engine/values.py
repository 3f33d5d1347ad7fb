"""The kinds of values that a further engine argument may have; each knows how to say what it accepts."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """A set of values, given by a test; a missing value is None."""

    description: str
    accepts: Callable[[str | None], bool]


def matching(description: str, pattern: str) -> Kind:
    """Accept what the pattern matches from end to end."""
    compiled = re.compile(pattern)
    return Kind(description, lambda value: value is not None and compiled.fullmatch(value) is not None)


def one_of(*words: str) -> Kind:
    """Accept these words."""
    return Kind(f"one of {', '.join(words)}", lambda value: value in words)


SWITCH = Kind("no value", lambda value: value is None)
COUNT = matching("a whole number", r"0|[1-9][0-9]{0,9}")
NUMBER = matching("a number", r"[0-9]{1,6}(\.[0-9]{1,6})?")
NAME = matching("a name of letters, digits, '-' and '_'", r"[A-Za-z][A-Za-z0-9_-]{0,63}")
TEMPLATE = matching("the absolute path of a .jinja file", r"/[^\x00-\x1f\x7f]{1,4000}\.jinja")


def _is_flat_object(value: str | None) -> bool:
    try:
        parsed = json.loads(value or "")
    except (ValueError, RecursionError):
        return False
    return isinstance(parsed, dict) and not any(isinstance(inner, dict | list) for inner in parsed.values())


FLAT_OBJECT = Kind("a JSON object without inner objects or lists", _is_flat_object)
