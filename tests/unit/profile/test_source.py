"""From YAML text to a layer."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepseek_local.errors import ProfileError
from deepseek_local.profile.layer import Place
from deepseek_local.profile.source import VALUE_LIMIT, parse, parse_value, resolve


def refusal(text: str) -> str:
    with pytest.raises(ProfileError) as caught:
        parse(text, "p.yaml")
    return str(caught.value)


def problems(text: str) -> list[str]:
    return [str(problem) for problem in parse(text, "p.yaml").problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("FALSE", False),
        ("0", 0),
        ("64", 64),
        ("-7", -7),
        ("+7", 7),
        ("0.9", 0.9),
        (".5", 0.5),
        ("5.", 5.0),
        ("1e3", 1000.0),
    ],
)
def test_null_booleans_and_decimal_numbers_are_resolved(text, value):
    assert resolve(text) == value
    assert type(resolve(text)) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        "no",
        "yes",
        "on",
        "Off",
        "12:30",
        "2026-01-02",
        "010",
        "0x1f",
        "0o17",
        "1_000",
        ".inf",
        ".nan",
        "1e999",
        "٣",
        "u:x",
    ],
)
def test_what_yaml_1_1_would_have_converted_stays_text(text):
    assert resolve(text) == text


def test_a_number_too_long_for_an_integer_does_not_crash():
    assert isinstance(resolve("9" * 5000), str)
    assert isinstance(resolve("9" * 30), float)


def test_quoted_scalars_are_text():
    assert parse("a: '64'\nb: \"true\"\nc: |\n  1\n", "p.yaml").data == {"a": "64", "b": "true", "c": "1\n"}


def test_every_key_and_item_knows_its_place():
    layer = parse("a:\n  b: 1\nc:\n- 2\n- {d: 3}\n", "p.yaml")
    assert {path: (place.line, place.column) for path, place in layer.places.items()} == {
        (): (None, None),
        ("a",): (1, 1),
        ("a", "b"): (2, 3),
        ("c",): (3, 1),
        ("c", 0): (4, 3),
        ("c", 1): (5, 3),
        ("c", 1, "d"): (5, 4),
    }


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "null\n", "\n\n"])
def test_an_empty_file_is_refused(text):
    assert refusal(text) == "p.yaml: is empty, begin with a section such as hardware: or with extends: base"


@pytest.mark.parametrize(("text", "seen"), [("- 1\n", "[1]"), ("hello\n", '"hello"'), ("7", "7")])
def test_a_file_without_sections_is_refused(text, seen):
    assert refusal(text).startswith(f"p.yaml: must consist of sections ({seen} seen)")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: [", "1:5"),
        ("a: b: c", "1:5"),
        ("a: 1\n  b: 2\n", "2:4"),
        ("a: 'x", "1:6"),
        ("a: @x", "1:4"),
        ("a: 1\n...\nb: 2\n", "3:1"),
        ("%YAML 9.9\n---\na: 1\n", "1:1"),
    ],
)
def test_broken_yaml_is_placed(text, place):
    assert refusal(text).startswith(f"p.yaml:{place}: this is not YAML (")


def test_a_tab_as_indentation_has_its_own_sentence():
    assert refusal("a:\n\tb: 1\n") == "p.yaml:2:1: a tab stands here, indent with spaces"


def test_a_tab_inside_a_text_or_comment_is_allowed():
    assert parse("a: 'x\ty' #\tz\n", "p.yaml").data == {"a": "x\ty"}


def test_a_forbidden_character_is_placed():
    assert refusal("a: 1\nb: x\x01y\n") == "p.yaml:2:5: the character U+0001 is not allowed in YAML, remove it"


def test_an_escape_beyond_unicode_does_not_crash():
    assert "is too large" in refusal('a: "\\UFFFFFFFF"\n')


@pytest.mark.parametrize("escape", ["\\0", "\\e", "\\ud800", "\\x7f", "\\N", "\\L", "\\u202e", "\\ufeff"])
def test_control_characters_by_escape_are_a_mistake(escape):
    (problem,) = problems(f'a: "x{escape}"\n')
    assert problem.startswith("p.yaml:1:4: a: holds the character U+")


def test_an_equal_key_is_reported_with_both_places_and_the_first_counts():
    layer = parse("a: {x: 1}\nb: 2\na: {x: 3, x: 4}\n", "p.yaml")
    assert layer.data == {"a": {"x": 1}, "b": 2}
    assert layer.places["a", "x"].line == 1
    assert [str(problem) for problem in layer.problems] == [
        "p.yaml:3:1: a: is given twice (first in line 1), keep one of them",
        "p.yaml:3:11: a.x: is given twice (first in line 3), keep one of them",
    ]


def test_a_merge_key_is_a_mistake():
    (problem,) = problems("a:\n  <<: {x: 1}\n  y: 2\n")
    assert problem == "p.yaml:2:3: a: merge keys (<<) are not used here, write the values out or use extends:"


def test_a_tag_is_a_mistake_and_constructs_nothing():
    layer = parse("a: !!python/object/apply:os.system [id]\n", "p.yaml")
    assert layer.data == {"a": ["id"]}
    assert "tags are not used here" in str(layer.problems[0])


@pytest.mark.parametrize("text", ["a: &x 1\nb: *x\n", "a: &x {b: 1}\n", "&x a: 1\n"])
def test_anchors_and_aliases_are_refused(text):
    assert "p.yaml:1:" in refusal(text)


def test_an_alias_bomb_is_one_sentence():
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    assert refusal("\n".join(lines)) == (
        "p.yaml:1:5: a0: anchors and aliases (& and *) are not used here, write the value out or use extends:"
    )


@pytest.mark.parametrize("text", ["[" * 100_000, "a: " + "{a: " * 5000, "- " * 5000])
def test_deep_nesting_is_one_sentence(text):
    assert refusal(text).endswith("values are nested more than 8 deep, a profile has three levels")


def test_too_many_values_are_one_sentence():
    assert refusal("a:\n" + "- 1\n" * 100_000).endswith(f"more than {VALUE_LIMIT} values, a profile has about fifty")


def test_a_second_document_is_refused():
    assert refusal("a: 1\n---\nb: 2\n").startswith("p.yaml:2:1: a second document begins here")


def test_a_key_must_be_a_word():
    assert refusal("? [a]\n: 1\n") == "p.yaml:1:3: a key must be a plain word, write key: value"


def test_mistakes_before_a_fatal_one_are_kept():
    assert refusal("a: 1\na: 2\nb: [\n").count("\n") == 1


def test_a_value_from_outside_is_one_scalar_verbatim():
    layer = parse_value(" u:demo # no comment ", Place("--set k"), ("k", "l"))
    assert layer.data == {"k": {"l": "u:demo # no comment"}}


@pytest.mark.parametrize(
    ("text", "value"),
    [("[a, 2]", ["a", 2]), ("{a: no}", {"a": "no"}), ("'64'", "64"), ("64", 64), ("", None), ("a: b", "a: b")],
)
def test_a_value_from_outside_may_be_a_list_a_mapping_or_quoted(text, value):
    assert parse_value(text, Place("V"), ("k",)).data == {"k": value}


def test_all_of_a_value_from_outside_has_its_place():
    layer = parse_value("[a, {b: !x 1}]", Place("V"), ("k",))
    assert set(layer.places.values()) == {Place("V")}
    assert layer.places.keys() == {("k",), ("k", 0), ("k", 1), ("k", 1, "b")}
    assert str(layer.problems[0]).startswith("V: k: tags are not used here")


def test_a_broken_value_from_outside_names_its_place():
    with pytest.raises(ProfileError, match=r"^--set k: k: this is not YAML"):
        parse_value("[a", Place("--set k"), ("k",))


@given(st.text(max_size=80) | st.text(alphabet="ab:&*!|>-?[]{}%@`'\"\\\n\t #,UxF0<", max_size=80))
def test_no_text_raises_anything_but_a_profile_error(text):
    with contextlib.suppress(ProfileError):
        assert isinstance(parse(text, "p.yaml").data, dict)


scalars = st.none() | st.booleans() | st.integers(-(10**17), 10**17) | st.text(alphabet="abc:-é前 ", max_size=8)


@given(
    st.dictionaries(
        st.text(alphabet="abc_", min_size=1), st.lists(scalars, max_size=3) | scalars, min_size=1, max_size=6
    )
)
def test_json_is_read_as_json(data):
    assert parse(json.dumps(data), "p.yaml").data == data
