import inspect
from collections.abc import Iterator

import pytest

from deepseek_local.doctor import access, model, places, preflight, software
from deepseek_local.errors import ExitCode, PreflightError
from deepseek_local.finding import Finding, error, warning
from deepseek_local.plan import Plan


def fine(_: Plan) -> Iterator[Finding]:
    yield from ()


def bad(_: Plan) -> Iterator[Finding]:
    yield error("a.bad", "it is bad (value 3)", "make it good")
    yield error("a.worse", "it is worse")


def odd(_: Plan) -> Iterator[Finding]:
    yield warning("a.odd", "it is odd", "look at it")


def broken(_: Plan) -> Iterator[Finding]:
    yield error("a.first", "found before the failure")
    raise ZeroDivisionError("oops")


def test_all_findings_come_at_once_and_end_with_exit_code_4(plan) -> None:
    found = preflight.examine(plan(), [fine, bad, odd, broken])
    with pytest.raises(PreflightError) as caught:
        preflight.require(found)
    assert caught.value.exit_code == ExitCode.PREFLIGHT_REFUSED
    assert str(caught.value).splitlines() == [
        "error [a.bad]: it is bad (value 3); make it good",
        "error [a.worse]: it is worse",
        "error [a.first]: found before the failure",
        "error [check.failed]: the check broken failed itself (ZeroDivisionError: oops); report this",
    ]


def test_a_warning_stops_nothing(plan) -> None:
    preflight.require(preflight.examine(plan(), [odd]))


def test_every_check_is_asked_once() -> None:
    modules = (access, model, places, software)
    written = [
        function
        for module in modules
        for name, function in vars(module).items()
        if inspect.isfunction(function) and function.__module__ == module.__name__ and not name.startswith("_")
    ]
    assert sorted(map(repr, preflight.CHECKS)) == sorted(map(repr, written))
