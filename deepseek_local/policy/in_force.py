"""The policy in force with what is laid over it: emergency grants, which count, and a shadow policy, which is only asked."""

from collections.abc import Sequence
from dataclasses import replace

from deepseek_local.access import Access, Principal, Verdict
from deepseek_local.policy.attributes import Attributes
from deepseek_local.policy.break_glass import EmergencyGrant
from deepseek_local.policy.enforcer import Policy
from deepseek_local.policy.rules import Membership


class InForce:
    """What decides about requests until something changes."""

    def __init__(self, policy: Policy, grants: Sequence[EmergencyGrant] = (), shadow: Policy | None = None) -> None:
        self.policy = policy
        self.digest = policy.digest
        self._shadow = shadow
        self._identifiers: dict[str, list[str]] = {}
        for grant in grants:
            self._identifiers.setdefault(grant.principal, []).append(grant.id)
        self._widened = policy.with_more([_membership(grant) for grant in grants]) if grants else policy

    def decide(self, principal: Principal, access: Access, attributes: Attributes) -> Verdict:
        """Say whether the principal may, by which rule, by which emergency grant, and where the shadow policy differs."""
        plain = verdict = self.policy.decide(principal, access, attributes)
        if principal.name in self._identifiers:
            verdict = self._widened.decide(principal, access, attributes)
            if verdict.allowed and not plain.allowed:
                verdict = replace(verdict, grant=",".join(self._identifiers[principal.name]))
        if self._shadow is not None:
            other = self._shadow.decide(principal, access, attributes)
            if other.allowed is not plain.allowed:
                verdict = replace(verdict, shadow=f"{'allow' if other.allowed else 'deny'} {other.rule}")
        return verdict

    def may(self, principal: Principal, access: Access) -> bool:
        """
        Whether there are attributes with which the principal would be allowed; asked before a body is read.

        The shadow policy counts here: what it would say can only be known with all attributes.
        """
        if self._widened.may(principal, access):
            return True
        return self._shadow is not None and self._shadow.may(principal, access)

    def roles_of(self, principal: Principal) -> frozenset[str]:
        """Return the roles that the principal has now."""
        return self._widened.roles_of(principal)

    def has_role(self, principal_name: str) -> bool:
        """Whether the principal has any role now, for any tenant."""
        return self._widened.has_role(principal_name)


def _membership(grant: EmergencyGrant) -> Membership:
    return Membership(grant.principal, grant.role, grant.tenant, f"break-glass {grant.id}", 1)
