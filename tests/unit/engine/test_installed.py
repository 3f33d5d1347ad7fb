"""Whether an engine is installed, asked with and without one."""

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import deepseek_local
from deepseek_local.engine.installed import DISTRIBUTIONS, installed_version

ASK = "from deepseek_local.engine.installed import installed_version; print(installed_version())"


def test_the_version_is_that_of_the_installed_distribution():
    installed = {found.name: found.version for found in metadata.distributions() if found.name in DISTRIBUTIONS}
    assert installed_version() in (installed.values() or {None})


def test_without_an_engine_there_is_no_version():
    home = str(Path(deepseek_local.__file__).parents[1])
    bare = subprocess.run(
        [sys.executable, "-S", "-c", ASK],
        env=os.environ | {"PYTHONPATH": home},
        capture_output=True,
        text=True,
        check=True,
    )
    assert bare.stdout == "None\n"
