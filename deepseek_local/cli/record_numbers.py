"""Numbers of records on the command line, where a word may also be something else: a moment, or a file."""

import click

LARGEST = 2**63 - 1
"""No log has more records."""

_DIGITS = len(str(LARGEST))


def read(word: str) -> int | None:
    """Return the number that a word is, None when it is none. Raises `click.BadParameter` when no log can have so many records."""
    if not (word.isascii() and word.isdecimal()):
        return None
    if len(word) > _DIGITS or int(word) > LARGEST:
        raise click.BadParameter(
            f"{word[:_DIGITS]}{'…' * (len(word) > _DIGITS)} is no number of a record; the largest is {LARGEST}"
        )
    return int(word)
