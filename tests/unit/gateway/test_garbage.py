"""How often the collector looks is changed in one direction only."""

import gc
from collections.abc import Iterator

import pytest

from deepseek_local.gateway.garbage import YOUNG_OBJECTS, look_less_often


@pytest.fixture(autouse=True)
def thresholds() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


def test_the_threshold_of_the_youngest_objects_is_raised_and_no_other():
    gc.set_threshold(700, 11, 12)
    look_less_often()
    assert gc.get_threshold() == (YOUNG_OBJECTS, 11, 12)


@pytest.mark.parametrize("chosen", [0, YOUNG_OBJECTS + 1])
def test_what_somebody_chose_stays(chosen: int):
    gc.set_threshold(chosen, 11, 12)
    look_less_often()
    assert gc.get_threshold() == (chosen, 11, 12)
