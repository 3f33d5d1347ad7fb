"""The recovery key as people read and type it."""

import pytest

from deepseek_local.errors import StorageError
from deepseek_local.storage import recovery


def test_a_key_has_eight_groups_without_look_alikes_and_is_never_the_same():
    made = {recovery.make() for _ in range(200)}
    assert len(made) == 200
    assert all([len(group) for group in key.split("-")] == [5] * 8 for key in made)
    assert not set("".join(made)) & set("ILOU")


def test_what_is_typed_is_the_passphrase_whatever_its_case_and_the_space_around_it():
    key = recovery.make()
    assert recovery.read(f"  {key.lower()}\n") == key.encode()


@pytest.mark.parametrize(
    "typed", ["", "12345", "ABCDE-" * 8, "ABCD!-" * 7 + "ABCDE", "ÀBCDE-" * 7 + "ABCDE", "A" * 100_000]
)
def test_what_cannot_be_one_is_told_before_it_is_tried(typed):
    with pytest.raises(StorageError, match="8 groups of 5 letters and digits") as error:
        recovery.read(typed)
    assert not typed or typed not in str(error.value)
