"""Checks of the front door's files: policy, token store, keys, and what other identities are checked with."""

import grp
from collections.abc import Iterator

from deepseek_local import digest_keys
from deepseek_local.access import CANARY, Access, Principal
from deepseek_local.errors import HSMError, IdentityError, PolicyError
from deepseek_local.finding import Finding, error, warning
from deepseek_local.hsm import session, uri
from deepseek_local.identity import denied, issuers, key_set, keys, store
from deepseek_local.plan import Plan
from deepseek_local.policy import reload, routes
from deepseek_local.profile import handover, policies
from deepseek_local.supervisor.front_door import CHAT, FORBIDDEN


def policy(plan: Plan) -> Iterator[Finding]:
    """Load the policy, hold it to its expectations, and decide what the golden question will need."""
    files = policies.files(plan.profile, plan.places)
    missing = [file for file in files if not file.exists()]
    for file in missing:
        yield error(
            "policy.missing",
            f"the policy file {file} does not exist",
            "create it with a line for each member, such as `g, u:alice, operator`",
        )
    if missing:
        return
    try:
        loaded = reload.load_tested(files, plan.profile.gateway.administrators)
    except PolicyError as reason:
        for problem in reason.problems:
            yield error("policy.unusable", str(problem))
        return
    canary = Principal(CANARY, "canary", "")
    if not loaded.may(canary, _route("POST", CHAT)):
        yield error(
            "policy.canary-refused",
            f"the policy does not let {CANARY} ask the golden question",
            f"add the two lines `p, canary, inference_chat, execute` and `g, {CANARY}, canary`",
        )
    if loaded.may(canary, _route("GET", FORBIDDEN)):
        yield error(
            "policy.canary-allowed",
            f"the policy lets {CANARY} read {FORBIDDEN}, which is how refusals are tested",
            "give it no other rule than `p, canary, inference_chat, execute`",
        )
    local = plan.profile.gateway.local_principal
    if local is not None and not loaded.has_role(local):
        yield warning(
            "policy.local-principal",
            f"{local} has no role, so its token opens nothing",
            f"add a line such as `g, {local}, operator`",
        )


def tokens(plan: Plan) -> Iterator[Finding]:
    """Read the token store and its key, where they exist; a start makes what is missing."""
    try:
        known = store.read(plan.places.tokens(plan.profile))
        key = plan.places.tokens_key(plan.profile)
        if known or key.exists():
            keys.read(key)
    except IdentityError as reason:
        yield error("tokens.unusable", str(reason))


def identity_sources(plan: Plan) -> Iterator[Finding]:
    """Read what certificates and JSON Web Tokens are checked with, where they count."""
    chosen = handover.settings(plan.profile, plan.places, {}, "")
    try:
        if chosen.certificates is not None:
            issuers.read(chosen.certificates.issuer_files)
            denied.read(chosen.certificates.denied_serials_file)
        if chosen.jwt is not None:
            key_set.read(chosen.jwt.keys_file)
    except IdentityError as reason:
        yield error("identity-source.unusable", str(reason))


def site_keys(plan: Plan) -> Iterator[Finding]:
    """Read the keys of digests, cache salts, the proxy and the captured texts, where they exist; a start makes what is missing."""
    places = plan.places
    single = ((path, keys.read) for path in (places.salt_key, places.proxy_key, places.capture_key))
    for path, read in ((places.digest_keys, digest_keys.read_all), *single):
        try:
            if path.exists():
                read(path)
        except IdentityError as reason:
            yield error("key.unusable", str(reason))


def signing_key(plan: Plan) -> Iterator[Finding]:
    """Look for the module and the PIN of the key that signs the audit log; the token itself is asked by the sequencer."""
    name = plan.profile.audit.signing_key
    try:
        if name is not None:
            session.ready(uri.parse(name))
    except HSMError as reason:
        yield error("signing-key.unusable", str(reason))


def socket_group(plan: Plan) -> Iterator[Finding]:
    """Find the group that may connect to the socket."""
    group = plan.profile.gateway.socket_group
    if group is not None and group not in {entry.gr_name for entry in grp.getgrall()}:
        yield error(
            "socket-group.missing",
            f"gateway.socket_group {group!r} does not exist on this host",
            "create it or name another",
        )


def _route(method: str, path: str) -> Access:
    access = routes.match(method, path)
    if access is None:
        raise LookupError(f"{method} {path} is not in the route catalogue")
    return access
