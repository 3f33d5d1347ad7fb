"""
Our own table of nftables: whatever nobody opened is dropped, whichever other tables are there.

A packet must pass every base chain of its hook, so that this table needs to change none of firewalld's, Docker's or the site's (nft(8)).
The engine's own ports are random and high, so hosts are let in by address and ports only by number.
"""

import hashlib
import ipaddress
from collections.abc import Sequence

TABLE = "deepseek_local"
_MARK = "deepseek-local"


def render(ports: Sequence[int], peers: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> str:
    """Return a script for `nft -f`, which replaces the table in one step."""
    rules = _rules(sorted(set(ports)), peers)
    chain = "\n".join(f"        {rule}" for rule in (*rules, f'counter drop comment "{_MARK} {_digest(rules)}"'))
    return f"""# Made by `deepseek-local host prepare`.
table inet {TABLE}
delete table inet {TABLE}
table inet {TABLE} {{
    chain input {{
        type filter hook input priority -10; policy drop;
{chain}
    }}
}}
"""


def mark(script: str) -> str:
    """Return the comment by which a loaded table is known to be that of a script."""
    return script[script.index(f'comment "{_MARK} ') :].split('"')[1]


def _rules(ports: Sequence[int], peers: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> tuple[str, ...]:
    families = {4: "ip", 6: "ip6"}
    allowed = tuple(f"{families[each.version]} saddr {each} accept" for each in peers)
    return (
        "iif lo accept",
        "ct state established,related accept",
        "ct state invalid drop",
        "meta l4proto { icmp, ipv6-icmp } accept",
        "udp dport { 68, 546 } accept",
        f"tcp dport {{ {', '.join(map(str, ports))} }} accept",
        *allowed,
    )


def _digest(rules: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(rules).encode()).hexdigest()[:16]
