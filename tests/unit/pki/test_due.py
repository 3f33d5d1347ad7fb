"""When certificates are renewed, and when their end is an alarm."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepseek_local.pki.due import Alarm, Life

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
LIFE = Life(BEGIN, BEGIN + timedelta(days=90), 0x42)


@given(serial=st.integers(1, 2**127), days=st.integers(1, 3650))
def test_it_is_due_between_two_thirds_of_its_life_and_a_day_later(serial: int, days: int) -> None:
    life = Life(BEGIN, BEGIN + timedelta(days=days), serial)
    early = BEGIN + timedelta(days=days) * 2 / 3
    assert early <= life.due_at() <= early + timedelta(days=1)
    assert life.due_at() < life.ends
    assert life.due_at() == life.due_at()


def test_certificates_of_one_day_are_not_all_renewed_at_once() -> None:
    moments = {Life(LIFE.begins, LIFE.ends, serial).due_at() for serial in range(1, 101)}
    assert len(moments) == 100
    assert max(moments) - min(moments) > timedelta(hours=20)


def test_day_by_day() -> None:
    days = (0, 59, 61.1, 89, 100)
    assert [LIFE.is_due(BEGIN + timedelta(days=day)) for day in days] == [False, False, True, True, True]


def test_it_can_be_pulled_forward_and_never_back() -> None:
    assert LIFE.is_due(BEGIN + timedelta(days=2), renew_after=BEGIN + timedelta(days=1))
    assert LIFE.is_due(BEGIN + timedelta(days=62), renew_after=BEGIN + timedelta(days=80))


@pytest.mark.parametrize(
    ("day", "alarm"),
    [
        (69, Alarm.NONE),
        (70, Alarm.WARN),
        (80, Alarm.URGENT),
        (87, Alarm.CRITICAL),
        (90, Alarm.EXPIRED),
        (99, Alarm.EXPIRED),
    ],
)
def test_the_nearer_the_end_the_louder(day: float, alarm: Alarm) -> None:
    assert LIFE.alarm(BEGIN + timedelta(days=day)) is alarm


def test_a_short_life_is_not_an_alarm_from_its_first_day() -> None:
    short = Life(BEGIN, BEGIN + timedelta(days=9), 1)
    assert short.alarm(BEGIN) is Alarm.NONE
    assert short.alarm(BEGIN + timedelta(days=8.8)) is Alarm.CRITICAL
