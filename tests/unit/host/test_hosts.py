"""What is found on four recorded hosts, and that nothing a host holds can break the look at it."""

import os
import random
import shutil
import sysconfig
import threading
from pathlib import Path

import pytest
import recorded_host

from deepseek_local import proc
from deepseek_local.host import examination, packages, probing, steps
from deepseek_local.host.changes import Wishes
from deepseek_local.host.facts import Facts, Limits, Security
from deepseek_local.host.probing import Senses
from deepseek_local.host.settings import SETTINGS
from deepseek_local.host.tree import Commands, Tree

DGX, ROCKY, DEBIAN, MI250X = "dgx-a100-ubuntu-22.04", "rocky-9-selinux", "debian-12-virtual", "mi250x-rhel-8"


@pytest.fixture
def host(tmp_path):
    def lay_out(name: str) -> Path:
        root = recorded_host.laid_out(name, tmp_path / name)
        header = root / sysconfig.get_path("include").lstrip("/")
        header.mkdir(parents=True, exist_ok=True)
        (header / "Python.h").touch()
        return root

    return lay_out


def look(root: Path, **options) -> Facts:
    return probing.probe(recorded_host.senses(root, **options))


def found(facts: Facts) -> dict[str, list[str]]:
    messages: dict[str, list[str]] = {}
    for finding in examination.examine(facts):
        messages.setdefault(finding.id, []).append(str(finding))
    return messages


def test_a_dgx_is_told_of_driver_fabric_persistence_bridges_and_open_ports(host):
    facts = look(host(DGX))
    seen = facts.accelerators
    assert (seen.nvidia, seen.nvswitches, seen.driver) == (8, 6, (535, 161, 8))
    messages = found(facts)
    assert set(messages) == {
        "driver.behind",
        "fabric.version",
        "persistence.off",
        "acs.redirects",
        "setting.differs",
        "firewall.open",
    }
    assert messages["driver.behind"][0].startswith(
        "warning [driver.behind]: the driver 535.161.08 is older than CUDA 12.8 of the installed torch"
    )
    assert "is 535.129.03 and the driver 535.161.08" in messages["fabric.version"][0]
    assert "off on 8 of 8 GPUs" in messages["persistence.off"][0]
    assert "1 PCI bridges, such as 0000:00:01.1," in messages["acs.redirects"][0]
    assert "*:22, *:29500 listen" in messages["firewall.open"][0]


def test_a_rocky_with_selinux_is_not_asked_to_turn_it_off(host):
    facts = look(host(ROCKY))
    messages = found(facts)
    assert facts.security is Security.ENFORCING
    assert facts.memory.open_swaps == ("/dev/dm-1",), "the other one lies on LUKS"
    assert set(messages) == {
        "selinux.enforcing",
        "shm.small",
        "swap.open",
        "hugepages.mode",
        "clock.wrong",
        "setting.differs",
    }
    assert "keep it on" in messages["selinux.enforcing"][0]
    assert "chrony runs, but the clock is not synchronised" in messages["clock.wrong"][0]
    assert "/dev/shm holds 4.0 GiB; give it 16.0 GiB" in messages["shm.small"][0]


def test_a_virtual_machine_in_order_is_ready(host):
    facts = look(host(DEBIAN))
    assert found(facts) == {}
    assert facts.accelerators.is_virtual


def test_a_host_of_amd_is_told_of_kfd_rocm_iommu_and_a_file_system_of_the_network(host):
    facts = look(host(MI250X), timeout_seconds=0.2)
    messages = found(facts)
    assert set(messages) == {
        "amdgpu.missing",
        "rocm.old",
        "iommu.translates",
        "setting.differs",
        "firewall.unseen",
        "volume.untried",
        "selinux.permissive",
    }
    assert "8 GPUs of AMD are there, but /dev/kfd is missing" in messages["amdgpu.missing"][0]
    assert "ROCm is 6.1.0, and torch is built for 6.4" in messages["rocm.old"][0]


