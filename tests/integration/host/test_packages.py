"""An offline source of packages, asked by the real apt: only it is asked, and nothing is installed here."""

import shutil
import subprocess
from pathlib import Path

import pytest

from deepseek_local.errors import HostError
from deepseek_local.host import packages
from deepseek_local.host.packages import Source

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not all(map(shutil.which, ("apt-get", "dpkg-deb", "dpkg-scanpackages"))), reason="this host has no apt"
    ),
]

NAME = "deepseek-local-probe"


@pytest.fixture
def repository(tmp_path):
    """A directory with one package and its index."""
    build, repository = tmp_path / "build", tmp_path / "repository"
    (build / "DEBIAN").mkdir(parents=True)
    repository.mkdir()
    (build / "DEBIAN/control").write_text(
        f"Package: {NAME}\nVersion: 1.0\nArchitecture: all\nMaintainer: A <a@example.com>\nDescription: nothing\n"
    )
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "--build", build, repository / "probe.deb"], check=True, capture_output=True
    )
    index = subprocess.run(["dpkg-scanpackages", "."], cwd=repository, check=True, capture_output=True).stdout
    (repository / "Packages").write_bytes(index)
    return repository


def asked(source: Source, state: Path) -> list[subprocess.CompletedProcess[str]]:
    """Run the commands with their state below a directory, the installation as a simulation."""
    state.mkdir()
    (state / "packages.list").write_text(packages.listing(source))
    room, update, install = packages.commands(("apt-get",), (NAME,), source)
    moved = [
        [word.replace(packages.STATE, str(state)) for word in argv] for argv in (room, update, (*install, "--simulate"))
    ]
    return [
        subprocess.run(
            argv,
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"},
        )
        for argv in moved
    ]


def test_apt_takes_a_package_from_a_directory_without_a_signature(repository, tmp_path):
    _, update, install = asked(Source.of(str(repository)), tmp_path / "state")
    assert update.returncode == 0, update.stderr
    assert f"Inst {NAME} (1.0" in install.stdout, install.stderr
    assert "http" not in update.stdout


def test_a_directory_that_says_it_is_signed_must_be(repository, tmp_path):
    (repository / "InRelease").write_text("no signature at all\n")
    _, update, install = asked(Source.of(str(repository)), tmp_path / "state")
    assert (update.returncode, install.returncode) != (0, 0)


@pytest.mark.parametrize("text", ["", "/no/such/place", "https://a.example/ [trusted=yes]", "a\nb", "'x'"])
def test_what_is_no_source_is_refused(text):
    with pytest.raises(HostError):
        Source.of(text)
