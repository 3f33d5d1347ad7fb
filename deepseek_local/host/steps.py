"""From facts and wishes to the changes that would make a host fit; pure, so that showing and applying cannot differ."""

from collections.abc import Iterator

from deepseek_local.host import packages, ruleset, units
from deepseek_local.host.changes import Argv, Change, File, Wishes
from deepseek_local.host.facts import Facts
from deepseek_local.host.resource_checks import SHARED, wanted_shared_bytes
from deepseek_local.host.settings import SETTINGS, Setting

_UNITS = "/etc/systemd/system"
_SYSCTL = "/etc/sysctl.d/60-deepseek-local.conf"
_TMPFILES = "/etc/tmpfiles.d/60-deepseek-local.conf"
_FIREWALL = "/etc/deepseek-local/firewall.nft"
_FIREWALL_UNIT, _SHARED_UNIT = "deepseek-local-firewall.service", "deepseek-local-shm.service"
_RELOAD: Argv = ("systemctl", "daemon-reload")
_MADE = "# Made by `deepseek-local host prepare`.\n"
_LIMITS = """# The units of deepseek-local set their own limits; these are for members of its group who start it by hand.
@deepseek-local soft nofile 65536
@deepseek-local hard nofile 65536
@deepseek-local - memlock unlimited
* hard core 0
"""


def steps(facts: Facts, wishes: Wishes) -> tuple[Change, ...]:
    """Return every step for this host in its order, also those that are done already."""
    makers = (_packages, _settings, _limits, _huge_pages, _shared_memory, _persistence, _fabric, _clock, _firewall)
    return tuple(change for make in makers for change in make(facts, wishes))


NAMES = ("packages", "settings", "limits", "hugepages", "shm", "persistence", "fabric", "clock", "firewall")
"""Of the steps."""


def _packages(facts: Facts, wishes: Wishes) -> Iterator[Change]:
    names = packages.missing(facts)
    commands = packages.commands(facts.software.programs, names, wishes.source)
    if names and commands:
        is_listed = wishes.source is not None and "apt-get" in facts.software.programs
        files = (File(packages.SOURCE_LIST, packages.listing(wishes.source)),) if wishes.source and is_listed else ()
        yield Change("packages", f"Install {', '.join(names)}.", files, commands, is_met=False)


def _settings(facts: Facts, _: Wishes) -> Iterator[Change]:
    # What a running kernel does not have is left out; of an image, nothing is known yet.
    known = [(name, SETTINGS[name], found) for name, found in facts.settings if found or not facts.is_running]
    lines = (f"# {setting.reason}\n{name} = {_value(setting, found)}\n" for name, setting, found in known)
    unmet = [(name, found) for name, setting, found in known if not setting.is_met_by(found)]
    yield Change(
        "settings",
        "Set what the kernel should do.",
        (File(_SYSCTL, _MADE + "".join(lines)),),
        (("sysctl", "-p", _SYSCTL),),
        tuple(("sysctl", "-w", f"{name}={found}") for name, found in unmet),
        is_met=not unmet,
    )


def _value(setting: Setting, found: str) -> str:
    return found if found and setting.is_met_by(found) else setting.value


def _limits(_: Facts, __: Wishes) -> Iterator[Change]:
    yield Change(
        "limits", "Raise the limits of logins.", (File("/etc/security/limits.d/60-deepseek-local.conf", _LIMITS),)
    )


def _huge_pages(facts: Facts, _: Wishes) -> Iterator[Change]:
    mode = facts.memory.huge_pages
    if mode is not None or not facts.is_running:
        switch = "/sys/kernel/mm/transparent_hugepage/enabled"
        yield Change(
            "hugepages",
            "Give huge pages to who asks for them.",
            (File(_TMPFILES, f"{_MADE}w {switch} - - - - madvise\n"),),
            (("systemd-tmpfiles", "--create", _TMPFILES),),
            is_met=mode in (None, "madvise"),
        )


def _shared_memory(facts: Facts, _: Wishes) -> Iterator[Change]:
    seen, wanted = facts.memory.shared_bytes, wanted_shared_bytes(facts.memory)
    if seen is not None and seen < wanted:
        yield Change(
            "shm",
            f"Let {SHARED} hold {wanted} bytes instead of {seen}.",
            (File(f"{_UNITS}/{_SHARED_UNIT}", units.shared_memory(wanted)),),
            (_RELOAD, ("systemctl", "enable", "--now", _SHARED_UNIT)),
            (("systemctl", "disable", _SHARED_UNIT), ("mount", "-o", f"remount,size={seen}", SHARED)),
            is_met=False,
        )


def _persistence(facts: Facts, _: Wishes) -> Iterator[Change]:
    seen = facts.accelerators
    if seen.nvidia and seen.driver and "nvidia-persistenced" in facts.software.programs:
        unit = "nvidia-persistenced.service"
        yield Change(
            "persistence",
            "Keep the driver of NVIDIA in its state when nobody uses a GPU.",
            (File(f"{_UNITS}/{unit}.d/60-deepseek-local.conf", units.PERSISTENCE),),
            (_RELOAD, ("systemctl", "enable", unit), ("systemctl", "restart", unit)),
            is_met=seen.persistent is not None and all(seen.persistent),
        )


def _fabric(facts: Facts, _: Wishes) -> Iterator[Change]:
    seen, unit = facts.accelerators, "nvidia-fabricmanager.service"
    if seen.nvswitches and seen.fabric_manager and not seen.is_fabric_managed:
        yield Change(
            "fabric",
            "Start the fabric manager now and at every boot.",
            commands=(("systemctl", "enable", "--now", unit),),
            undo=(("systemctl", "disable", "--now", unit),),
            is_met=False,
        )


def _clock(facts: Facts, _: Wishes) -> Iterator[Change]:
    if facts.clock.keeper is None and facts.is_running:
        unit = "chronyd.service" if "dnf" in facts.software.programs else "chrony.service"
        yield Change(
            "clock",
            "Let chrony keep the time.",
            commands=(("systemctl", "enable", "--now", unit),),
            undo=(("systemctl", "disable", "--now", unit),),
            is_met=False,
        )


def _firewall(facts: Facts, wishes: Wishes) -> Iterator[Change]:
    script = ruleset.render(wishes.ports, wishes.peers)
    closed = [each for each in facts.firewall.listening if int(each.rpartition(":")[2]) not in wishes.ports]
    opened = ", ".join(map(str, sorted(set(wishes.ports))))
    warned = f"; this closes {', '.join(closed)}, where something listens now" if closed else ""
    yield Change(
        "firewall",
        f"Drop what comes in on other TCP ports than {opened}{warned}.",
        (File(_FIREWALL, script), File(f"{_UNITS}/{_FIREWALL_UNIT}", units.FIREWALL)),
        (("nft", "-f", _FIREWALL), _RELOAD, ("systemctl", "enable", _FIREWALL_UNIT)),
        (("systemctl", "disable", _FIREWALL_UNIT), ("nft", "delete", "table", "inet", ruleset.TABLE)),
        is_met=not facts.is_running or ruleset.mark(script) in (facts.firewall.tables or ""),
    )
