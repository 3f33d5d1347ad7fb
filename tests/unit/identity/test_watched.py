"""Files that prove identities: every reading that changes something is told, with digests of the bytes that were understood."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import jwt
import pytest
from certificates import NOW, SITE, Authority, Identity
from cryptography.hazmat.primitives.asymmetric import ed25519

from deepseek_local.errors import IdentityError
from deepseek_local.files import Watch
from deepseek_local.identity import denied, keys, store
from deepseek_local.identity.certificate import Certificates
from deepseek_local.identity.credential import CredentialError
from deepseek_local.identity.jwt import SignedTokens
from deepseek_local.identity.live import LiveTokens
from deepseek_local.identity.loads import Load, Source
from deepseek_local.identity.proxy import Origin
from deepseek_local.identity.watched import Watched
from deepseek_local.profile.handover import CertificateSettings, JWTSettings


def digest(*paths: Path) -> str:
    return f"sha256:{hashlib.sha256(b''.join(path.read_bytes() for path in paths)).hexdigest()}"


class DenyList:
    def __init__(self, directory: Path) -> None:
        self.path = directory / "denied"
        self.told: list[Load] = []

    def watched(self) -> Watched[frozenset[int]]:
        return Watched(
            Source.DENY_LIST,
            Watch([self.path], 0),
            lambda read_file: denied.read(self.path, read_file),
            self.told.append,
            names=lambda serials: {f"{serial:x}": True for serial in serials},
        )


@pytest.fixture
def deny_list(tmp_path: Path) -> DenyList:
    return DenyList(tmp_path)


def test_the_first_reading_is_told_with_its_digest(deny_list: DenyList):
    deny_list.path.write_text("0A\n")
    deny_list.watched().current()
    assert deny_list.told == [Load(Source.DENY_LIST, digest(deny_list.path))]


def test_no_file_has_no_digest(deny_list: DenyList):
    deny_list.watched()
    assert deny_list.told == [Load(Source.DENY_LIST)]


def test_a_change_is_told_once_with_both_digests_and_what_came_and_went(deny_list: DenyList):
    deny_list.path.write_text("0A\n0B\n")
    before, watched = digest(deny_list.path), deny_list.watched()
    deny_list.path.write_text("0B\n0C\n0D\n")
    for _ in range(3):
        watched.current()
    changes = {"added": ("c", "d"), "removed": ("a",)}
    assert deny_list.told[1:] == [Load(Source.DENY_LIST, digest(deny_list.path), before, changes=changes)]


def test_a_file_that_says_the_same_is_no_news(deny_list: DenyList):
    deny_list.path.write_text("0A\n")
    watched = deny_list.watched()
    deny_list.path.unlink()
    deny_list.path.write_text("0A\n")
    watched.current()
    assert len(deny_list.told) == 1


def test_what_is_refused_is_told_with_the_reason_and_so_is_its_end(deny_list: DenyList):
    deny_list.path.write_text("0A\n")
    before, watched = digest(deny_list.path), deny_list.watched()
    deny_list.path.write_text("no serial\n")
    for _ in range(3):
        with pytest.raises(IdentityError):
            watched.current()
    deny_list.path.write_text("0A\n")
    watched.current()
    refused, mended = deny_list.told[1:]
    assert (refused.digest, refused.before) == (None, before)
    assert "denied:1: 'no serial' is no serial number" in str(refused.reason)
    assert mended == Load(Source.DENY_LIST, before, before)


def test_a_token_that_was_put_where_serials_belong_is_told_by_its_public_part(deny_list: DenyList):
    watched = deny_list.watched()
    kid, text = "0123456789ab", "dsk_0123456789ab_ThisIsTheSecretPart"
    deny_list.path.write_text(f"{text}\n")
    with pytest.raises(IdentityError, match=f"dsk_{kid}' is no serial"):
        watched.current()
    assert "ThisIs" not in str(deny_list.told)


def test_a_store_that_was_changed_by_hand_is_told_by_the_identifiers_of_its_tokens(tmp_path: Path):
    path, told = tmp_path / "tokens.json", list[Load]()
    key_file = tmp_path / "tokens.key"
    key = keys.ensure(key_file)
    now = datetime.now(UTC)
    kept, gone, widened = (store.create(path, key_file, f"u:{name}", now, roles=["operator"])[0] for name in "abc")
    live = LiveTokens(path, key, {}, Watch([path], 0), tell=told.append)
    before = digest(path)
    lines = path.read_text().splitlines(keepends=True)
    copied = lines[1].replace(kept.kid, "f" * 12)
    path.write_text("".join((lines[0], lines[1], copied, lines[3].replace("operator", "administrator"), lines[4])))
    live.identify("dsk_whoever", now)
    changes = {"added": ("f" * 12,), "removed": (gone.kid,), "changed": (widened.kid,)}
    assert told[1:] == [Load(Source.TOKENS, digest(path), before, changes=changes)]


def test_all_pinned_issuers_have_one_digest(tmp_path: Path):
    first, second, told = Authority(), Authority(), list[Load]()
    files = (tmp_path / "first.pem", tmp_path / "second.pem")
    for file, authority in zip(files, (first, second), strict=True):
        file.write_bytes(authority.pem)
    settings = CertificateSettings(site=SITE, issuer_files=files, denied_serials_file=tmp_path / "denied")
    certificates = Certificates(settings, Watch(files, 0), told.append)
    before = digest(*files)
    files[1].write_bytes(first.pem)
    with pytest.raises(CredentialError):
        certificates.identify(origin(second.issue()), NOW)
    issuers = [load for load in told if load.source is Source.ISSUERS]
    assert issuers == [Load(Source.ISSUERS, before), Load(Source.ISSUERS, digest(*files), before)]


def origin(identity: Identity) -> Origin:
    return Origin("10.0.0.5", (identity.escaped,), is_vouched=True)


def key_set_of(kid: str) -> str:
    key = ed25519.Ed25519PrivateKey.generate().public_key()
    return json.dumps({"keys": [{**jwt.algorithms.OKPAlgorithm.to_jwk(key, as_dict=True), "kid": kid}]})


def test_another_key_set_is_told(tmp_path: Path):
    path, told = tmp_path / "jwks.json", list[Load]()
    path.write_text(key_set_of("a"))
    signed = SignedTokens(JWTSettings(keys_file=path, issuer="idp", audience="us"), Watch([path], 0), told.append)
    before = digest(path)
    path.write_text(key_set_of("b"))
    with pytest.raises(CredentialError):
        signed.identify("a.b.c", NOW)
    assert told == [Load(Source.KEY_SET, before), Load(Source.KEY_SET, digest(path), before)]
