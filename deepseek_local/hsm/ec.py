"""
A P-384 key in a token that signs X.509: `cryptography` builds certificates and lists, the token signs them (PKCS#11 3.1, 6.3.12).

Certificates, requests and lists are signed through the class of `cryptography` that stands for a private key, so that the builders do not
know where the key is. The module is asked for the plain CKM_ECDSA, which every HSM has; the hash is made here. What comes back is checked with the
public key before anybody else sees it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from deepseek_local.errors import HSMError
from deepseek_local.hsm import failures
from deepseek_local.hsm.session import opened
from deepseek_local.hsm.uri import TokenURI

if TYPE_CHECKING:
    from pkcs11 import Session

CURVE = ec.SECP384R1()

_PARAMETERS = bytes.fromhex("06052b81040022")
"""CKA_EC_PARAMS: the object identifier of secp384r1 in DER (SEC 2, 2.5.1)."""
_POINT_BYTES = 97
_POINT_HEAD = bytes.fromhex("0461")
"""CKA_EC_POINT is an OCTET STRING; old modules give the bare point."""

# Objects of python-pkcs11 get their methods when they are found, by what the token says of them: hence `Any` below.


class TokenKey(ec.EllipticCurvePrivateKey):
    """A private key that stays in its token, for as long as the session is open."""

    def __init__(self, uri: TokenURI, private: Any, public_key: ec.EllipticCurvePublicKey) -> None:
        self._uri = uri
        self._private = private
        self._public_key = public_key

    def sign(
        self, data: bytes | bytearray | memoryview, signature_algorithm: ec.EllipticCurveSignatureAlgorithm
    ) -> bytes:
        """Return a signature in DER that verifies. Raises `HSMError`."""
        from pkcs11 import Mechanism  # noqa: PLC0415 -- an optional part

        with failures.told(self._uri):
            raw: bytes = self._private.sign(_digest(data, signature_algorithm), mechanism=Mechanism.ECDSA)
        half = len(raw) // 2
        numbers = (int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))
        signature = utils.encode_dss_signature(*numbers)
        try:
            self._public_key.verify(signature, data, signature_algorithm)
        except InvalidSignature as error:
            raise HSMError(
                f"what the key {failures.key(self._uri)} signs does not verify with its public key in the token "
                f"{failures.token(self._uri)}; restore the pair from the HSM's own backup, or check the HSM"
            ) from error
        return signature

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """Return the other half, which can be used after the session."""
        return self._public_key

    @property
    def curve(self) -> ec.EllipticCurve:
        """P-384."""
        return self._public_key.curve

    @property
    def key_size(self) -> int:
        """Bits."""
        return self.curve.key_size

    def exchange(self, *_: object) -> NoReturn:
        """Refuse: the key only signs. Raises `HSMError`."""
        raise self._refusal()

    def private_numbers(self) -> NoReturn:
        """Refuse: the key does not leave its token. Raises `HSMError`."""
        raise self._refusal()

    def private_bytes(self, *_: object) -> NoReturn:
        """Refuse: the key does not leave its token. Raises `HSMError`."""
        raise self._refusal()

    def __copy__(self) -> "TokenKey":
        return self

    def __deepcopy__(self, _: object) -> "TokenKey":
        return self

    def _refusal(self) -> HSMError:
        return HSMError(
            f"the key {failures.key(self._uri)} stays in its token and only signs; make another key for this"
        )


@contextmanager
def key(uri: TokenURI) -> Iterator[TokenKey]:
    """Find the key pair; it signs until the block ends. Raises `HSMError`."""
    with opened(uri) as session:
        with failures.told(uri):
            found = _found(session, uri)
        yield found


def ensure(uri: TokenURI) -> None:
    """Make the key pair that the URI names, unless it is there; it cannot leave the token. Raises `HSMError`."""
    import pkcs11  # noqa: PLC0415 -- an optional part
    from pkcs11 import Attribute  # noqa: PLC0415

    if uri.object is None or uri.id is None:
        raise HSMError("a new key needs a name and a number; add object= and id= to the pkcs11: URI")
    with opened(uri, writable=True) as session, failures.told(uri):
        if _objects(session, uri, pkcs11.ObjectClass.PRIVATE_KEY):
            return
        parameters = session.create_domain_parameters(pkcs11.KeyType.EC, {Attribute.EC_PARAMS: _PARAMETERS}, local=True)
        parameters.generate_keypair(
            store=True,
            label=uri.object,
            id=uri.id,
            private_template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False},
        )


def named(token: TokenURI, label: str, identifier: bytes) -> TokenURI:
    """Name a key in a token."""
    return replace(token, object=label, id=identifier, type=None)


def _found(session: "Session", uri: TokenURI) -> TokenKey:
    from pkcs11 import Attribute, ObjectClass  # noqa: PLC0415 -- an optional part

    private, public = (
        _one(_objects(session, uri, kind), uri) for kind in (ObjectClass.PRIVATE_KEY, ObjectClass.PUBLIC_KEY)
    )
    if private[Attribute.EXTRACTABLE] or not private[Attribute.SENSITIVE]:
        raise HSMError(
            f"the key {failures.key(uri)} can be read out of the token {failures.token(uri)}; "
            "an authority's key is made there and never leaves it, make another with `certs init`"
        )
    point = bytes(public[Attribute.EC_POINT])
    bare = point.removeprefix(_POINT_HEAD) if len(point) == _POINT_BYTES + len(_POINT_HEAD) else point
    try:
        return TokenKey(uri, private, ec.EllipticCurvePublicKey.from_encoded_point(CURVE, bare))
    except ValueError as error:
        raise HSMError(
            f"the key {failures.key(uri)} in the token {failures.token(uri)} is not on P-384; name another one"
        ) from error


def _objects(session: "Session", uri: TokenURI, kind: object) -> list[Any]:
    from pkcs11 import Attribute  # noqa: PLC0415 -- an optional part

    wanted = {Attribute.CLASS: kind, Attribute.LABEL: uri.object, Attribute.ID: uri.id}
    return list(session.get_objects({name: value for name, value in wanted.items() if value is not None}))


def _one(found: list[Any], uri: TokenURI) -> Any:
    if len(found) != 1:
        raise HSMError(
            f"the token {failures.token(uri)} has {len(found) or 'no'} keys {failures.key(uri)} where one is meant; "
            "restore it from the HSM's own backup, or mend object= and id= in the pkcs11: URI"
        )
    return found[0]


def _digest(data: bytes | bytearray | memoryview, algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
    chosen = algorithm.algorithm
    if isinstance(chosen, utils.Prehashed):
        return bytes(data)
    digest = hashes.Hash(chosen)
    digest.update(data)
    return digest.finalize()
