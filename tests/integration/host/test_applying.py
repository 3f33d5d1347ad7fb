"""A preparation in a tree of its own: shown, applied, applied again, changed by others, killed at every step, and taken back."""

import os
import stat
import subprocess
from pathlib import Path

import pytest
import recorded_host
from click.testing import CliRunner
from killed import every_death

from deepseek_local.cli import main
from deepseek_local.errors import HostError
from deepseek_local.host import applying, journal, probing, steps
from deepseek_local.host.changes import Change, File, Wishes
from deepseek_local.host.tree import Commands, Tree

pytestmark = pytest.mark.integration

WISHES = Wishes((22, 443))


def contents(root: Path) -> dict[str, tuple[int, bytes]]:
    """Return mode and content of everything but the journal."""
    return {
        str(path.relative_to(root)): (stat.S_IMODE(path.stat().st_mode), path.read_bytes())
        for path in root.rglob("*")
        if path.is_file() and "deepseek-local-host" not in path.parts
    }


@pytest.fixture
def root(tmp_path):
    root = recorded_host.laid_out("dgx-a100-ubuntu-22.04", tmp_path / "host")
    (root / "etc/sysctl.d").mkdir()
    (root / "etc/sysctl.d/60-deepseek-local.conf").write_text("vm.swappiness = 10\n")
    (root / "etc/sysctl.d/60-deepseek-local.conf").chmod(0o600)
    return root


@pytest.fixture
def programs(tmp_path):
    """Programs that write down how they were called."""
    directory = tmp_path / "programs"
    directory.mkdir()
    for name in ("sysctl", "systemctl", "systemd-tmpfiles", "nft", "mount"):
        (directory / name).write_text(f'#!/bin/sh\necho {name} "$@" >> {tmp_path}/calls\n')
        (directory / name).chmod(0o755)
    return Commands((directory,))


def wanted(root: Path) -> tuple[Change, ...]:
    facts = probing.probe(recorded_host.senses(root))
    return applying.pending(steps.steps(facts, WISHES), Tree(root))


def prepare(root: Path, commands: Commands) -> None:
    for change in wanted(root):
        applying.apply(change, Tree(root), commands, has_systemd=True)


def nothing(_: str) -> None:
    """Hear what stays."""


def test_showing_changes_nothing_and_applying_does_what_was_shown(root, programs, tmp_path):
    before = contents(root)
    shown = "\n".join(line for change in wanted(root) for line in applying.difference(change, Tree(root)))
    assert contents(root) == before
    assert not (tmp_path / "calls").exists()
    assert "-vm.swappiness = 10" in shown
    assert "+vm.swappiness = 1" in shown
    prepare(root, programs)
    assert contents(root)["etc/sysctl.d/60-deepseek-local.conf"][0] == 0o644
    calls = (tmp_path / "calls").read_text().replace(str(root), "").splitlines()
    assert calls == [line.removeprefix("run: ") for line in shown.splitlines() if line.startswith("run: ")]


def test_the_way_back_leads_to_every_byte_and_mode(root, programs, tmp_path):
    before = contents(root)
    prepare(root, programs)
    prepare(root, programs)
    assert contents(root) != before
    (tmp_path / "calls").unlink()
    assert applying.undo(Tree(root), programs, has_systemd=True, tell=nothing) > 0
    assert contents(root) == before
    calls = (tmp_path / "calls").read_text()
    assert "nft delete table inet deepseek_local" in calls
    assert "sysctl -w vm.swappiness=60" in calls
    assert applying.undo(Tree(root), programs, has_systemd=True, tell=nothing) == 0


def test_what_somebody_changed_since_stays(root, programs):
    prepare(root, programs)
    (root / "etc/deepseek-local/firewall.nft").write_text("# mine\n")
    heard: list[str] = []
    applying.undo(Tree(root), programs, has_systemd=True, tell=heard.append)
    assert heard == ["/etc/deepseek-local/firewall.nft stays: somebody changed it since"]
    assert (root / "etc/deepseek-local/firewall.nft").read_text() == "# mine\n"


def test_killed_at_every_change_it_can_be_repeated_and_taken_back(root, programs):
    before = contents(root)
    deaths = 0
    for number in every_death(lambda: None, lambda: prepare(root, programs), stride=3):
        deaths += 1
        if number % 2:
            prepare(root, programs)
        applying.undo(Tree(root), programs, has_systemd=True, tell=nothing)
        assert contents(root) == before, f"death {number}"
    assert deaths > 10
    for _ in every_death(
        lambda: prepare(root, programs),
        lambda: applying.undo(Tree(root), programs, has_systemd=True, tell=nothing),
        stride=3,
    ):
        applying.undo(Tree(root), programs, has_systemd=True, tell=nothing)
        assert contents(root) == before


