"""
A session with one token, from loading its module to the logout.

A module is a shared library that keeps its state in the process: it must not be used on both sides of a fork, and one login counts for all
sessions. So a process opens one session at a time, in one thread, and starts no processes meanwhile; the end of the session unloads what the
module knows.

The last try before a PIN is locked is left to people: a service that starts again and again with a wrong PIN would lock the token within
seconds. Where a token tells that it has only one try left, no login is attempted.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from deepseek_local.errors import HSMError
from deepseek_local.hsm import failures, pin
from deepseek_local.hsm.uri import TokenURI

if TYPE_CHECKING:
    from pkcs11 import Session, Token
    from pkcs11._pkcs11 import lib as Module  # noqa: N812 -- it is a class

_logger = logging.getLogger(__name__)


@contextmanager
def opened(uri: TokenURI, *, writable: bool = False) -> "Iterator[Session]":
    """Log in to the token; when the block ends, the module is given back. Raises `HSMError`."""
    secret = ready(uri)
    module = _load(uri)
    try:
        with failures.told(uri):
            token = _token(module, uri)
            _spare_the_last_try(token, uri)
            session = token.open(rw=writable, user_pin=secret)
        yield session
    finally:
        _give_back(module)


def ready(uri: TokenURI) -> str | None:
    """Return the PIN, after a look at what a session needs; nothing is loaded yet, and the token not asked. Raises `HSMError`."""
    if find_spec("pkcs11") is None:
        raise HSMError(
            "a key in an HSM needs python-pkcs11, which is not installed; install requirements/hsm.txt, or deepseek-local-kit[hsm]"
        )
    if not uri.module_path.is_file():
        raise HSMError(
            f"the PKCS#11 module {uri.module_path} is not there; install the vendor's package, or mend module-path"
        )
    return None if uri.pin_source is None else pin.read(uri.pin_source)


def _load(uri: TokenURI) -> "Module":
    import pkcs11  # noqa: PLC0415 -- an optional part, needed only where there is an HSM

    try:
        return pkcs11.lib(str(uri.module_path))
    except pkcs11.PKCS11Error as error:
        raise HSMError(
            f"the PKCS#11 module {uri.module_path} does not load: {str(error) or type(error).__name__}; "
            "check that it is the vendor's module for this machine, and that the environment names its settings"
        ) from error


def _token(module: "Module", uri: TokenURI) -> "Token":
    found = [token for slot in module.get_slots(token_present=True) if _fits(token := slot.get_token(), uri)]
    if not found:
        raise HSMError(f"the token {failures.token(uri)} is not there; connect it, or mend token= in the pkcs11: URI")
    if len(found) > 1:
        raise HSMError(
            f"{len(found)} tokens fit {failures.token(uri)}; add serial= to the pkcs11: URI, "
            f"one of {', '.join(token.serial.decode(errors='replace') for token in found)}"
        )
    return found[0]


def _fits(token: "Token", uri: TokenURI) -> bool:
    slot = token.slot
    pairs = (
        (uri.token, token.label),
        (uri.serial, token.serial.decode(errors="replace")),
        (uri.manufacturer, token.manufacturer_id),
        (uri.model, token.model),
        (uri.slot_id, slot.slot_id),
        (uri.slot_description, slot.slot_description),
        (uri.slot_manufacturer, slot.manufacturer_id),
    )
    return all(wanted is None or wanted == seen for wanted, seen in pairs)


def _spare_the_last_try(token: "Token", uri: TokenURI) -> None:
    from pkcs11 import TokenFlag  # noqa: PLC0415 -- see above

    if token.flags & TokenFlag.USER_PIN_LOCKED:
        raise HSMError(failures.sentence(uri, "PinLocked"))
    if uri.pin_source is not None and token.flags & TokenFlag.USER_PIN_FINAL_TRY:
        raise HSMError(
            f"the token {failures.token(uri)} has one try left before its PIN is locked, which is not taken here; "
            f"check {uri.pin_source}, and log in once by hand, for instance with pkcs11-tool --login"
        )


def _give_back(module: "Module") -> None:
    """End all sessions and logins of this process."""
    import pkcs11  # noqa: PLC0415 -- see above

    try:
        module.finalize()
    except pkcs11.PKCS11Error as error:  # the token may be gone, and with it all that could be given back
        _logger.warning("a PKCS#11 module did not end in order: %s", type(error).__name__)
