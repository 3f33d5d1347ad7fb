"""A slice of the fuzz run, `python -m tests.fuzz.run`, for every build."""

import pytest

from tests.fuzz.cases import case
from tests.fuzz.run import fuzz
from tests.integration.gateway.conftest import PARSERS

pytestmark = [pytest.mark.fuzz, pytest.mark.integration]


@pytest.mark.parametrize("parser", PARSERS)
def test_no_request_whatever_gets_past_the_front_door_or_breaks_it(parser: str):
    result = fuzz(parser, requests=2_500, seed=7, connections=32)
    assert result.findings == []
    assert result.sent == 2_500
    assert {"200", "400", "401", "403", "404"} <= result.statuses.keys()
    assert result.decisions > 1_500
    assert result.reached_engine > 200


def test_the_same_seed_makes_the_same_requests():
    tokens = ("a", None)
    assert [case(1, index, tokens) for index in range(200)] == [case(1, index, tokens) for index in range(200)]
    assert [case(1, index, tokens) for index in range(50)] != [case(2, index, tokens) for index in range(50)]
