"""What a header says is read with care: it comes from a disk that anybody may have written."""

import json
from pathlib import Path

import pytest

from deepseek_local.errors import StorageError
from deepseek_local.storage import header, state
from deepseek_local.storage.header import RecoveryToken, WrappedToken

UUID = "3e2b6c3e-6a52-4f0e-9d3a-3a6d4a7b1c11"
TOKEN = WrappedToken(key="pkcs11:token=vol;object=kek", nonce=b"n" * 12, data=b"d" * 64)


def metadata(tokens=(), slots=("0",), **more) -> bytes:
    parts = {
        "keyslots": {slot: {"type": "luks2", "kdf": {"type": "pbkdf2"}} for slot in slots},
        "tokens": {str(number): token for number, token in enumerate(tokens)},
        "segments": {"0": {"type": "crypt", "encryption": "aes-xts-plain64"}},
    }
    return json.dumps({**parts, **more}).encode()


def written(token) -> dict:
    return json.loads(header.encode(token))


def test_tokens_are_read_as_they_were_written():
    marked = RecoveryToken(("30",))
    read = header.parse(UUID, metadata([written(TOKEN), written(marked)], slots=("0", "30")))
    assert read.wrapped == {0: TOKEN}
    assert read.recovery == {1: marked}
    assert read.recovery_slots == (30,)
    assert read.purpose == UUID.encode()
    assert [slot.tokens for slot in read.slots] == [(header.WRAPPED,), (header.RECOVERY,)]


def test_tokens_of_other_programs_are_let_alone():
    other = {"type": "systemd-tpm2", "keyslots": ["1"], "tpm2-blob": "x", "nested": {"deep": [1]}}
    read = header.parse(UUID, metadata([other], slots=("1",)))
    assert (read.wrapped, read.recovery) == ({}, {})
    assert read.slots[0].tokens == ("systemd-tpm2",)


def test_a_recovery_mark_without_its_slot_counts_for_nothing():
    read = header.parse(
        UUID, metadata([written(RecoveryToken(("30",))), written(RecoveryToken(("7",)))], slots=("0", "7"))
    )
    assert read.recovery_slots == ()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"\xff\xfe",
        b"[" * 100_000,
        metadata([{**written(TOKEN), "version": 2}]),
        metadata([{**written(TOKEN), "mechanism": "AES-ECB"}]),
        metadata([{**written(TOKEN), "data": "no base64!"}]),
        metadata([{**written(TOKEN), "nonce": None}]),
        metadata([{"type": "deepseek-local-pkcs11"}]),
        metadata([7]),
        metadata(slots=("nought",)),
        metadata(keyslots=[]),
    ],
    ids=lambda content: repr(content[:20]),
)
def test_everything_else_is_one_sentence(content):
    with pytest.raises(StorageError, match="is not one that this version wrote"):
        header.parse(UUID, content)


def test_what_a_stranger_wrote_into_a_header_does_not_reach_the_terminal(tmp_path):
    hostile = WrappedToken(key="\x1b]0;owned\x07\u202e" + "x" * 5000, nonce=b"n", data=b"d")
    slot = {"type": "\x1b[2J", "keyslots": ["5"]}
    segments = {"0": {"encryption": "\x1b[31m"}}
    read = header.parse(UUID, metadata([written(hostile), slot], slots=("0", "5"), segments=segments))
    lines = list(state.lines(state.of(tmp_path, read, 0, is_checked=False)))
    assert all(line.isprintable() and line.isascii() and len(line) < 300 for line in lines)


def warnings(tokens, slots) -> str:
    read = header.parse(UUID, metadata([written(token) for token in tokens], slots=slots))
    return "\n".join(state.of(Path("disk"), read, 0, is_checked=False).warnings)


def test_status_says_what_is_missing():
    mark = RecoveryToken(("30",))
    assert warnings([TOKEN, mark], ("0", "30")) == ""
    assert "nothing opens it" in warnings([TOKEN], ())
    assert "no recovery key was shown" in warnings([TOKEN], ("0", "30"))
    assert "no HSM opens the volume" in warnings([mark], ("0", "30"))
    assert "no HSM opens the volume" in warnings([TOKEN, mark], ("30",))
    assert "a change of keys was cut off" in warnings([TOKEN, TOKEN, mark], ("0", "30"))
    assert "a new recovery key was not finished" in warnings([TOKEN, mark], ("0", "30", "31"))
