"""`deepseek-local profile`."""

import json
from pathlib import Path

import pytest

from deepseek_local.cli.main import run
from deepseek_local.profile.library import names


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("good.yaml").write_text("extends: cpu-demo\n")
    Path("bad.yaml").write_text("extends: cpu-demo\ntls: {site: no no}\nx: 1\n")


def test_list_names_every_shipped_profile(capsys):
    assert run(["profile", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["NAME", *names()]
    assert run(["profile", "list", "--format", "json"]) == 0
    assert [entry["name"] for entry in json.loads(capsys.readouterr().out)] == list(names())


def test_show_prints_values_with_their_origins(capsys):
    assert run(["profile", "show", "a100x2", "--set", "engine.max_num_seqs=8"]) == 0
    assert "  max_num_seqs: 8  # --set engine.max_num_seqs\n" in capsys.readouterr().out


def test_show_as_json_has_values_and_origins(capsys):
    assert run(["profile", "show", "a100x2", "--format", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["profile"]["engine"]["tensor_parallel_size"] == 2
    assert shown["origins"]["gateway.port"] == "default"


def test_show_takes_the_environment_into_account(monkeypatch, capsys):
    monkeypatch.setenv("DEEPSEEK_LOCAL_PROFILE", "a100x2")
    monkeypatch.setenv("DEEPSEEK_LOCAL_ENGINE__MAX_NUM_SEQS", "8")
    monkeypatch.setenv("DEEPSEEK_LOCAL_SET", "tls.site=here engine.max_num_batched_tokens=64")
    assert run(["profile", "show"]) == 0
    out = capsys.readouterr().out
    assert "  max_num_seqs: 8  # DEEPSEEK_LOCAL_ENGINE__MAX_NUM_SEQS\n" in out
    assert "  site: here  # --set tls.site\n" in out


@pytest.mark.usefixtures("files")
def test_check_says_ok_of_what_is_right(capsys):
    assert run(["profile", "check", "good.yaml", "a100x8"]) == 0
    assert capsys.readouterr().out == "good.yaml: ok\na100x8: ok\n"


@pytest.mark.usefixtures("files")
def test_check_reports_every_mistake_of_every_file_and_exits_with_3(capsys):
    assert run(["profile", "check", "bad.yaml", "good.yaml", "none.yaml"]) == 3
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[0] for line in lines] == ["bad.yaml:2:7", "bad.yaml:3:1", "good.yaml", "none.yaml"]


@pytest.mark.usefixtures("files")
def test_check_as_json_holds_the_places(capsys):
    assert run(["profile", "check", "bad.yaml", "good.yaml", "--format", "json"]) == 3
    bad, good = json.loads(capsys.readouterr().out)
    assert (bad["ok"], good["ok"]) == (False, True)
    assert {"file": "bad.yaml", "line": 3, "column": 1, "key": "x"}.items() <= bad["problems"][1].items()


def test_schema_is_a_json_schema_that_completes_without_requiring(capsys):
    assert run(["profile", "schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["properties"].keys() >= {"extends", "hardware", "engine"}
    assert "required" not in json.dumps(schema).replace("required on CPU", "")


def test_check_reports_what_no_engine_could_do_at_its_place(tmp_path, capsys):
    file = tmp_path / "site.yaml"
    file.write_text(
        "extends: a100x2\nengine:\n  tensor_parallel_size: 3\n  extra_arguments: [--host=0.0.0.0]\nhardware:\n  count: 3\n"
    )
    assert run(["profile", "check", str(file)]) == 3
    heads, refused = capsys.readouterr().out.splitlines()
    assert heads.startswith(f"{file}:3:3: engine.tensor_parallel_size: 64 attention heads cannot be shared")
    assert refused.startswith(f'{file}:4:3: engine.extra_arguments: "--host=0.0.0.0" is refused: ')
