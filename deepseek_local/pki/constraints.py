"""
What the leaves of an authority may be called (name constraints, RFC 5280, 4.2.1.10).

A client authority signs identities of its site and no host at all; a server authority the domains and networks that it was made for, if any
were named. So a stolen authority cannot speak for others, and a wrong name is refused here and not by the first client.
"""

import ipaddress
from collections.abc import Sequence

from cryptography import x509

from deepseek_local.errors import PKIError
from deepseek_local.pki import names
from deepseek_local.pki.build import Purpose

_EVERYWHERE = ("0.0.0.0/0", "::/0")


def of(purpose: Purpose, site: str, permitted: Sequence[str]) -> x509.NameConstraints | None:
    """Return what an authority may sign; `permitted` are domains and networks, and None where nothing was said. Raises `PKIError`."""
    if purpose is Purpose.CLIENT:
        hosts = [x509.DNSName(""), *_all_addresses()]
        return x509.NameConstraints([x509.UniformResourceIdentifier(names.site(site))], hosts)
    if not permitted:
        return None
    trees = [_tree(text) for text in permitted]
    kinds = {type(tree) for tree in trees}
    # A kind that no tree speaks of would be free: without networks no address at all is meant, and the other way round.
    excluded: list[x509.GeneralName] = [] if x509.DNSName in kinds else [x509.DNSName("")]
    if x509.IPAddress not in kinds:
        excluded += _all_addresses()
    return x509.NameConstraints(trees, excluded or None)


def check(authority: x509.Certificate, wanted: Sequence[x509.GeneralName]) -> None:
    """Raise `PKIError` for the first name that an authority may not sign."""
    try:
        limits = authority.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return
    for name in wanted:
        trees = [tree for tree in limits.permitted_subtrees or () if type(tree) is type(name)]
        excluded = any(_is_below(name, tree) for tree in limits.excluded_subtrees or ())
        if excluded or (trees and not any(_is_below(name, tree) for tree in trees)):
            allowed = ", ".join(names.shown(tree) for tree in limits.permitted_subtrees or ())
            raise PKIError(
                f"this authority signs nothing but {allowed}, and {names.shown(name)} is none of it; "
                "use another name, or set tls.permitted_names and make an authority for it with `certs rotate --authority`"
            )


def _is_below(name: x509.GeneralName, tree: x509.GeneralName) -> bool:
    if isinstance(name, x509.IPAddress) and isinstance(tree, x509.IPAddress):
        return _address(name) in ipaddress.ip_network(str(tree.value))
    if isinstance(name, x509.DNSName) and isinstance(tree, x509.DNSName):
        return not tree.value or f".{name.value}".endswith(f".{tree.value}")
    if isinstance(name, x509.UniformResourceIdentifier) and isinstance(tree, x509.UniformResourceIdentifier):
        return name.value.startswith(f"spiffe://{tree.value}/")
    return False


def _address(name: x509.IPAddress) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.ip_address(str(name.value))


def _all_addresses() -> list[x509.GeneralName]:
    return [x509.IPAddress(ipaddress.ip_network(each)) for each in _EVERYWHERE]


def _tree(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_network(text))
    except ValueError:
        return x509.DNSName(names.site(text))
