"""The shipped policies: alone and together they load, meet their tests and say nothing that the linter calls an error."""

from pathlib import Path

import pytest

from deepseek_local.policy import expectations, lint
from deepseek_local.policy.reload import load_tested
from deepseek_local.profile.library import file_names, shipped_file

SEED = ("seed.csv",)
DUTIES = ("seed.csv", "regulated/duties.csv")
POLICIES = [SEED, ("seed.csv", "demo.csv"), DUTIES, (*DUTIES, "regulated/example.csv")]

every_policy = pytest.mark.parametrize("names", POLICIES, ids="+".join)


def files(names: tuple[str, ...]) -> list[Path]:
    return [shipped_file("policies", name) for name in names]


def test_every_shipped_file_is_tried():
    assert {name for names in POLICIES for name in names} == set(file_names("policies"))


@every_policy
def test_a_shipped_policy_meets_its_tests_and_has_no_error(names: tuple[str, ...]):
    policy = load_tested(files(names), administrators=())
    found = lint.findings(policy.grants, policy.memberships, policy.bundles)
    assert {(finding.severity, finding.id) for finding in found} <= {("warning", "policy.unreachable")}


@pytest.mark.parametrize("name", ["seed.csv", "regulated/duties.csv", "regulated/example.csv"])
def test_every_shipped_table_expects_both_answers(name: str):
    table = expectations.read(expectations.table_of(shipped_file("policies", name)))
    assert {line.is_allowed for line in table.expectations} == {True, False}


def test_what_a_site_adds_cannot_break_the_shipped_tests(tmp_path: Path):
    own = tmp_path / "users.csv"
    own.write_text("p, operator, model_*, read\np, *, inference_*, execute, , deny\ng, u:olga, operator\n")
    assert load_tested([*files(DUTIES), own], administrators=()).has_role("u:olga")
