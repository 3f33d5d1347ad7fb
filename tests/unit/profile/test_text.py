"""From a file to its text."""

import os

import pytest

from deepseek_local.errors import ProfileError
from deepseek_local.profile import text


def refusal(path) -> str:
    with pytest.raises(ProfileError) as caught:
        text.read(path)
    (problem,) = caught.value.problems
    return str(problem).replace(str(path), "FILE")


def refusal_of(tmp_path, content: bytes) -> str:
    path = tmp_path / "p.yaml"
    path.write_bytes(content)
    return refusal(path)


def test_text_is_returned_as_it_is(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_text("description: 前门\n", encoding="utf-8")
    assert text.read(path) == "description: 前门\n"


def test_a_file_of_exactly_the_limit_is_read(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_bytes(b"#" * text.LIMIT_BYTES)
    assert len(text.read(path)) == text.LIMIT_BYTES


def test_ten_megabytes_are_refused_without_being_read(tmp_path):
    path = tmp_path / "p.yaml"
    path.touch()
    os.truncate(path, 10_000_000)
    assert refusal(path) == "FILE: is too large (10_000_000 bytes), a profile has at most 1_048_576"


def test_a_missing_file_is_one_sentence(tmp_path):
    assert refusal(tmp_path / "p.yaml") == (
        "FILE: cannot be read (No such file or directory), check the path and its permissions"
    )


def test_a_directory_is_named_as_one(tmp_path):
    assert refusal(tmp_path) == "FILE: is a directory, not a file, name a YAML file"


def test_a_pipe_is_not_even_opened(tmp_path):
    os.mkfifo(tmp_path / "p.yaml")
    assert refusal(tmp_path / "p.yaml") == "FILE: is a device, pipe or socket, not a file, name a YAML file"


def test_a_path_that_is_too_long_is_one_sentence(tmp_path):
    assert "cannot be read (File name too long)" in refusal(tmp_path / ("x" * 300))


def test_a_path_with_a_zero_byte_is_one_sentence(tmp_path):
    assert "cannot be read (embedded null byte)" in refusal(tmp_path / "a\0b.yaml")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_one_sentence(tmp_path):
    path = tmp_path / "p.yaml"
    path.touch(mode=0)
    assert refusal(path) == "FILE: cannot be read (Permission denied), check the path and its permissions"


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"\xef\xbb\xbfa: 1", "a UTF-8 byte order mark (bytes ef bb bf)"),
        ("a: 1".encode("utf-16-le").join([b"\xff\xfe", b""]), "UTF-16 (bytes ff fe)"),
        (b"\xfe\xff\0a", "UTF-16 (bytes fe ff)"),
    ],
)
def test_a_byte_order_mark_is_refused(tmp_path, content, name):
    assert refusal_of(tmp_path, content) == f"FILE:1:1: begins with {name}, save it as UTF-8 without one"


def test_bytes_that_are_not_utf_8_are_placed(tmp_path):
    content = "# ü\nab".encode() + b"\xe4c\n"
    assert refusal_of(tmp_path, content) == "FILE:2:3: is not UTF-8 (byte 0xe4 at offset 7), save it as UTF-8"
