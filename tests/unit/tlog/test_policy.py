"""Policies as C2SP tlog-policy writes them, and what is no policy."""

import pytest

from deepseek_local.errors import AuditError
from deepseek_local.tlog import note
from deepseek_local.tlog.keys import Cosigner, Ed25519Signer
from deepseek_local.tlog.note import Note, Signature
from deepseek_local.tlog.policy import parse

LOG = Ed25519Signer("lab.gpu01/audit/2026", bytes(32))
WITNESSES = {
    name: Cosigner(f"{name.lower()}.example/w", bytes([number] * 32)) for number, name in enumerate("XYZUVW", 1)
}
KEYS = {name: str(witness.verifier) for name, witness in WITNESSES.items()}
TWO_LEVELS = f"""# two organisations
log {LOG.verifier}

witness X {KEYS["X"]} https://x.example
witness Y {KEYS["Y"]}
\twitness\tZ {KEYS["Z"]}  \t
group ours 2 X Y Z
witness U {KEYS["U"]}
witness V {KEYS["V"]}
  # a comment with spaces before it
group theirs any U V
group both all ours theirs
quorum both
"""


def policy_of(text: str):
    return parse(text.encode())


def test_logs_and_witnesses_have_keys_and_addresses():
    policy = policy_of(TWO_LEVELS)
    assert policy.keys_of(LOG.name) == (LOG.verifier,)
    assert policy.keys_of("lab.gpu02/audit/2026") == ()
    assert [(witness.name, witness.url) for witness in policy.witnesses][:2] == [
        ("X", "https://x.example"),
        ("Y", None),
    ]
    assert policy.witnesses[2].verifier == WITNESSES["Z"].verifier


@pytest.mark.parametrize(
    ("cosigners", "met"),
    [("XYU", True), ("YZV", True), ("XYZUV", True), ("XYZ", False), ("XUV", False), ("UV", False), ("", False)],
)
def test_a_quorum_counts_groups_of_groups(cosigners, met):
    assert policy_of(TWO_LEVELS).is_met(list(cosigners)) is met


@pytest.mark.parametrize(("quorum", "met_by_nobody"), [("none", True), ("X", False)])
def test_a_quorum_is_one_witness_or_nobody(quorum, met_by_nobody):
    policy = policy_of(f"witness X {KEYS['X']}\nquorum {quorum}\n")
    assert policy.is_met([]) is met_by_nobody
    assert policy.is_met(["X"])


def test_only_right_cosignatures_of_known_witnesses_count():
    signed = note.sign("one line\n", LOG)
    right = line(WITNESSES["X"], signed.text)
    wrong = line(WITNESSES["Y"], "another line\n")
    unknown = line(WITNESSES["W"], signed.text)
    cosigned = Note(signed.text, (*signed.signatures, right, wrong, unknown))
    assert policy_of(TWO_LEVELS).cosigners(cosigned) == {"X"}


def line(witness: Cosigner, text: str) -> Signature:
    return Signature(witness.name, witness.key_id, witness.sign(text, 1_764_000_000))


def test_octets_that_are_not_utf_8_name_a_witness():
    policy = parse(b"witness \xff " + KEYS["X"].encode() + b"\nquorum \xff\n")
    assert policy.is_met([policy.witnesses[0].name])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "cut short"),
        ("quorum none", "cut short"),
        ("# nothing\n", "no quorum"),
        ("quorum none\nquorum none\n", "line 2 of the policy: 'quorum' cannot stand"),
        ("quorum X\n", "line 1 of the policy: no line above names 'X'"),
        (f"quorum X\nwitness X {KEYS['X']}\n", "no line above names 'X'"),
        ("log\n", "'log' cannot stand"),
        (f"log {LOG.verifier} url more\n", "'log' cannot stand"),
        (f"witness X {KEYS['X']} url more\n", "'witness' cannot stand"),
        (f"witness X {LOG.verifier}\n", "has the type 0x01"),
        (f"log {KEYS['X']}\n", "has the type 0x04"),
        (f"log {LOG.verifier}\nlog {LOG.verifier}\n", "stands above already"),
        (f"witness X {KEYS['X']}\nwitness Y {KEYS['X']}\n", "stands above already"),
        (f"witness X {KEYS['X']}\nwitness X {KEYS['Y']}\n", "the name 'X' is taken"),
        (f"witness none {KEYS['X']}\n", "the name 'none' is taken"),
        (f"witness X {KEYS['X']}\ngroup X any X\n", "the name 'X' is taken"),
        ("group G any\n", "'group' cannot stand"),
        ("group G any G\n", "'G' is in a group already, or no line above"),
        (f"witness X {KEYS['X']}\ngroup G all X X\n", "'X' is in a group already"),
        (f"witness X {KEYS['X']}\ngroup G 1 X\ngroup H 1 X\n", "line 3 of the policy: 'X' is in a group already"),
        (f"witness X {KEYS['X']}\ngroup G 2 X\n", "cannot need '2'"),
        (f"witness X {KEYS['X']}\ngroup G 0 X\n", "cannot need '0'"),
        (f"witness X {KEYS['X']}\ngroup G 01 X\n", "cannot need '01'"),
        (f"witness X {KEYS['X']}\ngroup G none X\n", "cannot need 'none'"),
        ("quorum none\r\n", "control character"),
        ("quorum\u00a0none\n", "cannot stand"),
        ("Quorum none\n", "cannot stand"),
        ("witness X key\n", "not a verifier key"),
    ],
)
def test_what_is_no_policy_is_refused_with_its_line(text, said):
    with pytest.raises(AuditError) as refused:
        policy_of(text)
    assert said in str(refused.value)


def test_the_policy_may_be_as_large_as_the_specification_asks():
    keys = [str(Cosigner(f"w{number}", bytes([number] * 32)).verifier) for number in range(32)]
    lines = [f"witness w{number} {key}" for number, key in enumerate(keys)]
    lines += [f"group g{number} all w{number}" for number in range(31)]
    lines += [f"group all 31 {' '.join(f'g{number}' for number in range(31))}", "quorum all"]
    policy = policy_of("\n".join(lines) + "\n")
    assert policy.is_met([f"w{number}" for number in range(31)])
    assert not policy.is_met([f"w{number}" for number in range(30)])
