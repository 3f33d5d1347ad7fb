"""`extends`: files over files."""

from pathlib import Path

import pytest

from deepseek_local.errors import ProfileError
from deepseek_local.profile.inheritance import DEPTH_LIMIT, from_files
from deepseek_local.profile.library import names


def refusal(name: str) -> str:
    with pytest.raises(ProfileError) as caught:
        from_files(name)
    return str(caught.value)


def test_a_file_lies_over_what_it_extends(write):
    write("a: {x: 1, y: 1}\nb: [1, 2]\n", "base.yaml")
    name = write("extends: ./base.yaml\na: {y: 2}\nb: [3]\n", "top.yaml")
    layer = from_files(name)
    assert layer.data == {"a": {"x": 1, "y": 2}, "b": [3]}
    assert layer.place(("a", "x")).file == "base.yaml"
    assert layer.place(("a", "y")).file == "top.yaml"


def test_a_relative_file_is_looked_for_beside_the_one_that_extends_it(write):
    Path("site").mkdir()
    write("extends: ../base.yaml\n", "site/mid.yaml")
    write("a: 1\n", "base.yaml")
    assert from_files(write("extends: site/mid.yaml\n")).data == {"a": 1}


def test_a_word_is_a_shipped_layer_even_where_a_file_has_that_name(write):
    write("a: 1\n", "base")
    assert "gateway" in from_files(write("extends: base\n")).data


def test_a_profile_of_the_user_may_extend_a_shipped_profile(write):
    layer = from_files(write("extends: a100x2\nmodel: {served_name: ours}\n"))
    assert layer.data["model"]["served_name"] == "ours"
    assert layer.data["model"]["card"] == "deepseek-llm-67b-chat"


def test_an_unknown_profile_is_told_with_the_names_there_are():
    told = refusal("a100x22")
    assert told.startswith("a100x22: is no shipped profile, did you mean a100x2? choose one of ")
    assert all(name in told for name in names())


def test_base_is_no_profile():
    assert refusal("base").startswith("base: is no shipped profile")


def test_an_empty_name_is_told():
    assert refusal("").startswith('"": is no shipped profile')


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("bsae", 'is no shipped layer ("bsae" seen), did you mean base? choose one of a100x1, '),
        ("[a, b]", 'must be one name or file (["a", "b"] seen), write extends: base'),
        ("", "must be one name or file (null seen), write extends: base"),
        ("7", "must be one name or file (7 seen), write extends: base"),
        ("''", 'must be one name or file ("" seen), write extends: base'),
        ("./none.yaml", 'names a file that does not exist ("none.yaml" seen), correct the path'),
        (f"./{'x' * 300}", "names a file that does not exist"),
        ("./p.yaml", 'leads back to p.yaml ("./p.yaml" seen), break the circle'),
    ],
)
def test_an_extends_that_leads_nowhere_is_told_at_its_line(write, value, told):
    assert refusal(write(f"description: x\nextends: {value}\n")).startswith(f"p.yaml:2:1: extends: {told}")


def test_a_circle_through_several_files_and_links_is_found(write):
    write("extends: ./b.yaml\n", "a.yaml")
    write("extends: ./link.yaml\n", "b.yaml")
    Path("link.yaml").symlink_to("a.yaml")
    assert refusal("a.yaml") == 'b.yaml:1:1: extends: leads back to link.yaml ("./link.yaml" seen), break the circle'


def test_a_link_to_itself_is_one_sentence(tmp_path):
    loop = tmp_path / "loop.yaml"
    loop.symlink_to(loop)
    assert "cannot be read (Too many levels of symbolic links)" in refusal(str(loop))


def test_too_many_levels_are_refused(write):
    for level in range(DEPTH_LIMIT + 1):
        write(f"extends: ./{level + 1}.yaml\n", f"{level}.yaml")
    write("a: 1\n", f"{DEPTH_LIMIT + 1}.yaml")
    assert "use at most 8" in refusal("0.yaml")
    assert from_files("2.yaml").data == {"a": 1}


def test_the_mistakes_of_a_file_and_of_what_it_extends_are_told_together(write):
    write("a: [\n", "base.yaml")
    told = refusal(write("extends: ./base.yaml\nb: 1\nb: 2\n"))
    assert [line.split(": ")[0] for line in told.splitlines()] == ["p.yaml:3:1", "base.yaml:2:1"]


def test_a_wrong_value_that_is_inherited_names_the_file_it_stands_in(write, mistakes):
    write("observability: {log_level: loud}\n", "site.yaml")
    assert any(
        told.startswith("site.yaml:1:17: observability.log_level: ") for told in mistakes("extends: ./site.yaml\n")
    )


def test_null_takes_an_inherited_value_away(mistakes):
    text = "extends: cpu-demo\nengine: {kv_cache_bytes: null}\n"
    (told,) = mistakes(text)
    assert told.startswith("p.yaml:2:10: engine.kv_cache_bytes: kv_cache_bytes is not set")
