"""One caller gets so many places, all together so many."""

import pytest

from deepseek_local.witness.places import Places, caller_of


def test_a_place_that_is_left_can_be_taken_again():
    places = Places(limit=2, caller_limit=2)
    assert [places.take("192.0.2.1") for _ in range(3)] == [True, True, False]
    places.leave("192.0.2.1")
    assert places.take("192.0.2.1")


def test_one_caller_leaves_places_to_others_until_there_is_none():
    places = Places(limit=3, caller_limit=2)
    assert [places.take("192.0.2.1") for _ in range(3)] == [True, True, False]
    assert [places.take("192.0.2.2") for _ in range(2)] == [True, False]


def test_who_left_is_forgotten():
    places = Places(limit=3, caller_limit=2)
    for number in range(100):
        assert places.take(f"192.0.2.{number}")
        places.leave(f"192.0.2.{number}")
    assert not places._taken


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
    ],
)
def test_a_host_is_one_caller_with_all_its_addresses(first: str, second: str, same):
    assert (caller_of(first) == caller_of(second)) is same
