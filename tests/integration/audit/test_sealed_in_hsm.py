"""A log whose checkpoints are signed in a real PKCS#11 module: the real sequencer, SoftHSM, and the verifier of the auditor."""

import json
import shutil
import signal
import subprocess
import sys

import pytest
from soft_token import LOCKED
from waiting import PATIENCE_SECONDS, wait_until

from deepseek_local.audit import seal
from deepseek_local.evidence import trust
from deepseek_local.hsm import ed25519
from deepseek_local.tlog import note
from deepseek_local.tlog.keys import Verifier

pytestmark = pytest.mark.integration


@pytest.fixture
def keys(tmp_path):
    place = tmp_path / "keys"
    place.mkdir()
    return place


@pytest.fixture
def options(token, keys) -> tuple[str, ...]:
    return ("--keys", str(keys), "--signing-key", token.uri())


def audit(*arguments: object, code: int = 0) -> str:
    """Run a command on the log; return what it said."""
    command = [sys.executable, "-m", "deepseek_local", "audit", *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS)
    assert result.returncode == code, result
    return result.stdout + result.stderr


def init(sequencer, options, *more, code: int = 0) -> dict:
    said = audit(
        "init", "--directory", sequencer.log, "--node", "gpu01", "--format", "json", *options, *more, code=code
    )
    return json.loads(said)


def not_started(sequencer, options) -> str:
    said = subprocess.run(
        sequencer.command(*options), capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS
    )
    assert said.returncode == 4, said
    return said.stderr


def newest_checkpoint(sequencer) -> note.Note:
    return note.parse((sequencer.log / "tlog" / "checkpoint").read_bytes())


def fail_to_sign(sequencer, record: str) -> str:
    """Write a record whose checkpoint cannot be signed; return what the sequencer says when it ends."""
    sequencer.append(what=record)
    code, said = sequencer.ended()
    assert code == 1, said
    assert record in str(sequencer.records()[-1]), "what was acknowledged is in the log"
    return said


def test_the_auditor_verifies_what_the_hsm_has_signed_over_restarts(sequencer, options, keys):
    handed = init(sequencer, options, "--generate")
    assert not (keys / seal.SEED).exists()
    for round_number in range(2):
        sequencer.start(*options)
        sequencer.append(round=round_number)
        assert sequencer.end()[0] == 0
    key = Verifier.parse(handed["verifier_key"])
    assert note.verify(newest_checkpoint(sequencer), [key])
    first = keys.parent / "first"
    first.write_bytes(bytes.fromhex(handed["first_key"]))
    first.chmod(0o600)
    assert trust.read([str(key)], first)
    said = audit("verify", "--directory", sequencer.log, "--key", key, "--mac-key", first)
    assert "intact" in said


def test_init_and_a_first_start_use_the_key_that_is_there_and_make_none(sequencer, token, options, keys):
    said = audit("init", "--directory", sequencer.log, *options, code=4)
    assert "has no private key 'checkpoints'; make one with --generate" in said
    assert "has no private key" in not_started(sequencer, options)
    assert not list(keys.iterdir())
    ed25519.make(token.parsed())
    sequencer.start(*options)
    sequencer.end()
    with ed25519.key(token.parsed()) as key:
        assert Verifier.parse(init(sequencer, options)["verifier_key"]).public_key == key.public_key


def test_generate_alone_is_a_mistake_and_so_is_a_pin_on_the_command_line(sequencer, token):
    assert "--generate makes the key that --signing-key names" in audit(
        "init", "--directory", sequencer.log, "--generate", code=2
    )
    said = audit("init", "--directory", sequencer.log, "--signing-key", f"{token.uri()}&pin-value=918273", code=2)
    assert "pin-source=file:/" in said
    assert "918273" not in said


def test_a_wrong_or_locked_pin_and_an_absent_module_stop_the_start_before_the_log_opens(sequencer, token, options):
    ed25519.make(token.parsed())
    token.pin_file.write_text("111111")
    assert "is not that of the token 'audit'" in not_started(sequencer, options)
    token.set_flag(LOCKED)
    assert "let its security officer unlock it" in not_started(sequencer, options)
    absent = (*options[:3], token.uri(module=token.place / "absent.so"))
    assert "absent.so is not there; install the vendor's package" in not_started(sequencer, absent)
    assert not sequencer.log.exists()


def test_another_key_than_the_log_was_begun_with_is_refused(sequencer, token, options):
    init(sequencer, options, "--generate")
    ed25519.make(token.parsed("object=other"))
    other = (*options[:3], token.uri("object=other"))
    assert "belongs to a log with the key gpu01/audit/" in sequencer.refused(*other)
    assert "or name the log's key in the HSM with --signing-key" in sequencer.refused(*options[:2])


def test_a_key_that_is_deleted_ends_the_log_until_it_is_back(sequencer, token, options):
    init(sequencer, options, "--generate")
    sequencer.start(*options)
    sequencer.append(what="signed")
    wait_until((sequencer.log / "tlog" / "checkpoint").exists)
    kept = token.place / "kept"
    shutil.copytree(token.tokens, kept)
    token.delete()
    said = fail_to_sign(sequencer, "not signed")
    assert "the checkpoint is not signed: the key 'checkpoints' is not in the token 'audit' any more" in said
    assert "has no private key 'checkpoints'" in not_started(sequencer, options)
    shutil.rmtree(token.tokens)
    kept.rename(token.tokens)
    sequencer.start(*options)
    assert sequencer.end(signal.SIGTERM)[0] == 0
    assert "not signed" in str(sequencer.records())


def test_a_token_that_is_taken_away_ends_the_log_and_no_start_goes_on_without_it(sequencer, token, options):
    init(sequencer, options, "--generate")
    sequencer.start(*options)
    sequencer.append(what="signed")
    wait_until((sequencer.log / "tlog" / "checkpoint").exists)
    token.tokens.rename(token.place / "taken")
    token.tokens.mkdir()
    assert "the checkpoint is not signed: " in fail_to_sign(sequencer, "not signed")
    assert "the token 'audit' is not there; connect it" in not_started(sequencer, options)


def test_serve_hands_the_key_of_its_profile_to_the_sequencer(serve, token):
    ed25519.make(token.parsed())
    sets = (f"audit.signing_key={token.uri()}",)
    served = serve(sets=sets, environment={"SOFTHSM2_CONF": str(token.configuration)})
    served.until_ready()
    checkpoint = served.home / "audit" / "tlog" / "checkpoint"
    wait_until(checkpoint.exists)
    assert not (served.home / seal.SEED).exists()
    with ed25519.key(token.parsed()) as key:
        signed = note.parse(checkpoint.read_bytes())
        assert note.verify(signed, [Verifier(signed.signatures[0].name, key.public_key)])
