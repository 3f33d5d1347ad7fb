"""What is printed, and how."""

import json
from pathlib import Path

import pytest

from deepseek_local.cli import render
from deepseek_local.cli.render import Format
from deepseek_local.errors import LaunchError, Problem


def test_a_result_goes_to_stdout_as_lines_or_as_json(capsys):
    render.result(Format.TEXT, {"a": 1}, ["one", "two"])
    assert capsys.readouterr() == ("one\ntwo\n", "")
    render.result(Format.JSON, {"a": 1}, ["one", "two"])
    assert json.loads(capsys.readouterr().out) == {"a": 1}


def test_json_knows_dataclasses_and_paths_and_keeps_chinese(capsys):
    render.result(Format.JSON, [Problem("前门", "f"), Path("x/y")], ())
    out = capsys.readouterr().out
    assert "前门" in out
    assert json.loads(out) == [{"message": "前门", "file": "f", "line": None, "column": None, "key": None}, "x/y"]


@pytest.mark.parametrize("value", [object(), Problem])
def test_what_json_does_not_know_is_a_bug(value):
    with pytest.raises(TypeError, match="cannot be written as JSON"):
        render.result(Format.JSON, value, ())


def test_talk_goes_to_stderr(capsys):
    render.note("starting")
    assert capsys.readouterr() == ("", "starting\n")


def test_a_stream_has_no_line_breaks_of_its_own(capsys):
    render.stream("Par")
    render.stream("is")
    assert capsys.readouterr().out == "Paris"


def test_an_error_without_problems_is_data_too(capsys):
    render.failure(LaunchError("it stopped"), Format.JSON, verbose=False)
    assert json.loads(capsys.readouterr().err) == {"error": {"message": "it stopped", "exit_code": 1}}


def test_columns_are_as_wide_as_their_longest_cell():
    assert render.table(("A", "LONG"), [("wide", "x"), ("y", "z")]) == ["A     LONG", "wide  x", "y     z"]
