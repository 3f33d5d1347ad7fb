"""When the server's certificate is renewed, what is on record of it, and what a moment from outside changes."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deepseek_local.audit.record import Kind
from deepseek_local.errors import AuditError, PKIError
from deepseek_local.pki import founding, names
from deepseek_local.pki.build import Purpose
from deepseek_local.pki.layout import Layout
from deepseek_local.rotation import renewal
from deepseek_local.rotation.renewal import Job, Outcome

NOW = datetime(2026, 11, 24, 7, 0, tzinfo=UTC)
SITE = "hospital.example"


class Deployment:
    """A founded site without nginx, and the records of its runs."""

    def __init__(self, place: Path) -> None:
        self.layout = Layout(place)
        self.records: list[tuple[Kind, str]] = []
        self.job = Job(self.layout, names.server([f"api.{SITE}"]), None, self.record, lambda _: None)
        founding.found(self.layout, SITE, [SITE], NOW)
        renewal.first(self.job, NOW)

    def record(self, kind: Kind, action: str, _: object) -> None:
        self.records.append((kind, action))

    def after(self, days: float) -> Outcome:
        return renewal.run(self.job, NOW + timedelta(days=days))

    @property
    def current(self) -> str:
        current = self.layout.server.current
        assert current is not None
        return current.name


@pytest.fixture
def site(tmp_path: Path) -> Deployment:
    return Deployment(tmp_path / "pki")


def test_it_is_renewed_at_two_thirds_of_its_life_and_not_before(site: Deployment) -> None:
    assert [site.after(days) for days in (0, 1, 59.9)] == [Outcome.COMPLETED, Outcome.NOT_DUE, Outcome.NOT_DUE]
    assert [site.after(days) for days in (61.1, 61.2)] == [Outcome.RENEWED, Outcome.NOT_DUE]
    assert site.records == [(Kind.PKI_ISSUE, "issue"), (Kind.PKI_RENEW, "renew")]


def test_a_missed_run_is_made_up_even_after_the_end(site: Deployment) -> None:
    assert site.after(0) is Outcome.COMPLETED
    assert site.after(200) is Outcome.RENEWED


def test_a_moment_from_outside_pulls_it_forward_once(site: Deployment) -> None:
    site.after(0)
    site.layout.renew_after.write_text("2026-11-30T00:00:00Z\n")
    assert [site.after(days) for days in (1, 7, 7.1, 30)] == [
        Outcome.NOT_DUE,
        Outcome.RENEWED,
        Outcome.NOT_DUE,
        Outcome.NOT_DUE,
    ]
    site.layout.renew_after.write_text("2020-01-01")
    assert site.after(31) is Outcome.NOT_DUE


@pytest.mark.parametrize("content", [b"soon", b"\xff\x00", b"2026-13-01"])
def test_a_moment_that_is_none_stops_the_run(site: Deployment, content: bytes) -> None:
    site.after(0)
    site.layout.renew_after.write_bytes(content)
    with pytest.raises(PKIError, match="holds no moment"):
        site.after(1)


def test_what_cannot_be_recorded_is_not_put_into_use(site: Deployment) -> None:
    site.after(0)

    def refuse(*_: object) -> None:
        raise AuditError("the log is full")

    job = Job(site.layout, site.job.names, None, refuse, lambda _: None)
    with pytest.raises(AuditError):
        renewal.run(job, NOW + timedelta(days=70))
    assert site.current == "v0001"
    assert site.after(70) is Outcome.RENEWED


def test_it_is_never_replaced_by_one_that_ends_sooner(site: Deployment) -> None:
    site.after(0)
    issuer = site.layout.hierarchy(Purpose.SERVER).issuer
    last = (issuer.certificate.not_valid_after_utc - NOW) / timedelta(days=1)
    for days in (last - 100, last - 30):
        assert site.after(days) is Outcome.RENEWED
    with pytest.raises(PKIError, match="make a successor of its authority"):
        site.after(last - 1)
    assert site.current == "v0003"


def test_a_first_certificate_is_never_made_over_one(site: Deployment) -> None:
    with pytest.raises(PKIError, match="certs rotate --now"):
        renewal.first(site.job, NOW)
