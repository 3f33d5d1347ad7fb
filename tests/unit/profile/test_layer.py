"""One layer over another."""

from hypothesis import given
from hypothesis import strategies as st

from deepseek_local.profile.layer import Layer, Place
from deepseek_local.profile.source import parse

keys = st.sampled_from("abc")
trees = st.recursive(
    st.integers() | st.lists(st.integers(), max_size=2), lambda inner: st.dictionaries(keys, inner, max_size=3)
)
mappings = st.dictionaries(keys, trees, max_size=3)


def empty(data) -> Layer:
    return Layer(data, {(): Place("f")})


def test_mappings_are_merged_and_everything_else_is_replaced():
    base = empty({"a": {"x": 1, "y": [1, 2]}, "b": 1, "c": {"z": 1}})
    top = empty({"a": {"y": [3]}, "b": {"n": 1}, "c": None})
    assert base.under(top).data == {"a": {"x": 1, "y": [3]}, "b": {"n": 1}, "c": None}


def test_a_value_keeps_the_place_of_the_layer_it_comes_from():
    stack = parse("a:\n  x: 1\n  y: 2\n", "base").under(parse("a: {y: 3}", "top"))
    assert (stack.place(("a", "x")).file, stack.place(("a", "y")).file, stack.place(("a",)).file) == (
        "base",
        "top",
        "top",
    )


def test_the_places_inside_a_replaced_value_are_forgotten():
    stack = parse("a: [1, 2, 3]\n", "base").under(parse("a: 7\n", "top"))
    assert ("a", 2) not in stack.places
    assert stack.place(("a", 2)).file == "top"


def test_an_unknown_path_has_the_place_of_its_longest_known_part():
    layer = parse("a:\n  x: 1\n", "f")
    assert layer.place(("a", "y", "z")) == layer.place(("a",)) == Place("f", 1, 1)
    assert layer.place(("q",)) == Place("f")


def test_the_problems_of_both_layers_are_kept():
    assert len(parse("a: 1\na: 2\n", "base").under(parse("b: 1\nb: 2\n", "top")).problems) == 2


@given(mappings, mappings, mappings)
def test_stacking_is_associative_where_no_section_is_hidden_by_a_value(one, two, three):
    left = empty(one).under(empty(two)).under(empty(three)).data
    right = empty(one).under(empty(two).under(empty(three))).data
    if not hides(one, two) and not hides(two, three) and not hides(one, three):
        assert left == right


@given(mappings)
def test_a_layer_over_itself_changes_nothing(data):
    assert empty(data).under(empty(data)).data == data


def hides(base, top) -> bool:
    """Whether a mapping and something else meet at one path."""
    both = [(base[key], top[key]) for key in base.keys() & top.keys()]
    return any(
        hides(below, above)
        if isinstance(below, dict) and isinstance(above, dict)
        else isinstance(below, dict) != isinstance(above, dict)
        for below, above in both
    )
