"""
Places for connections: so many in all, and so many for one caller, because one that is slow or silent could take all of them else.

A caller is an IPv4 address, or the /64 of an IPv6 address: that much a single host gets.
"""

import ipaddress
import threading
from collections import Counter
from collections.abc import Hashable
from ipaddress import IPv4Address, IPv6Address, IPv6Network


class Places:
    """Places that are taken and left, by any thread."""

    def __init__(self, limit: int, caller_limit: int) -> None:
        self._limit = limit
        self._caller_limit = caller_limit
        self._lock = threading.Lock()
        self._taken: Counter[Hashable] = Counter()

    def take(self, host: str) -> bool:
        """Take a place for an address; False if there is none for it."""
        caller = caller_of(host)
        with self._lock:
            if self._taken.total() >= self._limit or self._taken[caller] >= self._caller_limit:
                return False
            self._taken[caller] += 1
            return True

    def leave(self, host: str) -> None:
        """Free a place that was taken for this address."""
        caller = caller_of(host)
        with self._lock:
            self._taken[caller] -= 1
            if not self._taken[caller]:  # else every address that ever called stays in memory
                del self._taken[caller]


def caller_of(host: str) -> IPv4Address | IPv6Network:
    """Return who calls from an address, as `socket.accept` writes it."""
    address = ipaddress.ip_address(host)
    if isinstance(address, IPv6Address):
        # A socket for both families writes IPv4 addresses so; they are not one network.
        return address.ipv4_mapped or IPv6Network((int(address), 64), strict=False)
    return address