@pytest.mark.parametrize(
    ("driver", "cuda", "identifier"),
    [
        ("580.95.05", "13.0", None),
        ("580.95.05", "13.2", "driver.behind"),
        ("570.211.01", "13.0", "driver.old"),
        ("525.60.13", "12.0", None),
        ("525.60.12", "12.0", "driver.old"),
        ("580.95.05", "14.0", "driver.unknown"),
    ],
)
def test_a_driver_is_held_against_the_cuda_of_torch(host, driver, cuda, identifier):
    root = host(DGX)
    version, torch = root / "proc/driver/nvidia/version", root / "site-packages/torch/version.py"
    version.write_text(version.read_text().replace("535.161.08", driver))
    torch.write_text(torch.read_text().replace("'12.8'", f"'{cuda}'"))
    assert [each for each in found(look(root)) if each.startswith("driver.")] == ([identifier] if identifier else [])


def test_gpus_without_a_driver_and_a_build_without_gpus_are_errors(host):
    root = host(DGX)
    (root / "proc/driver/nvidia/version").unlink()
    assert "driver.missing" in found(look(root))
    shutil.rmtree(root / "sys/bus/pci/devices")
    assert "gpu.none" in found(look(root))


@pytest.mark.parametrize(
    ("line", "identifier"),
    [
        ("ID=debian\nVERSION_ID=12\n", None),
        ("ID='ubuntu'\nVERSION_ID='24.04'\n", None),
        ("ID=ubuntu\nVERSION_ID=20.04\n", "os.untried"),
        ("ID=arch\n", "os.untried"),
        ("no distribution at all", "os.unknown"),
        ("", "os.unknown"),
    ],
)
def test_the_distribution_is_read(host, line, identifier):
    root = host(DEBIAN)
    (root / "etc/os-release").write_text(line)
    assert list(found(look(root))) == ([identifier] if identifier else [])


def test_without_a_keeper_of_the_time_a_host_is_not_ready(host):
    root = host(DEBIAN)
    shutil.rmtree(root / "proc/301")
    assert "clock.unkept" in found(look(root, is_synchronised=False))
    assert "clock.unseen" in found(look(root, is_synchronised=None))


def test_one_version_of_ip_that_is_open_is_open(host):
    root = host(DEBIAN)
    nft = root / "usr/sbin/nft"
    nft.write_text(nft.read_text().replace("table ip6", "table arp"))
    assert "firewall.open" in found(look(root))


@pytest.mark.parametrize(
    ("line", "identifier"),
    [
        ("22 1 0:5 / / rw - tmpfs none rw", "volume.forgets"),
        ("22 1 8:1 / / rw - ext4 /dev/sda1 rw,nobarrier", "volume.unsafe"),
        ("22 1 8:1 / / rw - vfat /dev/sda1 rw", "volume.untried"),
        ("this is no mount", "volume.unseen"),
    ],
)
def test_the_volume_must_keep_what_it_promises(host, line, identifier):
    root = host(DEBIAN)
    (root / "proc/self/mountinfo").write_text(f"{line}\n25 22 0:23 / /dev/shm rw - tmpfs tmpfs rw,size=50%\n")
    assert list(found(look(root))) == [identifier]


def test_room_and_limits_are_judged(host):
    root = host(DEBIAN)
    assert list(found(look(root, free_bytes=lambda _: 10**9))) == ["volume.full"]
    assert list(found(look(root, free_bytes=lambda _: 20 * 10**9))) == ["volume.small"]
    senses = recorded_host.senses(root)
    small = Senses(
        senses.tree, senses.commands, senses.packages, lambda: True, senses.free_bytes, lambda: Limits(1024, 0)
    )
    assert list(found(probing.probe(small))) == ["limit.files"]


def test_an_empty_tree_is_a_host_that_is_not_ready(tmp_path):
    messages = found(probing.probe(Senses.of_tree(tmp_path)))
    assert {"os.unknown", "shm.missing", "firewall.unseen", "clock.unseen"} <= set(messages)
    assert "check.failed" not in messages


