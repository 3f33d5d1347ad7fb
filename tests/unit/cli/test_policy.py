"""`deepseek-local policy`: every answer as text, as JSON and as an exit code."""

import json
from pathlib import Path

import pytest

from deepseek_local.cli.main import run
from deepseek_local.errors import ExitCode

ROLES = 'p, operator, inference_*, execute\np, operator, inference_*, execute, "not hours(8, 20)", deny\n'


@pytest.fixture(autouse=True)
def no_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DEEPSEEK_LOCAL_PROFILE", raising=False)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of a deployment whose policy is the seed and a file of its own."""
    monkeypatch.setenv("DEEPSEEK_LOCAL_HOME", str(tmp_path))
    monkeypatch.setenv("DEEPSEEK_LOCAL_PROFILE", "a100x1")
    (tmp_path / "users.csv").write_text("g, u:olga, operator\ng, u:ann, analyst\n")
    return tmp_path


def write(directory: Path, name: str, text: str) -> str:
    (directory / name).write_text(text)
    return str(directory / name)


def test_check_takes_the_policy_of_the_profile(home: Path, capsys: pytest.CaptureFixture[str]):
    assert run(["policy", "check"]) == ExitCode.OK
    *findings, last = capsys.readouterr().out.splitlines()
    assert last.endswith(f"seed.csv, {home / 'users.csv'}: ok")
    assert ["[policy.unreachable]: nobody has the role 'admin'" in line for line in findings] == [True]


def test_check_takes_named_and_shipped_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    users = write(tmp_path, "users.csv", "g, u:ines, auditor\n")
    assert run(["policy", "check", "shipped:seed.csv", "shipped:regulated/duties.csv", users]) == ExitCode.OK
    assert capsys.readouterr().out.endswith("users.csv: ok\n")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("p, operator, inference_*\n", "roles.csv:1: `p` takes 3 to 5 fields"),
        ("g, u:olga, operator\n", "policy is empty"),
        (f"{ROLES}p, operator, enigne_rpc, *, , deny\n", "roles.csv:3: error [policy.unknown-resource]"),
    ],
)
def test_check_refuses_what_is_wrong(tmp_path: Path, text: str, told: str, capsys: pytest.CaptureFixture[str]):
    assert run(["policy", "check", write(tmp_path, "roles.csv", text)]) == ExitCode.PREFLIGHT_REFUSED
    assert told in capsys.readouterr().out


