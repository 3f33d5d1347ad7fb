"""Tables of expectations: every line is checked, and whatever keeps one from being checked counts as a failure."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from deepseek_local.access import Access, Attribute, Principal, Verdict
from deepseek_local.errors import PolicyError, Problem
from deepseek_local.policy import expectations
from deepseek_local.policy.expectations import Decide
from deepseek_local.policy.rules import Membership

TABLE = """
# who, request, attributes, answer
g, u:test-operator, operator
u:test-operator, POST /v1/chat/completions, model=deepseek-67b stream=true, allow
u:test-operator, audit_log:read, , deny
"""


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def verdict(*, allowed: bool) -> Verdict:
    return Verdict(allowed=allowed, rule="p:operator/inference_*/execute" if allowed else "default", policy="sha256:0")


def build(files: Sequence[Path], extra: Sequence[Membership]) -> Decide:
    """A policy in which members of `operator` may infer with the 67B model."""
    operators = {membership.member for membership in extra if membership.role == "operator"}
    assert files

    def decide(principal: Principal, access: Access, attributes: Mapping[str, Attribute]) -> Verdict:
        is_wanted = access.resource == "inference_chat" and attributes.get("model") == "deepseek-67b"
        return verdict(allowed=principal.name in operators and is_wanted)

    return decide


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    return write(tmp_path / "users.csv", "")


def failures(policy: Path, text: str) -> list[str]:
    write(expectations.table_of(policy), text)
    return [str(problem).removeprefix(f"{policy.parent}/") for problem in expectations.failures([policy], build)]


def test_a_policy_that_meets_its_table_has_no_failures(policy: Path):
    assert failures(policy, TABLE) == []


def test_an_answer_that_differs_is_told_with_its_line_and_the_rule_that_decided(policy: Path):
    first, second = failures(policy, TABLE.replace("allow", "!").replace("deny", "allow").replace("!", "deny"))
    assert first == (
        "users.tests.csv:4: u:test-operator, POST /v1/chat/completions, model=deepseek-67b stream=true: "
        "expected deny, but p:operator/inference_*/execute decides allow; "
        "change the policy, or this line if it no longer says what is wanted"
    )
    assert second.startswith(
        "users.tests.csv:5: u:test-operator, audit_log:read: expected allow, but default decides deny"
    )


def test_the_attributes_are_part_of_the_question(policy: Path):
    (failure,) = failures(policy, TABLE.replace("model=deepseek-67b ", ""))
    assert failure.startswith("users.tests.csv:4: u:test-operator, POST /v1/chat/completions, stream=true: expected")


@pytest.mark.parametrize(
    ("route", "answer", "told"),
    [("GET /health", "deny", "the route (public)"), ("POST /collective_rpc", "allow", "the route (never)")],
)
def test_what_is_decided_before_any_policy_can_be_expected_too(policy: Path, route: str, answer: str, told: str):
    (failure,) = failures(policy, f"u:alice, {route}, , {answer}\n")
    assert f"but {told} decides" in failure


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("u:alice, model_list:read, allow", "a line takes 4 fields (who, request, attributes, answer), this one has 3"),
        ("u:alice, model_list:read, , maybe", "answer 'maybe' is unknown"),
        ("u:alice, model_list:read, , Allow", "answer 'Allow' is unknown"),
        ("alice, model_list:read, , allow", "'alice' is no principal"),
        ("u:alice, GET /v2/models, , allow", "the catalogue has no route"),
        ("u:alice, model_list:read, hour=25, allow", "attribute hour can never be '25'"),
        ('u:alice, "model_list:read, , allow', "unexpected end of data"),
        ("g, u:alice", "`g` takes"),
        ("p, operator, *, *", "answer '*' is unknown"),
    ],
)
def test_a_line_that_says_nothing_clear_is_a_failure_at_its_place(policy: Path, line: str, part: str):
    (failure,) = failures(policy, f"{TABLE}{line}\n")
    assert failure.startswith("users.tests.csv:6: ")
    assert part in failure


def test_nothing_is_asked_of_a_table_with_a_mistake(policy: Path):
    assert len(failures(policy, TABLE.replace("allow", "deny") + "x\n")) == 1


@pytest.mark.parametrize("content", [b"\n# caf\xe9\n", b"#" * (expectations.MAXIMUM_BYTES + 1)])
def test_a_file_that_cannot_be_read_as_a_table_is_a_failure(policy: Path, content: bytes):
    expectations.table_of(policy).write_bytes(content)
    assert len(expectations.failures([policy], build)) == 1


def test_a_table_that_everybody_can_change_is_a_failure(policy: Path):
    table = write(expectations.table_of(policy), TABLE)
    table.chmod(0o666)
    (failure,) = expectations.failures([policy], build)
    assert f"run: chmod o-w {table}" in failure.message


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.symlink_to("nowhere")], ids=["directory", "dead link"])
def test_what_lies_in_the_place_of_a_table_and_is_none_is_a_failure(policy: Path, make):
    make(expectations.table_of(policy))
    (failure,) = expectations.failures([policy], build)
    assert "cannot be read" in failure.message


def test_a_table_speaks_for_its_file_and_those_before_it(tmp_path: Path):
    files = [write(tmp_path / f"{name}.csv", "") for name in ("roles", "users", "more")]
    for file in files[:2]:
        write(expectations.table_of(file), "")
    asked: list[Sequence[Path]] = []

    def remember(prefix: Sequence[Path], extra: Sequence[Membership]) -> Decide:
        asked.append(tuple(prefix))
        return build(prefix, extra)

    assert expectations.failures(files, remember) == ()
    assert asked == [tuple(files[:1]), tuple(files[:2])]
    assert [path.name for path in expectations.tables(files)] == ["roles.tests.csv", "users.tests.csv"]


def test_a_policy_that_cannot_be_made_for_its_table_is_a_failure_of_the_table(policy: Path):
    table = write(expectations.table_of(policy), TABLE)

    def refuse(*_: object) -> Decide:
        raise PolicyError([Problem("role 'operator' has no rule", str(table), 3)])

    (failure,) = expectations.failures([policy], refuse)
    assert "cannot be run against users.csv" in failure.message
    assert "users.tests.csv:3: role 'operator' has no rule" in failure.message
