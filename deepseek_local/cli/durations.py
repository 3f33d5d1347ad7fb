"""Durations on the command line: a number and a unit, such as `90d`."""

import re
from datetime import timedelta

import click

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def read(_: click.Context, __: click.Parameter, value: str | None) -> timedelta | None:
    """Read an option's value; this is a callback of click. Raises `click.BadParameter`."""
    if value is None:
        return None
    found = re.fullmatch(r"([1-9][0-9]{0,4})([mhdw])", value)
    if not found:
        raise click.BadParameter(f"{value!r} is no duration; write a number and m, h, d or w, such as 90d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})
