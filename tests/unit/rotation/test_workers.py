"""Where a running nginx writes its number, as far as it says so itself."""

import os
from pathlib import Path

import pytest

from deepseek_local.errors import PKIError
from deepseek_local.rotation import workers

BUILD = "configure arguments: --prefix=/usr/share/nginx --pid-path=/run/nginx.pid --with-debug"


def test_the_configuration_comes_before_what_was_built_in() -> None:
    assert workers.pid_file("# pid /a;\n  pid  /run/b.pid ;\nevents {}", BUILD) == Path("/run/b.pid")
    assert workers.pid_file("events {}", BUILD) == Path("/run/nginx.pid")


@pytest.mark.parametrize(("configuration", "build"), [("pid nginx.pid;", BUILD), ("", "")])
def test_a_place_that_nobody_knows_is_asked_for(configuration: str, build: str) -> None:
    with pytest.raises(PKIError, match=r"write `pid /run/nginx\.pid;`"):
        workers.pid_file(configuration, build)


@pytest.mark.parametrize("content", [None, "", "words", "99999999"])
def test_an_nginx_that_does_not_run_is_said_so(tmp_path: Path, content: str | None) -> None:
    place = tmp_path / "pid"
    if content is not None:
        place.write_text(content)
    with pytest.raises(PKIError, match="nginx does not run"):
        workers.accepting(place)


def test_children_of_another_program_are_no_workers(tmp_path: Path) -> None:
    place = tmp_path / "pid"
    place.write_text(str(os.getpid()))
    assert workers.accepting(place) == set()
