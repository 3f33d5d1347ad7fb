"""JSON Web Tokens: signed by a provider's key with that key's algorithm, for us, now; anything else is nobody."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from deepseek_local.access import Principal, Strength
from deepseek_local.errors import IdentityError
from deepseek_local.files import Watch
from deepseek_local.identity import jwt as signed
from deepseek_local.identity.credential import CredentialError
from deepseek_local.identity.jwt import SignedTokens
from deepseek_local.profile.handover import JWTSettings
from tests.unit.identity.test_key_set import public

NOW = datetime(2026, 11, 24, 7, 0, tzinfo=UTC)
KEYS: dict[str, Any] = {
    "es": ec.generate_private_key(ec.SECP256R1()),
    "ed": ed25519.Ed25519PrivateKey.generate(),
    "rs": rsa.generate_private_key(65537, 2048),
}
ALGORITHMS = {"es": "ES256", "ed": "EdDSA", "rs": "RS256"}
CLAIMS = {
    "iss": "https://idp.example",
    "aud": "deepseek",
    "sub": "alice",
    "iat": NOW.timestamp(),
    "nbf": NOW.timestamp(),
    "exp": (NOW + timedelta(minutes=15)).timestamp(),
    "jti": "4711",
}


def seconds(after: float) -> float:
    return NOW.timestamp() + after


def token(kid: str = "es", header: dict[str, Any] | None = None, **claims: object) -> str:
    content = {name: value for name, value in {**CLAIMS, **claims}.items() if value is not None}
    return jwt.encode(content, KEYS[kid], ALGORITHMS[kid], {"kid": kid, **(header or {})})


def encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode("ascii")


def signed_with_secret(secret: bytes, **header: object) -> str:
    """Make what an attacker makes who knows the public key: the text of it as HMAC secret."""
    signing_input = f"{encoded(json.dumps(header).encode())}.{encoded(json.dumps(CLAIMS).encode())}"
    return f"{signing_input}.{encoded(hmac.new(secret, signing_input.encode(), hashlib.sha256).digest())}"


def believing(path: Path) -> SignedTokens:
    chosen = JWTSettings(keys_file=path, issuer="https://idp.example", audience="deepseek")
    return SignedTokens(chosen, Watch([path], 0))


def write_keys(path: Path) -> Path:
    path.write_text(json.dumps({"keys": [public(key, kid=kid) for kid, key in KEYS.items()]}))
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_keys(tmp_path / "jwks.json")


@pytest.fixture
def tokens(path: Path) -> SignedTokens:
    return believing(path)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> SignedTokens:
    return believing(write_keys(tmp_path_factory.mktemp("jwt") / "jwks.json"))


def refused(tokens: SignedTokens, text: str, now: datetime = NOW) -> str:
    with pytest.raises(CredentialError) as caught:
        tokens.identify(text, now)
    return str(caught.value)


@pytest.mark.parametrize("kid", KEYS)
def test_a_right_token_names_its_principal(tokens: SignedTokens, kid: str):
    key_id = hashlib.sha256(b"4711").hexdigest()[:16]
    expected = Principal("u:alice", "jwt", key_id, strength=Strength.JWT)
    assert [tokens.identify(token(kid), NOW) for _ in range(2)] == [expected] * 2


def test_claims_may_name_a_service_and_a_tenant(tokens: SignedTokens):
    principal = tokens.identify(token(sub="batch", kind="service", tenant="research", aud=["x", "deepseek"]), NOW)
    assert (principal.name, principal.tenant, principal.roles) == ("s:batch", "research", None)


def test_a_token_without_jti_is_known_by_its_own_digest(tokens: SignedTokens):
    text = token(jti=None)
    assert tokens.identify(text, NOW).key_id == hashlib.sha256(text.encode()).hexdigest()[:16]


def test_a_token_need_not_say_since_when_it_is_valid(tokens: SignedTokens):
    assert tokens.identify(token(nbf=None), NOW)


@pytest.mark.parametrize("claim", ["iss", "aud", "sub", "exp", "iat"])
def test_every_claim_is_required(tokens: SignedTokens, claim: str):
    assert "lacks a claim" in refused(tokens, token(**{claim: None}))


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"iss": "https://evil.example"}, "another issuer"),
        ({"iss": "https://idp.example/"}, "another issuer"),
        ({"aud": "other"}, "another audience"),
        ({"aud": []}, "another audience"),
        ({"aud": "deepseek2"}, "another audience"),
        ({"exp": seconds(0)}, "has expired"),
        ({"exp": seconds(-1), "iat": seconds(-60), "nbf": seconds(-60)}, "has expired"),
        ({"nbf": seconds(31)}, "not valid yet"),
        ({"iat": seconds(31)}, "not valid yet"),
        ({"exp": seconds(86_401)}, "more than a day"),
        ({"iat": seconds(20), "exp": seconds(10)}, "more than a day"),
        ({"sub": "Alice"}, "no principal's name"),
        ({"sub": "u:alice"}, "no principal's name"),
        ({"sub": "alice\n"}, "no principal's name"),
        ({"sub": ""}, "no principal's name"),
        ({"sub": "canary", "kind": "service"}, "no principal's name"),
        ({"tenant": "Research"}, "no tenant's name"),
        ({"kind": "admin"}, "wrong type"),
        ({"sub": 7}, "wrong type"),
        ({"exp": "tomorrow"}, "wrong type"),
        ({"exp": True}, "wrong type"),
        ({"aud": {"deepseek": 1}}, "wrong type"),
    ],
    ids=str,
)
def test_claims_of_others_or_of_another_time_are_refused(tokens: SignedTokens, claims: dict[str, Any], reason: str):
    if claims.get("sub", "") == 7:
        text = jwt.PyJWS().encode(json.dumps({**CLAIMS, **claims}).encode(), KEYS["es"], "ES256", {"kid": "es"})
    else:
        text = token(**claims)
    assert reason in refused(tokens, text)


def test_leeway_is_for_clocks_ahead_of_ours(tokens: SignedTokens):
    assert tokens.identify(token(nbf=seconds(30), iat=seconds(30)), NOW)


def test_a_known_token_ends_at_its_very_end(tokens: SignedTokens):
    text = token()
    end = NOW + timedelta(minutes=15)
    assert tokens.identify(text, end - timedelta(milliseconds=1))
    assert "has expired" in refused(tokens, text, end)
    assert "has expired" in refused(tokens, text, end)


def test_an_unsigned_token_is_nobody(tokens: SignedTokens):
    for algorithm in ("none", "None", "NONE", ""):
        head = encoded(json.dumps({"alg": algorithm, "kid": "rs"}).encode())
        assert "not signed as it must be" in refused(tokens, f"{head}.{encoded(json.dumps(CLAIMS).encode())}.")


@pytest.mark.parametrize("kid", ["rs", "es", "ed"])
def test_a_public_key_is_no_secret_to_sign_with(tokens: SignedTokens, kid: str):
    key = KEYS[kid].public_key()
    forms = [key.public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo) for encoding in (Encoding.PEM, Encoding.DER)]
    for secret in (*forms, forms[0].strip(), json.dumps(public(KEYS[kid], kid=kid)).encode()):
        for algorithm in ("HS256", ALGORITHMS[kid]):
            assert "not signed as it must be" in refused(tokens, signed_with_secret(secret, alg=algorithm, kid=kid))


def test_a_token_that_names_another_keys_algorithm_is_nobody(tokens: SignedTokens):
    for kid, other in (("rs", "es"), ("es", "rs"), ("ed", "es")):
        text = jwt.encode(CLAIMS, KEYS[kid], ALGORITHMS[kid], {"kid": other})
        assert "not signed as it must be" in refused(tokens, text)
    assert "not signed as it must be" in refused(tokens, jwt.encode(CLAIMS, KEYS["rs"], "RS512", {"kid": "rs"}))
    assert "not signed as it must be" in refused(tokens, jwt.encode(CLAIMS, KEYS["rs"], "PS256", {"kid": "rs"}))


def test_the_tokens_own_key_counts_nothing(tokens: SignedTokens):
    mine = ec.generate_private_key(ec.SECP256R1())
    header = {"kid": "es", "jwk": public(mine), "jku": "https://evil.example/keys", "x5c": ["AAAA"]}
    assert "not signed as it must be" in refused(tokens, jwt.encode(CLAIMS, mine, "ES256", header))


@pytest.mark.parametrize("header", [{"kid": "other"}, {"kid": ""}, {"kid": None}, {"kid": "../es"}])
def test_a_token_that_names_no_known_key_is_nobody(tokens: SignedTokens, header: dict[str, Any]):
    text = jwt.PyJWS().encode(
        json.dumps(CLAIMS).encode(), KEYS["es"], "ES256", header if header["kid"] is not None else {}
    )
    assert "names no key" in refused(tokens, text)


@pytest.mark.parametrize("header", [{"crit": ["exp"]}, {"crit": ["b64"], "b64": False}])
def test_extensions_that_are_not_understood_are_refused(tokens: SignedTokens, header: dict[str, Any]):
    head = encoded(json.dumps({"alg": "ES256", "kid": "es", **header}).encode())
    signing_input = f"{head}.{encoded(json.dumps(CLAIMS).encode())}"
    signature = jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA256).sign(signing_input.encode(), KEYS["es"])
    assert "not signed as it must be" in refused(tokens, f"{signing_input}.{encoded(signature)}")


def test_a_huge_or_deep_token_is_nobody(tokens: SignedTokens):
    assert "too long" in refused(tokens, token(more="x" * 8_192))
    deep = encoded(b'{"alg": "ES256", "x": ' + b"[" * 4_000)
    assert "not signed as it must be" in refused(tokens, f"{deep}.e30.AAAA")


def test_a_withdrawn_key_takes_its_known_tokens_with_it(tokens: SignedTokens, path: Path):
    text, other = token("es"), token("ed")
    assert tokens.identify(text, NOW)
    path.write_text(json.dumps({"keys": [public(KEYS["ed"], kid="ed")]}))
    assert "names no key" in refused(tokens, text)
    assert tokens.identify(other, NOW)


def test_while_the_keys_cannot_be_used_nobody_is_known(tokens: SignedTokens, path: Path):
    text = token()
    assert tokens.identify(text, NOW)
    content = path.read_bytes()
    path.write_bytes(b"{")
    with pytest.raises(IdentityError, match="is no JWK Set"):
        tokens.identify(text, NOW)
    path.unlink()
    with pytest.raises(IdentityError, match="cannot be read"):
        tokens.identify(text, NOW)
    path.write_bytes(content)
    assert tokens.identify(text, NOW)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch, path: Path):
    monkeypatch.setattr(signed, "_REMEMBERED", 2)
    tokens = believing(path)
    for number in range(4):
        assert tokens.identify(token(jti=str(number)), NOW)
    assert len(tokens._trust.current().known) == 2


RIGHT = token()


@given(st.integers(0, len(RIGHT) - 1), st.characters(max_codepoint=126, min_codepoint=33))
@settings(derandomize=True, deadline=None, max_examples=200)
def test_no_changed_token_is_anybody(shared: SignedTokens, position: int, character: str):
    changed = RIGHT[:position] + character + RIGHT[position + 1 :]
    # The last character of a base64 text carries bits that count for nothing.
    last = {RIGHT.index("."), RIGHT.rindex("."), len(RIGHT)}
    if changed != RIGHT and position + 1 not in last:
        refused(shared, changed)


@given(st.text(st.characters(max_codepoint=126), max_size=200))
@settings(derandomize=True, deadline=None)
def test_any_text_is_refused(shared: SignedTokens, text: str):
    refused(shared, text)
