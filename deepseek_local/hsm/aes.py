"""
An AES-256 key in a token that wraps other secrets: CKM_AES_GCM (PKCS#11 3.1, 6.13.4; NIST SP 800-38D).

The secret goes into the token and comes out encrypted, bound to a text that says what it is for. The key itself does not leave: one that
could is refused for wrapping, so that what is on a disk stays useless without the token.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deepseek_local.errors import HSMError
from deepseek_local.hsm import failures
from deepseek_local.hsm.session import opened
from deepseek_local.hsm.uri import ObjectType, TokenURI

if TYPE_CHECKING:
    from pkcs11 import GCMParams, Session

KEY_BITS = 256
NONCE_BYTES = 12
TAG_BITS = 128

_FOREIGN = frozenset({"EncryptedDataInvalid", "EncryptedDataLenRange", "AEADDecryptFailed", "GeneralError"})
"""What modules say of a tag that does not fit; SoftHSM has only the last one for it."""


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A secret as it may lie on a disk."""

    nonce: bytes
    data: bytes
    """The encrypted secret with the tag behind it."""


class AESKey:
    """A key that stays in its token, for as long as the session is open."""

    def __init__(self, uri: TokenURI, secret: Any) -> None:
        self._uri = uri
        self._secret = secret

    def wrap(self, secret: bytes, purpose: bytes) -> Wrapped:
        """Encrypt a secret for a purpose, and see that it comes back. Raises `HSMError`, also for a key that can be read out."""
        self._insist_on_staying()
        nonce = secrets.token_bytes(NONCE_BYTES)
        with failures.told(self._uri):
            data = self._secret.encrypt(secret, **_mechanism(nonce, purpose))
        wrapped = Wrapped(nonce, bytes(data))
        if self.unwrap(wrapped, purpose) != secret:
            raise HSMError(
                f"what the key {failures.key(self._uri)} encrypts does not come back from the token {failures.token(self._uri)}; "
                "name the key by its id= in the pkcs11: URI, or check the HSM"
            )
        return wrapped

    def unwrap(self, wrapped: Wrapped, purpose: bytes) -> bytes | None:
        """Return the secret; None when it was not wrapped with this key for this purpose, or was altered. Raises `HSMError`."""
        import pkcs11  # noqa: PLC0415 -- an optional part

        with failures.told(self._uri):
            try:
                return bytes(self._secret.decrypt(wrapped.data, **_mechanism(wrapped.nonce, purpose)))
            except pkcs11.PKCS11Error as error:
                if type(error).__name__ in _FOREIGN:
                    return None
                raise

    def _insist_on_staying(self) -> None:
        from pkcs11 import Attribute  # noqa: PLC0415 -- an optional part

        with failures.told(self._uri):
            stays = self._secret[Attribute.SENSITIVE] and not self._secret[Attribute.EXTRACTABLE]
        if not stays:
            raise HSMError(
                f"the key {failures.key(self._uri)} can be read out of the token {failures.token(self._uri)}; "
                "make one that stays there with --generate, or with CKA_SENSITIVE and without CKA_EXTRACTABLE"
            )


@contextmanager
def key(uri: TokenURI) -> Iterator[AESKey]:
    """Find the key; it can be used until the block ends, in which no process may be started. Raises `HSMError`."""
    with opened(uri) as session:
        with failures.told(uri):
            found = _found(session, uri)
        yield AESKey(uri, found)


def make(uri: TokenURI) -> None:
    """Make the key that the URI names, which cannot leave the token. Raises `HSMError`, also when it is there already."""
    import pkcs11  # noqa: PLC0415 -- an optional part
    from pkcs11 import Attribute  # noqa: PLC0415

    if uri.object is None:
        raise HSMError("a new key needs a name; add object= to the pkcs11: URI")
    with opened(uri, writable=True) as session, failures.told(uri):
        if _secrets(session, uri):
            raise HSMError(
                f"the key {failures.key(uri)} is in the token {failures.token(uri)} already; leave out --generate to use it"
            )
        only = {Attribute.ENCRYPT: True, Attribute.DECRYPT: True}
        never = dict.fromkeys((Attribute.WRAP, Attribute.UNWRAP, Attribute.SIGN, Attribute.VERIFY), False)
        session.generate_key(
            pkcs11.KeyType.AES,
            KEY_BITS,
            label=uri.object,
            id=uri.id or uri.object.encode(),
            store=True,
            template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, **only, **never},
        )


def _mechanism(nonce: bytes, purpose: bytes) -> "dict[str, GCMParams | Any]":
    from pkcs11 import GCMParams, Mechanism  # noqa: PLC0415 -- an optional part

    return {"mechanism": Mechanism.AES_GCM, "mechanism_param": GCMParams(nonce, purpose, TAG_BITS)}


def _found(session: "Session", uri: TokenURI) -> Any:
    import pkcs11  # noqa: PLC0415 -- an optional part

    found = _secrets(session, uri)
    if not found:
        raise HSMError(
            f"the token {failures.token(uri)} has no secret key {failures.key(uri)}; "
            "make one with --generate or pkcs11-tool --keygen, or mend object= and id= in the pkcs11: URI"
        )
    if len(found) > 1:
        raise HSMError(
            f"the token {failures.token(uri)} has {len(found)} secret keys {failures.key(uri)}; name one of them with id= as well"
        )
    (secret,) = found
    can = pkcs11.Mechanism.AES_GCM in session.token.slot.get_mechanisms()
    if not can or secret.key_type is not pkcs11.KeyType.AES or secret.key_length != KEY_BITS:
        raise HSMError(
            f"the token {failures.token(uri)} cannot wrap with the key {failures.key(uri)}; "
            "a volume needs the mechanism CKM_AES_GCM and an AES key of 256 bits"
        )
    return secret


def _secrets(session: "Session", uri: TokenURI) -> list[Any]:
    from pkcs11 import Attribute, ObjectClass  # noqa: PLC0415 -- an optional part

    if uri.type not in (None, ObjectType.SECRET_KEY):
        raise HSMError(
            f"the pkcs11: URI names an object of the type {uri.type}, which does not wrap; write type=secret-key"
        )
    if uri.object is None and uri.id is None:
        raise HSMError("the pkcs11: URI does not say which key; add object= or id=")
    names = {Attribute.LABEL: uri.object, Attribute.ID: uri.id}
    wanted = {attribute: value for attribute, value in names.items() if value is not None}
    return list(session.get_objects({Attribute.CLASS: ObjectClass.SECRET_KEY, **wanted}))
