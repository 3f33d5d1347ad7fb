"""
Who reaches which role, and for which tenant.

A principal reaches the roles of its `g` lines and, through them, the roles that those roles have. A line with a tenant counts only for
that tenant; one without counts for every tenant, and for requests that name none.
"""

from collections.abc import Iterable, Mapping, Sequence

from deepseek_local.access import Principal
from deepseek_local.policy.rules import Membership

Links = Mapping[str, set[str]]
"""Every member with what it belongs to directly."""


class Members:
    """The `g` lines of a policy."""

    def __init__(self, memberships: Sequence[Membership], extra: Sequence[Membership] = ()) -> None:
        self._memberships = tuple(memberships)
        lines = (*memberships, *extra)
        tenants = {line.tenant for line in lines}
        self._links = {
            tenant: links((line.member, line.role) for line in lines if line.tenant == tenant) for tenant in tenants
        }
        # More lines say something about a principal's tenant only where these say nothing: they must take nothing away.
        self._tenants = {**_tenants(extra), **_tenants(memberships)}

    def with_more(self, extra: Sequence[Membership]) -> "Members":
        """Return these lines and some more."""
        return Members(self._memberships, extra)

    def tenant(self, principal: Principal) -> str | None:
        """Return the tenant for which the principal asks: its credential's, else the only one that its lines name."""
        if principal.tenant is not None:
            return principal.tenant
        named = self._tenants.get(principal.name, set())
        return next(iter(named)) if len(named) == 1 else None

    def domain(self, tenant: str | None) -> str:
        """Return the tenant as casbin's domain: empty for none, and for one that no line names."""
        return tenant if tenant is not None and tenant in self._links else ""

    def reached(self, member: str, tenant: str | None) -> frozenset[str]:
        """Return all roles of a principal, or of a role, for a tenant."""
        return above(member, self._links.get(None, {}), self._links.get(tenant, {}))

    def carried(self, principal: Principal, tenant: str | None, reached: frozenset[str]) -> frozenset[str]:
        """Return those of its roles whose rules may allow something: what the credential carries, with the roles that these have."""
        if principal.roles is None:
            return reached
        named = reached & principal.roles
        return named.union(*(self.reached(role, tenant) for role in named))


def links(pairs: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    """Collect pairs of a member and what it belongs to."""
    found: dict[str, set[str]] = {}
    for member, group in pairs:
        found.setdefault(member, set()).add(group)
    return found


def above(member: str, *sources: Links) -> frozenset[str]:
    """Return everything that a member belongs to by the links, directly or through others."""
    found: set[str] = set()
    ahead = [member]
    while ahead:
        name = ahead.pop()
        new = set[str]().union(*(source.get(name, ()) for source in sources)) - found
        found |= new
        ahead += new
    return frozenset(found)


def _tenants(memberships: Sequence[Membership]) -> dict[str, set[str]]:
    return links((line.member, line.tenant) for line in memberships if line.tenant is not None)
