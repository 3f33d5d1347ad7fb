"""
A configuration is tried before it is anywhere near a running nginx: rendered into an empty directory, and given to `nginx -t` there.

Certificates, keys, lists, addresses and replicas are the real ones. Logs, pid file and temporary directory are those of the trial, because
`nginx -t` makes them; the key of the proxy is not needed to see whether everything else is right.
"""

import tempfile
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from deepseek_local.errors import ProxyError
from deepseek_local.profile.places import Places
from deepseek_local.profile.schema import Profile
from deepseek_local.proxy import configuration, linter
from deepseek_local.proxy.configuration import KEY_FILE, key_file
from deepseek_local.proxy.linter import Finding
from deepseek_local.proxy.running import Program
from deepseek_local.proxy.surroundings import Surroundings


def run(
    profile: Profile, places: Places, surroundings: Surroundings, program: Program, down: Collection[Path] = ()
) -> list[Finding] | None:
    """
    Return what gixy finds in the configuration, None where there is no gixy.

    Raises `ProxyError` if nginx does not accept the configuration.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="deepseek-local-nginx-") as name:
            place = Path(name)
            here = replace(surroundings, logs=place, pid=place / "nginx.pid", temporary=place)
            file = place / "nginx.conf"
            file.write_text(configuration.render(profile, places, here, program.version(), down), "ascii")
            (place / KEY_FILE).write_text(key_file(b"\0"), "ascii")
            program.check(file)
            return linter.look(file)
    except OSError as error:
        raise ProxyError(f"no directory for a trial can be made ({error}); name a writable one in TMPDIR") from error
