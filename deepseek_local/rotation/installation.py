"""
A new certificate goes into service: switch, `nginx -t`, reload, look at what is served, mark it proven; or back to the one before.

nginx's configuration names the files through the link `current`, so the test can only see the new version after the switch. Between the
two, nginx runs on with what it has in memory, and a restart would start with a version that was checked before (see `pki.chain`). A version
is proven when a handshake has shown it; one that is in use and not proven was interrupted, and the next run goes on from the test.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum, auto
from pathlib import Path

from deepseek_local.errors import PKIError, ProxyError
from deepseek_local.pki import certificates
from deepseek_local.pki.layout import CERTIFICATE
from deepseek_local.pki.versions import Versions
from deepseek_local.rotation.nginx import Nginx


class Step(StrEnum):
    """What has just been done; a run can be killed after each."""

    LOOKED = auto()
    SIGNED = auto()
    CHECKED = auto()
    RECORDED = auto()
    STAGED = auto()
    SWITCHED = auto()
    TESTED = auto()
    RELOADED = auto()
    SERVED = auto()
    PROVEN = auto()
    TOLD = auto()
    TIDIED = auto()


Tell = Callable[[Step], None]


def install(versions: Versions, files: Mapping[str, bytes], nginx: Nginx | None, tell: Tell) -> None:
    """Put a version into service. Raises `PKIError`; then the one before is in service again."""
    version = versions.stage(files)
    tell(Step.STAGED)
    versions.switch(version)
    tell(Step.SWITCHED)
    prove(versions, version, nginx, tell)


def prove(versions: Versions, version: Path, nginx: Nginx | None, tell: Tell) -> None:
    """Bring the version in use into service; without nginx it is, once it is in use. Raises `PKIError` after going back."""
    if nginx is not None:
        try:
            _serve(nginx, version, tell)
        except (PKIError, ProxyError) as error:
            raise PKIError(f"{error}; {_go_back(versions, nginx)}") from error
    versions.prove(version)
    tell(Step.PROVEN)


def serial(version: Path) -> int:
    """Return the serial number of a version's certificate. Raises `PKIError`."""
    return certificates.read(version / CERTIFICATE).serial_number


def _serve(nginx: Nginx, version: Path, tell: Tell) -> None:
    nginx.test()
    tell(Step.TESTED)
    nginx.reload()
    tell(Step.RELOADED)
    nginx.insist_on(serial(version))
    tell(Step.SERVED)


def _go_back(versions: Versions, nginx: Nginx) -> str:
    """Return to the newest proven version and say how that went. Raises `PKIError` where even the switch fails."""
    before = versions.newest_proven()
    if before is None:
        return "no version before it was ever served, so it stays in use"
    versions.switch(before)
    try:
        nginx.test()
        nginx.reload()
        nginx.insist_on(serial(before))
    except (PKIError, ProxyError) as error:
        return f"{before.name} is in use again, but nginx was not reloaded with it ({error}) and goes on with what it has loaded"
    return f"{before.name} is in use and served again"
