"""Versions of the engine, and the table of what they know."""

import pytest

from deepseek_local.engine.allowed import ALLOWED, REFUSED
from deepseek_local.engine.compat import ALWAYS, NEWEST, OLDEST, REFERENCE, SINCE, first_version, known_flags, release
from deepseek_local.errors import PlanError


@pytest.mark.parametrize(
    ("version", "expected"),
    [("0.26.0", OLDEST), ("0.32.0", (0, 32)), ("0.33.1rc1+cpu", NEWEST), ("0.29", (0, 29)), ("0.30.dev7", (0, 30))],
)
def test_versions_are_read_by_major_and_minor_number(version, expected):
    assert release(version) == expected


@pytest.mark.parametrize("version", ["0.25.9", "0.34.0", "1.0.0", "0.3.2", "0.330.0"])
def test_a_version_out_of_range_is_refused_with_the_range_and_a_remedy(version):
    with pytest.raises(PlanError, match=rf"{version} is installed.*0\.26 to 0\.33.*install vllm=={REFERENCE}"):
        release(version)


@pytest.mark.parametrize("version", ["", "dev", "v0.32.0", "0", "0.x"])
def test_what_is_no_version_is_refused(version):
    with pytest.raises(PlanError, match="no version number"):
        release(version)


def test_newer_engines_know_more():
    flag = "--max-num-queued-reqs"
    assert flag not in known_flags("0.28.0")
    assert flag in known_flags("0.29.0")
    assert first_version(flag) == "0.29"
    assert first_version("--uds") == "0.26"


def test_the_table_holds_every_flag_that_may_be_given():
    assert set(ALLOWED) <= ALWAYS | set(SINCE)


def test_no_flag_is_both_allowed_and_refused():
    assert not set(ALLOWED) & set(REFUSED)
