"""
The nginx of this host: which version it is, whether it accepts a configuration, and how it is told to read it again.

`nginx -t` does what a start does (it reads certificates, keys and revocation lists, and binds the addresses), so what it accepts can be
loaded. A reload tells only whether the signal was sent: whoever must know that new workers serve looks at what they serve.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from deepseek_local import proc
from deepseek_local.errors import ProxyError
from deepseek_local.proc import Ended

FLOOR = (1, 22, 0)
"""What Debian 12 has: older ones lack what the configuration says, `ssl_conf_command` first of all."""
_PLACES = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
"""Where nginx may be besides `PATH`, which has no directories of root for an ordinary user."""
_TIMEOUT_SECONDS = 30.0
_VERSION = re.compile(r"nginx version: \S+?/(\d{1,4})\.(\d{1,4})\.(\d{1,4})")
_TOLD_CHARACTERS = 600

Version = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Program:
    """An nginx, by its name or path."""

    name: str = "nginx"

    def version(self) -> Version:
        """Return its version. Raises `ProxyError` where there is none, or one that is too old."""
        ended = self._run("cannot be asked for its version", "-v")
        found = _VERSION.search(ended.output)
        if found is None:
            raise ProxyError(f"{self.name} -v says {ended.output[:80]!r}, which is no version of nginx; install nginx")
        version = (int(found[1]), int(found[2]), int(found[3]))
        if version < FLOOR:
            raise ProxyError(
                f"nginx {'.'.join(map(str, version))} is older than {'.'.join(map(str, FLOOR))}; "
                "install a newer one, from nginx.org where the distribution has none"
            )
        return version

    def check(self, configuration: Path) -> None:
        """Return if nginx would start with this configuration and the files that it names now. Raises `ProxyError` with its words."""
        self._run(f"does not accept {configuration}", "-t", "-q", "-c", str(configuration.absolute()))

    def reload(self, configuration: Path) -> None:
        """Tell the running nginx to read its configuration again; it must have accepted it before. Raises `ProxyError`."""
        self._run("cannot be told to reload", "-s", "reload", "-c", str(configuration.absolute()))

    def describe(self, configuration: Path) -> tuple[str, str]:
        """Return the configuration with all that it includes, secrets too, and how nginx was built. Raises `ProxyError`."""
        failure = f"does not accept {configuration}"
        whole = self._run(failure, "-T", "-q", "-c", str(configuration.absolute())).output
        return whole, self._run("cannot be asked how it was built", "-V").output

    def _run(self, failure: str, *arguments: str) -> Ended:
        environment = {"PATH": f"{os.environ.get('PATH', '')}:{_PLACES}", "LC_ALL": "C"}
        try:
            # Without -e, what goes wrong before the configuration is read would go into the log of another nginx.
            ended = proc.run((self.name, "-e", "stderr", *arguments), environment, _TIMEOUT_SECONDS)
        except FileNotFoundError as error:
            raise ProxyError(f"there is no program {self.name}; install nginx") from error
        except OSError as error:
            raise ProxyError(f"{self.name} {failure}: {error}; try it by hand") from error
        if ended.code != 0:
            raise ProxyError(f"nginx {failure} ({proc.describe_exit(ended.code)}): {_told(ended.output)}")
        return ended


def _told(output: str) -> str:
    """Return nginx's complaint on one line, without the time and process that it puts before each."""
    lines = (
        re.sub(r"^(?:\d{4}/\S+ \S+ )?(?:nginx: )?(?:\[\w+\] )?(?:\d+#\d+: )?", "", line) for line in output.splitlines()
    )
    return "; ".join(line for line in lines if line)[:_TOLD_CHARACTERS]
