"""
A renewal that is pulled forward from outside: a file with one moment, `2026-11-24T08:00:00Z` (the idea of RFC 9773, where an authority says so).
"""

from datetime import UTC, datetime
from pathlib import Path

from deepseek_local.errors import PKIError
from deepseek_local.files import read_regular

_BYTES_LIMIT = 64


def renew_after(place: Path) -> datetime | None:
    """Return the moment; None where there is no file. Raises `PKIError`."""
    try:
        moment = datetime.fromisoformat(read_regular(place, _BYTES_LIMIT).decode("ascii").strip())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PKIError(f"{place} cannot be read: {error.strerror}; check its owner and mode") from error
    except ValueError as error:
        raise PKIError(f"{place} holds no moment; write one such as 2026-11-24T08:00:00Z, or remove it") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
