"""Moments on the command line: RFC 3339, a date in UTC, or how long ago, such as `2h`; they become timestamps as records have them."""

import re
from datetime import UTC, datetime, timedelta

import click

from deepseek_local.cli import durations

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def read_beginning(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Read the first moment that counts; this is a callback of click. Raises `click.BadParameter`."""
    return None if value is None else _timestamp(_moment(context, parameter, value))


def read_end(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Read the first moment that does not count; of a date this is the midnight after. Raises `click.BadParameter`."""
    if value is None:
        return None
    moment = _moment(context, parameter, value)
    try:
        return _timestamp(moment + timedelta(days=1) if _DATE.fullmatch(value) else moment)
    except OverflowError as error:
        raise click.BadParameter(f"there is no day after {value}; leave the option out") from error


def _moment(context: click.Context, parameter: click.Parameter, value: str) -> datetime:
    if re.fullmatch(r"\d+[a-z]", value):
        ago = durations.read(context, parameter, value)
        return datetime.now(UTC) - (ago or timedelta())
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(
            f"{value!r} is no moment; write one as 2026-11-24T08:00:00Z, a date as 2026-11-24, or how long ago as 2h"
        ) from error


def _timestamp(moment: datetime) -> str:
    return f"{moment.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
