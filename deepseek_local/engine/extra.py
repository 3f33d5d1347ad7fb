"""
The check of `engine.extra_arguments`: exact flags of the allow-list, one `--flag` or `--flag=value` per entry.

A refusal names the argument, the reason and what to write instead. Nothing here knows files or the profile's place in one.
"""

import re
from collections.abc import Iterator, Sequence

from deepseek_local.engine.allowed import ALLOWED, REFUSED
from deepseek_local.engine.compat import first_version, known_flags
from deepseek_local.profile.wording import meant, show

_FORM = re.compile(r"--[a-z][a-z0-9]*(-[a-z0-9]+)*(=[^\x00-\x1f\x7f]*)?")


def flag_of(argument: str) -> str:
    """Return the part of `--flag=value` before the value."""
    return argument.partition("=")[0]


def problems(arguments: Sequence[str], engine_version: str) -> Iterator[str]:
    """Say what is wrong with each argument, in one sentence; nothing when all may be given to this engine."""
    known = known_flags(engine_version)
    seen: set[str] = set()
    for argument in arguments:
        for complaint in _complaints(argument, known, seen):
            yield f"engine.extra_arguments: {show(argument)} {complaint}"
        seen.add(flag_of(argument))


def _complaints(argument: str, known: frozenset[str], seen: set[str]) -> Iterator[str]:
    """Yield the first thing that is wrong, if any: the later ones would only follow from it."""
    flag, value = flag_of(argument), argument.partition("=")[2] if "=" in argument else None
    if _FORM.fullmatch(argument) is None:
        yield _malformed(argument)
    elif flag not in ALLOWED:
        yield _not_allowed(flag)
    elif flag not in known:
        yield f"came with vLLM {first_version(flag)}, remove it or install a newer engine"
    elif not ALLOWED[flag].kind.accepts(value):
        yield f"does not fit: {flag} takes {ALLOWED[flag].kind.description}"
    elif flag in seen:
        yield f"gives {flag} twice, keep one"


def _malformed(argument: str) -> str:
    flag = flag_of(argument)
    if not argument.startswith("--"):
        return "does not start with --: write --flag=value as one entry, with the long name of the flag"
    if re.search(r"\s", flag):
        return "has a space in its flag: write --flag=value, each argument as an entry of its own"
    if "." in flag:
        return f"sets one key of {flag.partition('.')[0]}, which is not accepted: give the whole object as JSON"
    if "_" in flag:
        return f"has an underscore in its flag, write {flag.replace('_', '-')}"
    return "is no argument: write --flag or --flag=value on one line, without control characters"


def _not_allowed(flag: str) -> str:
    positive = "--" + flag.removeprefix("--no-") if flag.startswith("--no-") else flag
    if reason := REFUSED.get(flag) or REFUSED.get(positive):
        return f"is refused: {reason}"
    if longer := [name for name in ALLOWED if name.startswith(flag)]:
        return f"is an abbreviation, write {' or '.join(longer)}"
    guess = meant(flag, ALLOWED)
    return f"is not in the allow-list of engine arguments, {guess or 'remove it'}"