def test_check_runs_the_tests_of_the_policy(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    roles = write(tmp_path, "roles.csv", ROLES)
    write(tmp_path, "roles.tests.csv", "u:olga, inference_chat:execute, hour=9, allow\n")
    assert run(["policy", "check", roles, "--format", "json"]) == ExitCode.PREFLIGHT_REFUSED
    found = json.loads(capsys.readouterr().out)
    assert (found["ok"], len(found["problems"]), found["files"]) == (False, 1, [roles])
    assert found["problems"][0]["line"] == 1
    assert {finding["id"] for finding in found["findings"]} == {"policy.unreachable"}


def test_without_files_and_profile_nothing_is_checked(capsys: pytest.CaptureFixture[str]):
    assert run(["policy", "check"]) == ExitCode.USAGE
    assert "name the files of the policy, or a profile" in capsys.readouterr().err


def test_a_shipped_policy_that_does_not_exist_is_one_sentence(capsys: pytest.CaptureFixture[str]):
    assert run(["policy", "check", "shipped:sed.csv"]) == ExitCode.PROFILE_INVALID
    assert "did you mean seed.csv?" in capsys.readouterr().err


@pytest.mark.usefixtures("home")
def test_explain_tells_the_rule_its_place_and_the_way_out(capsys: pytest.CaptureFixture[str]):
    assert run(["policy", "explain", "--as", "u:ann", "POST", "/v1/chat/completions", "--model", "demo"]) == ExitCode.OK
    first, roles, change, *_ = capsys.readouterr().out.splitlines()
    assert first == "u:ann, POST /v1/chat/completions, model=demo: deny by default"
    assert roles == "roles: analyst"
    assert change == (
        "what would change it: with the role operator the answer would be allow, by p:operator/inference_*/execute: "
        "add `g, u:ann, operator`"
    )


def test_explain_shows_the_values_that_conditions_saw(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    roles = write(tmp_path, "roles.csv", f"{ROLES}g, u:olga, operator\n")
    asked = ["policy", "explain", "--as", "u:olga", "inference_chat:execute", "--policy", roles]
    assert run([*asked, "--attribute", "hour=22"]) == ExitCode.OK
    lines = capsys.readouterr().out.splitlines()
    assert f"{roles}:2: p:operator/inference_*/execute/deny if not hours(8, 20): counts (hour is 22)" in lines
    assert lines[-1] == "what would change it: with hour 8 to 19 the answer would be allow"
    assert run(asked) == ExitCode.OK
    assert "counts (hour is lacking)" in capsys.readouterr().out


def test_explain_as_json_has_the_same_facts(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    roles = write(tmp_path, "roles.csv", f"{ROLES}g, u:olga, operator, radiology\n")
    asked = ["policy", "explain", "--as", "u:olga", "inference_chat:execute", "--policy", roles, "--format", "json"]
    assert run([*asked, "--tenant", "radiology", "--attribute", "hour=9"]) == ExitCode.OK
    found = json.loads(capsys.readouterr().out)
    assert (found["allowed"], found["tenant"], found["roles"]) == (True, "radiology", ["operator"])
    assert found["considered"][1]["values"] == {"hour": 9}


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    "words",
    [
        ["--as", "ann", "GET", "/v1/models"],
        ["--as", "u:ann", "GET", "/v1//models"],
        ["--as", "u:ann", "GET", "/v1/models", "--attribute", "hour=24"],
        ["--as", "u:ann", "GET", "/v1/models", "--tenant", "*"],
        ["GET", "/v1/models"],
    ],
)
def test_what_is_no_question_is_a_usage_error(words: list[str]):
    assert run(["policy", "explain", *words]) == ExitCode.USAGE


def test_explain_says_that_an_emergency_grant_is_left_out(home: Path, capsys: pytest.CaptureFixture[str]):
    granted = ["u:ann", "operator", "--for", "1h", "--reason", "the engine hangs"]
    assert run(["policy", "break-glass", "grant", *granted]) == ExitCode.OK
    capsys.readouterr()
    run(["policy", "explain", "--as", "u:ann", "inference_chat:execute"])
    assert "u:ann has the role operator by emergency grant" in capsys.readouterr().err
    (home / "break-glass.json").write_text("{")
    run(["policy", "explain", "--as", "u:ann", "inference_chat:execute"])
    assert "break-glass.json: cannot be understood" in capsys.readouterr().err


def test_test_runs_the_tables_beside_the_files(home: Path, capsys: pytest.CaptureFixture[str]):
    write(home, "users.tests.csv", "u:olga, inference_chat:execute, , allow\nu:olga, model_list:read, , allow\n")
    assert run(["policy", "test"]) == ExitCode.VERIFICATION_FAILED
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith("seed.tests.csv: ok")
    assert second.startswith(
        f"{home / 'users.tests.csv'}:2: u:olga, model_list:read: expected allow, but default decides"
    )


def test_test_runs_a_named_table_against_the_whole_policy(home: Path, capsys: pytest.CaptureFixture[str]):
    table = write(home, "wanted.csv", "u:ann, model_list:read, , allow\n")
    assert run(["policy", "test", table, "--format", "json"]) == ExitCode.OK
    assert json.loads(capsys.readouterr().out) == [{"table": table, "ok": True, "failures": []}]


def test_test_without_a_table_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert run(["policy", "test", "--policy", write(tmp_path, "roles.csv", ROLES)]) == ExitCode.OK
    assert "No file of the policy has a table" in capsys.readouterr().out


def test_test_of_a_policy_that_does_not_load_is_not_a_failed_expectation(tmp_path: Path):
    broken = write(tmp_path, "roles.csv", "p, operator\n")
    assert run(["policy", "test", "--policy", broken]) == ExitCode.PREFLIGHT_REFUSED


def test_diff_puts_a_new_file_into_the_policy_of_the_profile(home: Path, capsys: pytest.CaptureFixture[str]):
    old = str(home / "users.csv")
    new = write(home, "users.new.csv", "g, u:olga, operator\ng, u:eve, analyst\n")
    assert run(["policy", "diff", old, new]) == ExitCode.FAILED
    assert capsys.readouterr().out.splitlines() == [
        "u:ann loses model_list:read, model_*:read",
        "u:eve gains model_list:read, model_*:read",
    ]


def test_diff_of_the_same_policy_is_silent(home: Path, capsys: pytest.CaptureFixture[str]):
    users = str(home / "users.csv")
    assert run(["policy", "diff", users, users]) == ExitCode.OK
    assert capsys.readouterr().out == ""


def test_diff_takes_whole_policies_as_lists(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    users = write(tmp_path, "users.csv", "g, u:olga, operator\n")
    new = f"shipped:seed.csv,{users}"
    assert run(["policy", "diff", "shipped:seed.csv", new, "--format", "json"]) == ExitCode.FAILED
    (change,) = json.loads(capsys.readouterr().out)
    assert (change["who"], change["kind"], change["before"], change["after"]) == ("u:olga", "gains", "never", "always")


def test_diff_with_a_policy_that_does_not_load_tells_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    broken = write(tmp_path, "roles.csv", "p, operator\n")
    assert run(["policy", "diff", "shipped:seed.csv", broken]) == ExitCode.PREFLIGHT_REFUSED
    assert "roles.csv:1: " in capsys.readouterr().err


def test_who_may_be_administrator_comes_from_the_profile(home: Path, capsys: pytest.CaptureFixture[str]):
    write(home, "users.csv", "g, u:root, admin\n")
    assert run(["policy", "check"]) == ExitCode.PREFLIGHT_REFUSED
    assert "add it to gateway.administrators" in capsys.readouterr().out
    assert run(["policy", "check", "--set", "gateway.administrators=[u:root]"]) == ExitCode.OK
