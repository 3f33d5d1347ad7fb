"""Keys in a real PKCS#11 module, and everything that can be wrong with them."""

import sys

import pkcs11
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
from soft_token import FINAL_TRY, LOCKED, MODULE, PIN

from deepseek_local.errors import HSMError
from deepseek_local.hsm import ed25519
from deepseek_local.hsm.session import opened
from deepseek_local.hsm.uri import parse

pytestmark = pytest.mark.integration


def refused(uri) -> str:
    with pytest.raises(HSMError) as error, ed25519.key(uri):
        pass
    assert PIN not in str(error.value)
    return str(error.value)


def test_a_key_that_was_made_signs_in_the_token_and_cannot_leave_it(token):
    ed25519.make(token.parsed())
    with ed25519.key(token.parsed()) as key:
        Ed25519PublicKey.from_public_bytes(key.public_key).verify(key.sign(b"text"), b"text")
        first = key.public_key
    with opened(token.parsed()) as session:
        (private,) = session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY})
        assert private[Attribute.NEVER_EXTRACTABLE]
        assert private[Attribute.ALWAYS_SENSITIVE]
        with pytest.raises(pkcs11.AttributeSensitive):
            private[Attribute.VALUE]
    with ed25519.key(token.parsed("id=checkpoints")) as key:
        assert key.public_key == first


def test_a_key_is_never_made_over_another_one(token):
    ed25519.make(token.parsed())
    with pytest.raises(HSMError, match="'checkpoints' is in the token 'audit' already; leave out --generate"):
        ed25519.make(token.parsed())
    with pytest.raises(HSMError, match="add object="):
        ed25519.make(token.parsed("id=%01"))


def test_without_the_library_the_message_says_what_to_install(token, monkeypatch):
    monkeypatch.setitem(sys.modules, "pkcs11", None)
    assert "python-pkcs11, which is not installed; install requirements/hsm.txt" in refused(token.parsed())


def test_a_module_that_is_missing_or_none_is_named(token, tmp_path):
    absent = tmp_path / "absent.so"
    assert f"{absent} is not there; install the vendor's package" in refused(parse(token.uri(module=absent)))
    absent.write_text("no library")
    assert f"{absent} does not load: OS exception" in refused(parse(token.uri(module=absent)))


def test_a_module_without_its_settings_is_told_apart(token):
    token.configuration.unlink()
    assert "the environment names its settings" in refused(token.parsed())


def test_an_absent_token_and_one_of_two_alike_are_told_apart(token):
    assert "the token 'other' is not there; connect it" in refused(
        parse(token.uri().replace("token=audit", "token=other"))
    )
    token.add("audit")
    assert "2 tokens fit 'audit'; add serial=" in refused(token.parsed())
    ed25519.make(parse(token.uri().replace("token=audit", f"serial={serials()[0]}")))


def serials() -> list[str]:
    module = pkcs11.lib(str(MODULE))
    try:
        return [each.serial.decode() for each in module.get_tokens(token_label="audit")]
    finally:
        module.finalize()


def test_a_wrong_pin_is_told_with_its_file(token):
    ed25519.make(token.parsed())
    for wrong in ("111111", "1"):
        token.pin_file.write_text(wrong)
        assert f"the PIN in {token.pin_file} is not that of the token 'audit'" in refused(token.parsed())
    token.pin_file.chmod(0o644)
    assert "can be read by others; run: chmod 600" in refused(token.parsed())


def test_a_locked_pin_is_told_and_the_last_try_is_left_to_people(token):
    ed25519.make(token.parsed())
    token.set_flag(FINAL_TRY)
    assert "has one try left before its PIN is locked, which is not taken here" in refused(token.parsed())
    token.set_flag(LOCKED)
    assert "is locked after too many wrong ones; let its security officer unlock it" in refused(token.parsed())


def test_without_a_pin_the_private_key_is_not_seen(token):
    ed25519.make(token.parsed())
    assert "has no private key 'checkpoints'" in refused(parse(token.uri().partition("&")[0]))


def test_an_absent_key_and_one_of_two_alike_are_told_apart(token):
    assert "has no private key 'checkpoints'; make one with --generate" in refused(token.parsed())
    assert "does not say which key; add object= or id=" in refused(token.parsed("type=private"))
    assert "which does not sign; write type=private" in refused(token.parsed("object=checkpoints;type=cert"))
    ed25519.make(token.parsed("object=checkpoints;id=%01"))
    ed25519.make(token.parsed("object=checkpoints;id=%02"))
    assert "has 2 private keys 'checkpoints'; name one of them with id=" in refused(token.parsed())
    with ed25519.key(token.parsed("object=checkpoints;id=%02;type=private")) as key:
        assert key.sign(b"text")


def test_a_key_of_another_type_and_a_token_without_the_mechanism_are_refused(token):
    with opened(token.parsed(), writable=True) as session:
        session.generate_keypair(KeyType.RSA, 2048, store=True, label="rsa", id=b"rsa")
    assert "Ed25519 needs the mechanism CKM_EDDSA and a key of the type EC_EDWARDS" in refused(
        token.parsed("object=rsa")
    )
    ed25519.make(token.parsed())
    token.configure("slots.mechanisms = CKM_SHA256")
    assert "Ed25519 needs the mechanism CKM_EDDSA" in refused(token.parsed())


def test_an_ed448_key_is_refused(token):
    with opened(token.parsed(), writable=True) as session:
        curve = {Attribute.EC_PARAMS: b"\x13\x0aedwards448"}
        parameters = session.create_domain_parameters(KeyType.EC_EDWARDS, curve, local=True)
        parameters.generate_keypair(
            mechanism=Mechanism.EC_EDWARDS_KEY_PAIR_GEN, store=True, label="checkpoints", id=b"\x01"
        )
    assert "is not an Ed25519 key, its point has" in refused(token.parsed())


def test_a_public_key_of_another_pair_is_found_before_anything_is_signed(token):
    ed25519.make(token.parsed())
    ed25519.make(token.parsed("object=other"))
    with opened(token.parsed(), writable=True) as session:
        (own,) = session.get_objects({Attribute.CLASS: ObjectClass.PUBLIC_KEY, Attribute.LABEL: "checkpoints"})
        own.destroy()
        (other,) = session.get_objects({Attribute.CLASS: ObjectClass.PUBLIC_KEY, Attribute.LABEL: "other"})
        other.copy({Attribute.LABEL: "checkpoints", Attribute.ID: b"checkpoints", Attribute.TOKEN: True})
    assert "signs does not verify with its public key" in refused(token.parsed())
