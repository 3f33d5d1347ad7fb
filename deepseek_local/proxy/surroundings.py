"""What nginx's configuration has to know of the host; everything else is in the profile."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The host as Debian has it, unless said otherwise."""

    name: str
    """What the profile is called."""
    refusals: Path
    """Socket of `audit ship-nginx`."""
    user: str = "www-data"
    """Whom nginx's workers run as."""
    logs: Path = Path("/var/log/nginx")
    pid: Path = Path("/run/nginx.pid")
    temporary: Path = Path("/var/lib/nginx")
    """Directory for what nginx does not keep in memory, which is nothing here; it must exist."""
