import pytest

from deepseek_local.errors import AuditError, TamperedError
from deepseek_local.evidence import trust
from deepseek_local.tlog import note as notes
from deepseek_local.tlog.checkpoint import Checkpoint
from deepseek_local.tlog.keys import Cosigner, Ed25519Signer
from deepseek_local.tlog.tree import EMPTY_ROOT

ORIGIN = "lab.gpu01/audit/2026"
SIGNER = Ed25519Signer(ORIGIN, bytes(range(32)))
OTHER = Ed25519Signer(ORIGIN, bytes(32))
KEY = str(SIGNER.verifier)


def checkpoint(origin: str = ORIGIN, signer: Ed25519Signer = SIGNER) -> bytes:
    return notes.sign(Checkpoint(origin, 0, EMPTY_ROOT).text(), signer).encode()


def test_a_key_is_given_as_itself():
    assert trust.read([KEY]).verifiers == (SIGNER.verifier,)


def test_a_key_is_read_from_a_file_with_comments(tmp_path):
    (tmp_path / "key").write_text(f"# of gpu01\n\n{KEY}\n{OTHER.verifier}\n")
    assert trust.read([str(tmp_path / "key")]).verifiers == (SIGNER.verifier, OTHER.verifier)


@pytest.mark.parametrize("content", [bytes(range(32)), bytes(range(32)).hex().encode() + b"\n", b"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"])  # fmt: skip
def test_the_first_key_of_the_mac_is_read_in_each_of_its_spellings(tmp_path, content):
    (tmp_path / "mac").write_bytes(content)
    assert trust.read([KEY], tmp_path / "mac").first_mac_key == bytes(range(32))


@pytest.mark.parametrize("content", [b"", b"abc", b"zz" * 32, b"A" * 31, b"\xff" * 33])
def test_what_is_no_first_key_is_refused(tmp_path, content):
    (tmp_path / "mac").write_bytes(content)
    with pytest.raises(AuditError, match="is not the first key of a MAC"):
        trust.read([KEY], tmp_path / "mac")


def test_the_first_key_of_the_mac_is_not_shown(tmp_path):
    (tmp_path / "mac").write_bytes(b"k" * 32)
    assert "kkkk" not in repr(trust.read([KEY], tmp_path / "mac"))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(AuditError, match=r"cannot read the key .*nowhere: No such file"):
        trust.read([str(tmp_path / "nowhere")])


def test_keys_of_two_logs_or_of_a_witness_are_refused(tmp_path):
    (tmp_path / "empty").touch()
    witness = Cosigner("audit.example/w1", bytes(32))
    for keys in ([KEY, str(Ed25519Signer("b/audit/2026", bytes(32)).verifier)], [str(witness.verifier)], [str(tmp_path / "empty")]):  # fmt: skip
        with pytest.raises(AuditError, match="are not those of one log"):
            trust.read(keys)


def test_a_checkpoint_of_the_log_is_opened():
    _, found = trust.read([KEY]).open(checkpoint(), "here")
    assert found.origin == ORIGIN


def test_each_of_several_keys_may_have_signed():
    assert trust.read([str(OTHER.verifier), KEY]).open(checkpoint(), "here")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"nothing", "here is no checkpoint"),
        (notes.sign("a\nb\n", SIGNER).encode(), "here is no checkpoint"),
        (checkpoint("other/audit/2026"), "here is of the log 'other/audit/2026', not of"),
        (checkpoint(signer=OTHER), "here is not signed by the key of"),
    ],
)
def test_whatever_else_there_is_was_tampered_with(data, reason):
    with pytest.raises(TamperedError, match=reason):
        trust.read([KEY]).open(data, "here")
