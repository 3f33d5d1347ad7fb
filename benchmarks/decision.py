"""
What one decision of the policy costs, with ten rules and with thousands, beside stock casbin with all rules.

    python benchmarks/decision.py [--asked 2000] [--json]

Every policy has 53 roles and 200 users. Half of the rows are rules without a condition, half have one that looks at the hour and the
model. Each row asks for the most that a request can cost: the last rule allows (`allowed`), no rule or no condition does (`refused`), and
a question that was never asked before (`new`), where roles and rules are looked up. `load` is reading the files, with all checks.
Stock casbin is one enforcer with the same model and all rules; with 5,000 of them a single answer takes a tenth of a second.
"""

import json
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import resources
from itertools import count
from pathlib import Path
from statistics import median

import casbin
import click
from casbin.util import key_match_func

from deepseek_local.access import Access, Attribute, Body, Principal, Risk
from deepseek_local.cli import render
from deepseek_local.policy.casbin_engine import counts
from deepseek_local.policy.enforcer import Policy, load

SIZES = (10, 100, 1_000, 5_000)
STOCK_SIZES = (10, 100, 1_000)
ROLES = 53
USERS = 200
CONDITION = "hours(0, 24) and model('m{number}*', 'deepseek-*')"
ATTRIBUTES: dict[str, Attribute] = {"hour": 9, "model": "deepseek-r1", "max_tokens": 512, "stream": True}
OTHERS = {**ATTRIBUTES, "model": "other"}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; times are medians."""

    rules: int
    conditions: bool
    allowed_us: float
    refused_us: float
    new_us: float
    stock_us: float | None
    load_ms: float


def measure(rules: int, *, conditions: bool, asked: int, directory: Path) -> Row:
    """Write a policy of that size, and ask it and stock casbin the same."""
    files = written(rules, conditions=conditions, directory=directory)
    begin = time.perf_counter()
    policy = load(files)
    load_ms = (time.perf_counter() - begin) * 1e3
    user, chat = Principal("u:user0", "token", "kid"), access("inference_chat")
    closed = chat if conditions else access("audit_log")
    expect(policy.decide(user, chat, ATTRIBUTES).allowed, answer=True)
    expect(policy.decide(user, closed, OTHERS).allowed, answer=False)
    fresh = count()
    return Row(
        rules,
        conditions,
        microseconds(lambda: policy.decide(user, chat, ATTRIBUTES), asked),
        microseconds(lambda: policy.decide(user, closed, OTHERS), asked),
        microseconds(lambda: policy.decide(user, access(f"inference_{next(fresh)}"), ATTRIBUTES), asked),
        stock(policy, asked) if rules in STOCK_SIZES else None,
        load_ms,
    )


def expect(allowed: object, *, answer: bool) -> None:
    """Raise `RuntimeError` where a question would be timed that is not the one that was meant."""
    if allowed is not answer:
        raise RuntimeError(f"the answer is {allowed}, expected {answer}")


def written(rules: int, *, conditions: bool, directory: Path) -> list[Path]:
    """Write the rules into one file and the members into another."""
    lines = []
    for number in range(rules - 1):
        text = f', "{CONDITION.format(number=number)}"' if conditions else ""
        lines.append(f"p, role{number % ROLES}, model_{number}, read{text}")
    lines.append("p, role0, inference_*, execute" + (f', "{CONDITION.format(number=rules)}"' if conditions else ""))
    roles = min(ROLES, rules - 1)
    (directory / "rules.csv").write_text("\n".join(lines))
    (directory / "users.csv").write_text("\n".join(f"g, u:user{n}, role{n % roles}" for n in range(USERS)))
    return [directory / "rules.csv", directory / "users.csv"]


def stock(policy: Policy, asked: int) -> float:
    """Return what stock casbin with all rules takes for the same question."""
    text = resources.files("deepseek_local.policy").joinpath("model.conf").read_text()
    enforcer = casbin.Enforcer(casbin.Enforcer.new_model(text=text))
    enforcer.add_function("cond", counts)
    enforcer.add_named_domain_matching_func("g", key_match_func)
    rules = [[rule.role, rule.resource, rule.action, rule.condition, rule.effect] for rule in policy.grants]
    enforcer.add_policies(rules)
    enforcer.add_grouping_policies([[line.member, line.role, "*"] for line in policy.memberships])
    question = ("u:user0", "", frozenset({"role0"}), "inference_chat", "execute", ATTRIBUTES)
    expect(enforcer.enforce(*question), answer=True)
    return microseconds(lambda: enforcer.enforce(*question), min(asked, 100_000 // len(rules)))


def microseconds(ask: Callable[[], object], times: int) -> float:
    """Return the median time of one call."""
    return median(_taken(ask, times)) / 1e3


def _taken(ask: Callable[[], object], times: int) -> Iterator[int]:
    for _ in range(times):
        begin = time.perf_counter_ns()
        ask()
        yield time.perf_counter_ns() - begin


def access(resource: str) -> Access:
    """Return a route that means executing the resource."""
    return Access("/route", resource, "execute", Risk.GUARDED, Body.NONE)


@click.command()
@click.option("--asked", default=2_000, show_default=True, help="How often each question is asked.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(*, asked: int, as_json: bool) -> None:
    """Measure all sizes and print the table."""
    with tempfile.TemporaryDirectory() as directory:
        rows = [
            measure(rules, conditions=conditions, asked=asked, directory=Path(directory))
            for conditions in (False, True)
            for rules in SIZES
        ]
    if as_json:
        print(json.dumps({"machine": platform.platform(), "rows": [asdict(row) for row in rows]}))
        return
    cells = [
        [
            f"{row.rules:,}",
            "yes" if row.conditions else "no",
            *(f"{value:.1f}" for value in (row.allowed_us, row.refused_us, row.new_us)),
            f"{row.stock_us:,.0f}" if row.stock_us is not None else "-",
            f"{row.load_ms:.0f}",
        ]
        for row in rows
    ]
    head = ["RULES", "CONDITIONS", "ALLOWED us", "REFUSED us", "NEW us", "STOCK us", "LOAD ms"]
    print("\n".join(render.table(head, cells)))


if __name__ == "__main__":
    command()
