"""The policy files of a profile, as paths."""

from pathlib import Path

from deepseek_local.profile.library import shipped_file
from deepseek_local.profile.load import SHIPPED
from deepseek_local.profile.places import Places
from deepseek_local.profile.schema import Profile


def files(profile: Profile, places: Places) -> tuple[Path, ...]:
    """Return the absolute paths in order: `shipped:NAME` from the kit, others below *home*."""
    return tuple(
        shipped_file("policies", name.removeprefix(SHIPPED)) if name.startswith(SHIPPED) else places.home / name
        for name in profile.gateway.policy
    )
