"""How values of an attribute are told: `hour at most 7 or at least 20` rather than twelve numbers."""

from collections.abc import Iterator, Sequence

from deepseek_local.access import Attribute
from deepseek_local.policy.questions import written
from deepseek_local.policy.samples import ENDING, OTHERS


def told(name: str, chosen: Sequence[Attribute], tried: Sequence[Attribute]) -> str:
    """Tell which of the values that were tried are meant; every value that was not behaves as its neighbour among them does."""
    if set(chosen) == set(tried):
        return f"any {name}"
    if name == "ip":
        return f"ip such as {chosen[0]}"
    if all(type(value) is int for value in tried):
        numbers = sorted(int(value) for value in tried)
        return f"{name} {' or '.join(_runs(numbers, {int(value) for value in chosen}))}"
    if any(other in chosen for other in OTHERS):
        return f"{name} other than {' or '.join(word(value) for value in tried if value not in chosen)}"
    return f"{name} {' or '.join(map(word, chosen))}"


def word(value: Attribute) -> str:
    """Tell one value; the rest of a name of which only the beginning matters is `*`."""
    text = written(value)
    return f"{text.removesuffix(ENDING)}*" if text.endswith(ENDING) else text


def _runs(numbers: Sequence[int], chosen: set[int]) -> Iterator[str]:
    """Yield every unbroken run of chosen numbers; one that reaches an end of what was tried has no bound there."""
    start: int | None = None
    for index, number in enumerate(numbers):
        if number in chosen and start is None:
            start = index
        if start is not None and number in chosen and (index + 1 == len(numbers) or numbers[index + 1] not in chosen):
            yield _run(numbers, start, index)
            start = None


def _run(numbers: Sequence[int], start: int, end: int) -> str:
    if end + 1 == len(numbers):
        return f"at least {numbers[start]}"
    if start == end:
        return str(numbers[start])
    return f"{numbers[start]} to {numbers[end]}" if start else f"at most {numbers[end]}"
