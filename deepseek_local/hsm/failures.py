"""
What a module's return values mean to an operator: one sentence each, with what to do (PKCS#11 3.1, section 5.1).

The classes of python-pkcs11 carry their return value as a name and no text. They are matched by that name, so that this file says all
without loading the library.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from types import MappingProxyType

from deepseek_local.errors import HSMError
from deepseek_local.hsm.uri import TokenURI

_GONE = (
    "the token {token} does not answer any more, it was removed or its HSM restarted; bring it back, then start again"
)
_WRONG_PIN = "the PIN in {pin} is not that of the token {token}; correct the file before you start again, because every start uses up one try"
_NO_KEY = "the key {object} is not in the token {token} any more; restore it there from the HSM's own backup"
_NO_MECHANISM = "the token {token} cannot do this with the key {object}; Ed25519 needs the mechanism CKM_EDDSA and a key of the type EC_EDWARDS"

_SENTENCES = MappingProxyType(
    {
        "PinIncorrect": _WRONG_PIN,
        "PinInvalid": _WRONG_PIN,
        "PinLenRange": _WRONG_PIN,
        "PinLocked": "the PIN of the token {token} is locked after too many wrong ones; let its security officer unlock it, and check {pin}",
        "PinExpired": "the PIN of the token {token} has expired; set a new one with the vendor's tool and write it into {pin}",
        "UserPinNotInitialized": "the token {token} has no user PIN yet; let its security officer set one",
        "UserNotLoggedIn": "the token {token} does this only after a login; add pin-source=file:/... to the pkcs11: URI",
        "MechanismInvalid": _NO_MECHANISM,
        "KeyTypeInconsistent": _NO_MECHANISM,
        "FunctionNotSupported": _NO_MECHANISM,
        "DomainParamsInvalid": _NO_MECHANISM,
        "KeyHandleInvalid": _NO_KEY,
        "ObjectHandleInvalid": _NO_KEY,
        "DeviceRemoved": _GONE,
        "DeviceError": _GONE,
        "TokenNotPresent": _GONE,
        "TokenNotRecognised": _GONE,
        "SlotIDInvalid": _GONE,
        "SessionHandleInvalid": _GONE,
        "SessionClosed": _GONE,
        "SessionCount": "the token {token} has no session left; end programs that use it, or raise the limit with the vendor's tool",
        "TokenWriteProtected": "the token {token} cannot be written; make the key with the vendor's tool",
        "SessionReadOnly": "the token {token} cannot be written; make the key with the vendor's tool",
    }
)
_OTHERWISE = "the module {module} failed with {error}; its own log and settings say more, the environment must name those settings"


@contextmanager
def told(uri: TokenURI) -> Iterator[None]:
    """Turn what python-pkcs11 raises inside into an `HSMError`."""
    import pkcs11  # noqa: PLC0415 -- an optional part, needed only where there is an HSM

    try:
        yield
    except pkcs11.PKCS11Error as error:
        raise HSMError(sentence(uri, type(error).__name__)) from error


def sentence(uri: TokenURI, error: str) -> str:
    """Say what a failure means, from the name of its class."""
    return _SENTENCES.get(error, _OTHERWISE).format(
        token=token(uri), object=key(uri), pin=uri.pin_source, module=uri.module_path, error=error
    )


def token(uri: TokenURI) -> str:
    """Name the token, as far as the URI does."""
    named = (uri.token, uri.serial, uri.model, None if uri.slot_id is None else f"in slot {uri.slot_id}")
    return next((repr(each) for each in named if each is not None), "of this module")


def key(uri: TokenURI) -> str:
    """Name the key, as far as the URI does."""
    parts = (None if uri.object is None else repr(uri.object), None if uri.id is None else f"id {uri.id.hex()}")
    return " ".join(each for each in parts if each is not None) or "without a name"
