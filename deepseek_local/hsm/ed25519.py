"""
An Ed25519 key pair in a token: found, tried out, used, or made (PKCS#11 3.1 section 6.3, CKM_EDDSA; RFC 8032).

The private key signs inside the token; what comes back is checked with the public key before anybody else sees it. So a wrong key, and a
module that computes wrongly, are found here and not by an auditor.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from deepseek_local.errors import HSMError
from deepseek_local.hsm import failures
from deepseek_local.hsm.session import opened
from deepseek_local.hsm.uri import ObjectType, TokenURI

if TYPE_CHECKING:
    from pkcs11 import Attribute, Session

PUBLIC_KEY_BYTES = 32

_CURVE = b"\x13\x0cedwards25519"
"""CKA_EC_PARAMS: the curve's name as PrintableString, which modules of PKCS#11 3.0 and before know, too."""
_POINT_HEADS = (b"", b"\x04\x20", b"\x03\x21\x00")
"""CKA_EC_POINT is the bare key, or one in an OCTET STRING or a BIT STRING, as the version of PKCS#11 has it."""
_TRIAL = b"deepseek-local: does this key sign?"
"""No note begins like this, so the signature of it is good for nothing else."""

# Objects of python-pkcs11 get their methods when they are found, by what the token says of them: hence `Any` below.

_logger = logging.getLogger(__name__)


class Ed25519Key:
    """A key pair whose private half stays in its token."""

    def __init__(self, uri: TokenURI, private: Any, public_key: bytes) -> None:
        self._uri = uri
        self._private = private
        self._verifier = Ed25519PublicKey.from_public_bytes(public_key)
        self.public_key = public_key
        """32 bytes."""

    def sign(self, message: bytes) -> bytes:
        """Return 64 bytes that verify. Raises `HSMError`."""
        from pkcs11 import Mechanism  # noqa: PLC0415 -- an optional part

        with failures.told(self._uri):
            signature: bytes = self._private.sign(message, mechanism=Mechanism.EDDSA)
        try:
            self._verifier.verify(signature, message)
        except InvalidSignature as error:
            raise HSMError(
                f"what the key {failures.key(self._uri)} signs does not verify with its public key in the token "
                f"{failures.token(self._uri)}; name the pair by its id= in the pkcs11: URI, or check the HSM"
            ) from error
        return signature


@contextmanager
def key(uri: TokenURI) -> Iterator[Ed25519Key]:
    """Find the key pair and try it out; it can be used until the block ends. Raises `HSMError`."""
    with opened(uri) as session:
        with failures.told(uri):
            found = _found(session, uri)
        found.sign(_TRIAL)
        yield found


def make(uri: TokenURI) -> None:
    """Make the key pair that the URI names, which cannot leave the token. Raises `HSMError`, also when it is there already."""
    import pkcs11  # noqa: PLC0415 -- an optional part
    from pkcs11 import Attribute  # noqa: PLC0415

    if uri.object is None:
        raise HSMError("a new key needs a name; add object= to the pkcs11: URI")
    with opened(uri, writable=True) as session, failures.told(uri):
        if _privates(session, uri):
            raise HSMError(
                f"the key {failures.key(uri)} is in the token {failures.token(uri)} already; leave out --generate to use it"
            )
        template = {Attribute.EC_PARAMS: _CURVE}
        parameters = session.create_domain_parameters(pkcs11.KeyType.EC_EDWARDS, template, local=True)
        parameters.generate_keypair(
            mechanism=pkcs11.Mechanism.EC_EDWARDS_KEY_PAIR_GEN,
            store=True,
            label=uri.object,
            id=uri.id or uri.object.encode(),
            private_template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False},
        )


def _found(session: "Session", uri: TokenURI) -> Ed25519Key:
    import pkcs11  # noqa: PLC0415 -- an optional part
    from pkcs11 import Attribute  # noqa: PLC0415

    private = _one(_privates(session, uri), "private", uri)
    if (
        private.key_type is not pkcs11.KeyType.EC_EDWARDS
        or pkcs11.Mechanism.EDDSA not in session.token.slot.get_mechanisms()
    ):
        raise HSMError(failures.sentence(uri, "MechanismInvalid"))
    if private[Attribute.EXTRACTABLE] or not private[Attribute.SENSITIVE]:
        _logger.warning("the key %s can be read out of the token %s", failures.key(uri), failures.token(uri))
    wanted = {Attribute.CLASS: pkcs11.ObjectClass.PUBLIC_KEY, **_names(uri)}
    if identifier := private[Attribute.ID]:
        wanted[Attribute.ID] = identifier
    public = _one(list(session.get_objects(wanted)), "public", uri)
    return Ed25519Key(uri, private, _bare(public[Attribute.EC_POINT], uri))


def _privates(session: "Session", uri: TokenURI) -> list[Any]:
    from pkcs11 import Attribute, ObjectClass  # noqa: PLC0415 -- an optional part

    if uri.type not in (None, ObjectType.PRIVATE):
        raise HSMError(
            f"the pkcs11: URI names an object of the type {uri.type}, which does not sign; write type=private"
        )
    if uri.object is None and uri.id is None:
        raise HSMError("the pkcs11: URI does not say which key; add object= or id=")
    return list(session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY, **_names(uri)}))


def _names(uri: TokenURI) -> "dict[Attribute, Any]":
    from pkcs11 import Attribute  # noqa: PLC0415 -- an optional part

    names = {Attribute.LABEL: uri.object, Attribute.ID: uri.id}
    return {attribute: value for attribute, value in names.items() if value is not None}


def _one(found: Sequence[Any], half: str, uri: TokenURI) -> Any:
    if not found:
        raise HSMError(
            f"the token {failures.token(uri)} has no {half} key {failures.key(uri)}; "
            "make one with --generate or pkcs11-tool --keypairgen, or mend object= and id= in the pkcs11: URI"
        )
    if len(found) > 1:
        raise HSMError(
            f"the token {failures.token(uri)} has {len(found)} {half} keys {failures.key(uri)}; name one of them with id= as well"
        )
    return found[0]


def _bare(point: bytes, uri: TokenURI) -> bytes:
    for head in _POINT_HEADS:
        if len(point) == len(head) + PUBLIC_KEY_BYTES and point.startswith(head):
            return point.removeprefix(head)
    raise HSMError(
        f"the key {failures.key(uri)} is not an Ed25519 key, its point has {len(point)} bytes; make one of edwards25519"
    )
