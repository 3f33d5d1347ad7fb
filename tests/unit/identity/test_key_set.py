"""The provider's keys: each bound to one algorithm, none secret, none ambiguous."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from deepseek_local.errors import IdentityError
from deepseek_local.identity import key_set

ELLIPTIC = ec.generate_private_key(ec.SECP256R1())
EDWARDS = ed25519.Ed25519PrivateKey.generate()
RSA = rsa.generate_private_key(65537, 2048)
WEAK = rsa.generate_private_key(65537, 1024)  # noqa: S505  what must be refused


def public(key: Any, **fields: object) -> dict[str, object]:
    return {**_algorithm(key).to_jwk(key.public_key(), as_dict=True), **fields}


def private(key: Any, **fields: object) -> dict[str, object]:
    return {**_algorithm(key).to_jwk(key, as_dict=True), **fields}


def _algorithm(key: Any) -> Any:
    if isinstance(key, rsa.RSAPrivateKey):
        return jwt.algorithms.RSAAlgorithm
    return jwt.algorithms.ECAlgorithm if isinstance(key, ec.EllipticCurvePrivateKey) else jwt.algorithms.OKPAlgorithm


def parse(*keys: Mapping[str, object]) -> key_set.KeySet:
    return key_set.parse("jwks.json", json.dumps({"keys": keys}).encode())


def test_each_key_has_its_algorithm_whatever_tokens_say():
    found = parse(public(ELLIPTIC, kid="a"), public(EDWARDS, kid="b", alg="EdDSA"), public(RSA, kid="c", use="sig"))
    assert {kid: key.algorithm_name for kid, key in found.keys.items()} == {"a": "ES256", "b": "EdDSA", "c": "RS256"}


def test_of_several_keys_a_token_must_name_one():
    found = parse(public(ELLIPTIC, kid="a"), public(EDWARDS, kid="b"))
    assert [found.find(kid) is not None for kid in ("a", "b", "c", None, "")] == [True, True, False, False, False]


@pytest.mark.parametrize(("kid", "expected"), [("a", [True, False, True]), (None, [True, True, True])])
def test_a_single_key_need_not_be_named_but_not_be_named_wrongly(kid: str | None, expected: list[bool]):
    found = parse(public(ELLIPTIC) if kid is None else public(ELLIPTIC, kid=kid))
    assert [found.find(name) is not None for name in ("a", "b", None)] == expected


@pytest.mark.parametrize(
    "other",
    [
        public(ELLIPTIC, kid="x", use="enc"),
        public(ELLIPTIC, kid="x", key_ops=["deriveKey"]),
        public(ELLIPTIC, kid="x", key_ops="verify"),
        public(ec.generate_private_key(ec.SECP384R1()), kid="x"),
        public(RSA, kid="x", alg="RS512"),
        public(RSA, kid="x", alg="HS256"),
        public(RSA, kid="x", alg="none"),
        public(ELLIPTIC, kid="x", alg=["ES256"]),
        {"kty": "future", "kid": "x"},
        {},
    ],
    ids=str,
)
def test_keys_for_something_else_are_passed_over(other: dict[str, object]):
    assert parse(public(EDWARDS, kid="b"), other).keys.keys() == {"b"}
    with pytest.raises(IdentityError, match="no ES256, EdDSA or RS256 signing key"):
        parse(other)


@pytest.mark.parametrize(
    "secret",
    [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "x", "alg": "HS256"},
        {"kty": "oct", "use": "enc"},
        private(ELLIPTIC, kid="x"),
        private(RSA, kid="x", use="enc"),
        private(EDWARDS, kid="x"),
    ],
    ids=lambda key: str(key["kty"]),
)
def test_a_set_with_a_secret_key_is_refused_as_a_whole(secret: dict[str, object]):
    with pytest.raises(IdentityError, match="key 1 is secret"):
        parse(public(EDWARDS, kid="b"), secret)


@pytest.mark.parametrize("kids", [("a", "a"), (None, None), ("a", None)])
def test_keys_that_cannot_be_told_apart_are_refused(kids: tuple[str | None, ...]):
    keys = [public(key) | ({"kid": kid} if kid else {}) for key, kid in zip((ELLIPTIC, EDWARDS), kids, strict=True)]
    with pytest.raises(IdentityError, match="cannot be told apart"):
        parse(*keys)


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (public(WEAK, kid="x"), "1024 bits"),
        (public(ELLIPTIC, kid="x", x="AAAA"), "cannot be used"),
        (public(ELLIPTIC, kid="x", x=1), "cannot be used"),
        (public(EDWARDS, kid="x", x="AAAA"), "cannot be used"),
        (public(RSA, kid="x", n=""), "cannot be used"),
        (public(ELLIPTIC, kid=7), "`kid` is no text"),
    ],
)
def test_a_key_that_cannot_be_used_is_refused(key: dict[str, object], reason: str):
    with pytest.raises(IdentityError, match=reason):
        parse(public(EDWARDS, kid="b"), key)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"keys": {}}', b'{"keys": [1]}', b"\xff", b"[" * 100_000])
def test_what_is_no_key_set_is_refused(content: bytes):
    with pytest.raises(IdentityError, match="is no JWK Set"):
        key_set.parse("jwks.json", content)


def test_a_missing_or_endless_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(IdentityError, match=r"check gateway\.jwt\.keys"):
        key_set.read(tmp_path / "jwks.json")
    (tmp_path / "jwks.json").write_bytes(b"{}   ")
    monkeypatch.setattr(key_set, "MAXIMUM_BYTES", 4)
    with pytest.raises(IdentityError, match="more than 4 bytes"):
        key_set.read(tmp_path / "jwks.json")
