"""What the policy of a profile gives to the owner of a token, and what to say where that is nothing."""

from collections.abc import Sequence

from deepseek_local.access import Principal
from deepseek_local.errors import IdentityError, PolicyError
from deepseek_local.policy import enforcer
from deepseek_local.profile import policies
from deepseek_local.profile.places import Places
from deepseek_local.profile.schema import Profile


def insist(principal: str, roles: Sequence[str], tenant: str | None, profile: Profile, places: Places) -> None:
    """Raise `IdentityError` unless the owner has all the roles, `PolicyError` where nobody can know."""
    policy = enforcer.load(policies.files(profile, places), profile.gateway.administrators)
    owned = policy.roles_of(Principal(principal, "token", "", tenant))
    if foreign := sorted(set(roles) - owned):
        has = ", ".join(sorted(owned)) or "none"
        raise IdentityError(
            f"{principal} does not have the role {foreign[0]} (it has: {has}), so its token cannot carry it;"
            f" add `g, {principal}, {foreign[0]}` to the policy, or name another role"
        )


def hint(principal: str, profile: Profile, places: Places) -> str | None:
    """Say so when a token of the principal opens nothing yet, or when nobody can know."""
    files = policies.files(profile, places)
    if missing := [file for file in files if not file.exists()]:
        return f"{principal} has no role yet: {missing[-1]} does not exist, create it with the line `g, {principal}, operator`."
    try:
        policy = enforcer.load(files, profile.gateway.administrators)
    except PolicyError as error:
        return f"The policy of this profile cannot be used:\n{error}"
    if policy.has_role(principal):
        return None
    own = next((name for name in reversed(profile.gateway.policy) if not name.startswith(policies.SHIPPED)), None)
    file = places.home / own if own else "a file of your own and list it in gateway.policy"
    return f"{principal} has no role yet: add a line such as `g, {principal}, operator` to {file}."