def test_files_that_are_garbage_directories_pipes_or_huge_break_no_check(host):
    root, dice = host(DGX), random.Random(5)  # noqa: S311 -- the same garbage every time
    for place in sorted(path for path in root.rglob("*") if path.is_file() and "bin" not in path.parts):
        match dice.randrange(4):
            case 0:
                place.write_bytes(dice.randbytes(300))
            case 1:
                place.unlink()
                place.mkdir()
            case 2:
                place.unlink()
                os.mkfifo(place)
            case _:
                place.write_text("9" * 5000 + ".9\n" + "-1 " * 5000)
    assert "check.failed" not in found(look(root))


@pytest.mark.parametrize(
    "script", ["exit 1", "printf '\\377\\376'", "sleep 600", "kill -9 $$", "yes | head -c 2000000"]
)
def test_commands_that_fail_hang_or_babble_break_no_check(host, script):
    root = host(DGX)
    for name in ("usr/sbin/nft", "usr/bin/nvidia-smi", "usr/bin/chronyc", "usr/bin/nv-fabricmanager"):
        (root / name).write_text(f"#!/bin/sh\n{script}\n")
    messages = found(look(root, timeout_seconds=0.1))
    assert "check.failed" not in messages
    assert {"firewall.unseen", "firewall.open"} & set(messages)


def test_a_command_that_not_even_a_kill_ends_holds_nobody_up(host, monkeypatch):
    root, ended = host(DGX), threading.Event()
    monkeypatch.setattr(proc, "ask", lambda *_: ended.wait())
    commands = Commands((root / "usr/bin",), timeout_seconds=0.05)
    assert commands.answer("nvidia-smi") is None
    ended.set()


def test_a_program_that_cannot_run_is_no_program(tmp_path):
    (tmp_path / "nft").write_bytes(b"\x7fELF garbage")
    (tmp_path / "nft").chmod(0o755)
    assert Commands((tmp_path,)).answer("nft", "list") is None
    (tmp_path / "nft").chmod(0o644)
    assert Commands((tmp_path,)).find("nft") is None


def test_what_is_missing_is_installed_by_the_packages_of_the_distribution(host):
    root = host(DGX)
    for name in ("usr/sbin/nft", "usr/bin/gcc", "usr/bin/chronyc", "proc/1021/comm"):
        (root / name).unlink()
    facts = look(root)
    assert {"gcc", "nftables", "chrony"} <= set(packages.missing(facts))
    (change,) = (each for each in steps.steps(facts, Wishes((22,))) if each.name == "packages")
    assert change.commands[0] == ("apt-get", "update")
    offline = Wishes((22,), source=packages.Source("https://mirror.example/", is_trusted=False))
    (change,) = (each for each in steps.steps(facts, offline) if each.name == "packages")
    assert change.files[0].content == "deb https://mirror.example/ ./\n"
    assert "Dir::Etc::SourceParts=/dev/null" in change.commands[2]
    assert packages.commands(("dnf",), ("chrony",), offline.source) == (
        (
            "dnf",
            "--assumeyes",
            "--repofrompath=deepseek-local,https://mirror.example/",
            "--repo=deepseek-local",
            "install",
            "chrony",
        ),
    )


def test_every_setting_that_a_host_lacks_is_set_and_a_greater_one_is_kept(host):
    root = host(DGX)
    (root / "proc/sys/vm/max_map_count").write_text("2000000\n")
    (root / "proc/sys/kernel/numa_balancing").unlink()
    (change,) = (each for each in steps.steps(look(root), Wishes((22,))) if each.name == "settings")
    assert "vm.max_map_count = 2000000" in change.files[0].content
    assert "numa_balancing" not in change.files[0].content
    assert ("sysctl", "-w", "vm.swappiness=60") in change.undo
    assert all(setting.reason for setting in SETTINGS.values())


def test_the_names_of_the_steps_are_all(host):
    made = {
        each.name
        for name in (DGX, ROCKY, MI250X)
        for each in steps.steps(look(host(name), timeout_seconds=0.2), Wishes((22,)))
    }
    assert made <= set(steps.NAMES)
    assert set(steps.NAMES) - made <= {"packages", "fabric", "clock"}


def test_a_tree_is_read_only_below_its_root(tmp_path):
    assert Tree(tmp_path).at("/etc/os-release") == tmp_path / "etc/os-release"