def test_a_command_that_fails_or_is_missing_ends_it_and_can_be_repeated(root, programs):
    sysctl = programs.directories[0] / "sysctl"
    kept = sysctl.read_text()
    sysctl.write_text("#!/bin/sh\necho 'permission denied on key' >&2\nexit 255\n")
    with pytest.raises(HostError, match=r"exit code 255 \(permission denied on key\): put that right and repeat"):
        prepare(root, programs)
    sysctl.unlink()
    with pytest.raises(HostError, match="sysctl is not installed"):
        prepare(root, programs)
    sysctl.write_text(kept)
    sysctl.chmod(0o755)
    prepare(root, programs)


@pytest.mark.parametrize("kind", ["link", "directory", "pipe", "huge"])
def test_what_could_not_be_put_back_is_not_replaced(root, programs, kind):
    place = root / "etc/sysctl.d/60-deepseek-local.conf"
    place.unlink()
    if kind == "link":
        place.symlink_to("/dev/null")
    elif kind == "directory":
        place.mkdir()
    elif kind == "pipe":
        os.mkfifo(place)
    else:
        place.write_bytes(bytes(2 * 1024 * 1024))
    with pytest.raises(HostError, match="no regular file"):
        prepare(root, programs)


def test_a_link_does_not_lead_out_of_an_image(root, programs, tmp_path):
    (tmp_path / "outside").mkdir()
    (root / "etc/tmpfiles.d").symlink_to(tmp_path / "outside")
    with pytest.raises(HostError, match="leads out of"):
        prepare(root, programs)
    assert list((tmp_path / "outside").iterdir()) == []


def test_a_journal_that_is_garbage_stops_everything(root, programs):
    place = journal.place(Tree(root))
    place.parent.mkdir(parents=True)
    place.write_bytes(b"\xff\x00 garbage")
    before = contents(root)
    for work in (
        lambda: prepare(root, programs),
        lambda: applying.undo(Tree(root), programs, has_systemd=True, tell=nothing),
    ):
        with pytest.raises(HostError, match="cannot be read"):
            work()
    assert contents(root) == before


def test_a_journal_that_cannot_be_written_ends_it_before_anything_is_changed(root, programs):
    journal.place(Tree(root)).mkdir(parents=True)
    with pytest.raises(HostError, match="cannot be read"):
        applying.apply(Change("x", "X.", (File("/etc/x", "y"),)), Tree(root), programs, has_systemd=True)
    assert not (root / "etc/x").exists()


def fill(root: Path, commands: Commands, place: Path) -> None:
    """Make steps until there is no room."""
    for number in range(100):
        change = Change("x", "X.", (File(f"/etc/x{number}", "y" * 4096),))
        applying.apply(change, Tree(root), commands, has_systemd=True)
        (place / f"filling{number}").write_bytes(bytes(1024))


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_full_disk_ends_it_and_the_way_back_still_works(root, programs):
    before = contents(root)
    place = journal.place(Tree(root)).parent
    place.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "small", str(place)], check=True)
    try:
        (place / "filling").write_bytes(bytes(48 * 1024))
        with pytest.raises(HostError, match="so nothing more is changed"):
            fill(root, programs, place)
        (place / "filling").unlink()
        applying.undo(Tree(root), programs, has_systemd=True, tell=nothing)
        assert contents(root) == before
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_an_image_gets_files_and_a_second_run_finds_nothing_to_do(tmp_path):
    image = tmp_path / "image"
    image.mkdir()
    runner = CliRunner()
    words = ["host", "prepare", "--root", str(image)]
    first = runner.invoke(main.group, [*words, "--apply"])
    assert first.exit_code == 0, first.output
    assert "Left to be run: systemctl enable deepseek-local-firewall.service" in first.output
    after = contents(image)
    assert "etc/deepseek-local/firewall.nft" in after
    second = runner.invoke(main.group, [*words, "--apply"])
    assert "0 steps are done." in second.output
    assert contents(image) == after
    assert runner.invoke(main.group, [*words, "--undo"]).exit_code == 0
    assert contents(image) == {}
