"""
What the rotation job tells Prometheus, as a file for node_exporter's textfile collector, which is replaced as a whole after each run.

All moments are absolute (seconds since 1970), so that an alarm needs no run to fire. What is served is measured apart from what lies in the file: a
rotation that failed silently shows in nothing else.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from deepseek_local.errors import PKIError
from deepseek_local.files import read_regular, write_atomic
from deepseek_local.pki import authority, certificates, standing
from deepseek_local.pki.build import Purpose
from deepseek_local.pki.layout import CERTIFICATE, Layout
from deepseek_local.rotation.nginx import Nginx

_FILE_MODE = 0o644
_STATE_BYTES_LIMIT = 4_096


class Runs(msgspec.Struct, frozen=True):
    """How the last runs ended."""

    last_success: datetime | None = None
    failures: int = 0
    """Since then, one after the other."""

    def after(self, now: datetime, *, succeeded: bool) -> "Runs":
        """Add a run."""
        return Runs(now, 0) if succeeded else Runs(self.last_success, self.failures + 1)


def count(place: Path, now: datetime, *, succeeded: bool) -> Runs:
    """Add a run to the file in which they are counted. Raises `PKIError`."""
    runs = _read(place).after(now, succeeded=succeeded)
    _write(place, msgspec.json.encode(runs), 0o600)
    return runs


def write(place: Path, layout: Layout, nginx: Nginx | None, runs: Runs) -> None:
    """Write the file for the collector. Raises `PKIError`."""
    lines: list[str] = []
    for name, help_text, samples in _metrics(layout, nginx, runs):
        lines += [f"# HELP {name} {help_text}", f"# TYPE {name} gauge"]
        lines += [f"{name}{labels} {value}" for labels, value in samples]
    _write(place, "".join(f"{line}\n" for line in lines).encode(), _FILE_MODE)


def _metrics(layout: Layout, nginx: Nginx | None, runs: Runs) -> Iterator[tuple[str, str, list[tuple[str, str]]]]:
    current = layout.server.current
    if current is not None:
        ends = certificates.read(current / CERTIFICATE).not_valid_after_utc
        yield (
            "deepseek_local_certificate_file_not_after_seconds",
            "End of the server certificate in use.",
            [_at("", ends)],
        )
    if nginx is not None:
        try:
            served = [_at("", nginx.serves().not_valid_after_utc)]
        except PKIError:
            served = []  # an absent series is what the alarm on it looks for
        yield "deepseek_local_certificate_served_not_after_seconds", "End of the certificate that nginx serves.", served
    lists = [
        _at(f'{{authority="{each.name}"}}', signed.next_update_utc)
        for purpose in Purpose
        if (hierarchy := layout.hierarchy(purpose)).exists
        for each in (hierarchy.root, *hierarchy.issuers())
        if (signed := standing.read_list(each.directory / authority.LIST)).next_update_utc is not None
    ]
    yield "deepseek_local_crl_next_update_seconds", "When the next revocation list must be there.", lists
    last = [] if runs.last_success is None else [_at("", runs.last_success)]
    yield (
        "deepseek_local_certificate_rotation_last_success_seconds",
        "Last run of the rotation without a failure.",
        last,
    )
    failures = [("", str(runs.failures))]
    yield "deepseek_local_certificate_rotation_failures", "Runs of the rotation that failed since then.", failures


def _at(labels: str, moment: datetime | None) -> tuple[str, str]:
    return labels, f"{(moment or datetime.fromtimestamp(0, UTC)).timestamp():.0f}"


def _read(place: Path) -> Runs:
    try:
        return msgspec.json.decode(read_regular(place, _STATE_BYTES_LIMIT), type=Runs)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return Runs()  # it only counts; the next run begins anew


def _write(place: Path, content: bytes, mode: int) -> None:
    try:
        write_atomic(place, content, mode, keep_owner=True)
    except OSError as error:
        raise PKIError(f"{place} cannot be written: {error.strerror}; check owner, mode and space there") from error
