"""Authorities whose keys are in a real PKCS#11 module: OpenSSL accepts what they sign, and nothing gets the keys out."""

import copy
from datetime import UTC, datetime
from pathlib import Path

import pkcs11
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec as curves
from cryptography.hazmat.primitives.asymmetric import utils
from openssl import complaint
from pkcs11 import Attribute, KeyType, ObjectClass
from soft_token import PIN

from deepseek_local.errors import HSMError, PKIError
from deepseek_local.hsm import ec
from deepseek_local.hsm.session import opened
from deepseek_local.pki import authority, keys, names
from deepseek_local.pki.build import Purpose
from deepseek_local.pki.hierarchy import Hierarchy

pytestmark = pytest.mark.integration

NOW = datetime(2026, 11, 24, 7, 0, tzinfo=UTC)
SITE = "hospital.example"
ONE = "object=server-root;id=%01"


def made(place: Path, token) -> Hierarchy:
    hierarchy = Hierarchy(place, Purpose.CLIENT)
    hierarchy.make_root(SITE, NOW, token.parsed("slot-manufacturer=SoftHSM%20project"))
    hierarchy.make_issuer(SITE, [], NOW, token.parsed("slot-manufacturer=SoftHSM%20project"))
    return hierarchy


def private_keys(token) -> int:
    with opened(token.parsed()) as session:
        return len(list(session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY})))


def test_openssl_accepts_what_a_key_in_a_token_signs(tmp_path, token):
    hierarchy = made(tmp_path / "pki", token)
    leaf = hierarchy.issuer.issue(
        keys.for_leaf().public_key(), [names.principal("u:alice", SITE)], purpose=Purpose.CLIENT, now=NOW
    )
    path = [leaf, hierarchy.issuer.certificate, hierarchy.root.certificate]
    lists = hierarchy.publish(NOW)
    assert complaint(tmp_path, path, "sslclient", NOW, lists) == ""
    assert not list((tmp_path / "pki").rglob("key.pem"))
    assert PIN not in (hierarchy.root.directory / authority.KEY_URI).read_text()


def test_the_key_signs_and_nothing_else_and_never_leaves(token):
    ec.ensure(token.parsed(ONE))
    with ec.key(token.parsed(ONE)) as key:
        assert copy.deepcopy(key) is copy.copy(key) is key
        assert (key.curve.name, key.key_size) == ("secp384r1", 384)
        for algorithm in (hashes.SHA384(), hashes.SHA256()):
            key.public_key().verify(key.sign(b"x", curves.ECDSA(algorithm)), b"x", curves.ECDSA(algorithm))
        hashed = curves.ECDSA(utils.Prehashed(hashes.SHA384()))
        key.public_key().verify(key.sign(b"x" * 48, hashed), b"x" * 48, hashed)
        with pytest.raises(HSMError, match="only signs"):
            key.exchange(curves.ECDH(), key.public_key())
        with pytest.raises(HSMError, match="only signs"):
            key.private_numbers()
        with pytest.raises(HSMError, match="only signs"):
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
    with opened(token.parsed()) as session:
        (private,) = session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY})
        assert private[Attribute.NEVER_EXTRACTABLE]
        assert private[Attribute.ALWAYS_SENSITIVE]
        with pytest.raises(pkcs11.AttributeSensitive):
            private[Attribute.VALUE]


def test_a_run_that_was_interrupted_goes_on_with_the_same_key(tmp_path, token):
    place = tmp_path / "client-root"
    uri = token.parsed("slot-manufacturer=SoftHSM%20project")
    authority.prepare(place, uri)
    first = authority.token_of(place)
    authority.prepare(place, uri)
    assert authority.token_of(place) == first
    assert private_keys(token) == 1
    token.delete("object=client-root")
    authority.prepare(place, uri)
    assert private_keys(token) == 1


def test_a_key_that_is_missing_ambiguous_or_readable_is_refused(token):
    with pytest.raises(HSMError, match="has no keys 'server-root' id 01"), ec.key(token.parsed(ONE)):
        pass
    with pytest.raises(HSMError, match="add object= and id="):
        ec.ensure(token.parsed())
    with opened(token.parsed(), writable=True) as session:
        curve = session.create_domain_parameters(
            KeyType.EC, {Attribute.EC_PARAMS: bytes.fromhex("06052b81040022")}, local=True
        )
        open_to_all = {Attribute.SENSITIVE: False, Attribute.EXTRACTABLE: True}
        for _ in range(2):
            curve.generate_keypair(store=True, label="two", id=b"\2")
        curve.generate_keypair(store=True, label="readable", id=b"\3", private_template=open_to_all)
    with pytest.raises(HSMError, match="has 2 keys 'two'"), ec.key(token.parsed("object=two")):
        pass
    with pytest.raises(HSMError, match="can be read out"), ec.key(token.parsed("object=readable")):
        pass


def test_an_authority_without_its_token_or_with_a_wrong_pin_signs_nothing(tmp_path, token):
    hierarchy = made(tmp_path / "pki", token)
    token.pin_file.write_text("000000\n")
    with pytest.raises(HSMError, match="is not that of the token"):
        hierarchy.publish(NOW)
    token.pin_file.write_text(f"{PIN}\n")
    token.tokens.rename(tmp_path / "unplugged")
    token.tokens.mkdir()
    with pytest.raises(HSMError, match="is not there"):
        hierarchy.publish(NOW)
    (hierarchy.root.directory / authority.KEY_URI).write_bytes(b"\xff")
    with pytest.raises(PKIError, match="restore it from its copy"):
        hierarchy.publish(NOW)
