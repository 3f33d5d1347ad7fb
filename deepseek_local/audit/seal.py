"""
What seals a checkpoint: the signature of the log's key, and the evolving MAC (see `tlog.evolving`).

`audit.key` has the seed of the Ed25519 key, unless the key is in an HSM (`audit.hsm_signer`). `audit.mac` has the current key of the MAC, its index, and the note that the key before it
has sealed. It is replaced, durably, after a note is made and before anybody can see it. So there are only two things that a crash can
leave: a key that has sealed nothing, which goes on to seal, or a note that is not in the log yet, which a start then puts there. No key
seals two texts, and no place stays empty.

A process that is killed while it replaces the file leaves a draft with a key, which would still be there when that key has long been
used. So every start removes drafts first.

Both files lie apart from the log, with mode 0600: who finds the log gone, or another one in its place, still finds how far it was.
"""

import secrets
from pathlib import Path
from typing import Annotated, Protocol

import msgspec

from deepseek_local.audit.hsm_signer import HSMSigner
from deepseek_local.audit.segments import failure
from deepseek_local.errors import AuditError
from deepseek_local.files import is_private, make_directory, read_regular, sync_directory, write_atomic
from deepseek_local.hsm.ed25519 import Ed25519Key
from deepseek_local.tlog import note as notes
from deepseek_local.tlog.checkpoint import Checkpoint
from deepseek_local.tlog.evolving import EvolvingMac
from deepseek_local.tlog.keys import KEY_BYTES, Ed25519Signer, Signer, Verifier, check_name
from deepseek_local.tlog.note import Note

SEED = "audit.key"
STATE = "audit.mac"
FIRST_KEY = "audit.mac.first"

_STATE_BYTES_LIMIT = 65_536


class State(msgspec.Struct, frozen=True):
    """Where the evolving MAC stands."""

    origin: str
    """Of the log that these keys are for."""
    index: Annotated[int, msgspec.Meta(ge=0)]
    """Of the checkpoint that comes next."""
    key: Annotated[bytes, msgspec.Meta(min_length=KEY_BYTES, max_length=KEY_BYTES)]
    """For that checkpoint."""
    note: str | None = None
    """The checkpoint before that."""
    verifier: str | None = None
    """Verifier key of the log; older states do not have it."""


class LogSigner(Signer, Protocol):
    """A signer that tells how its signatures are verified."""

    @property
    def verifier(self) -> Verifier:
        """Its public key."""


class Seal:
    """The keys of one log, which no other process uses meanwhile."""

    def __init__(self, directory: Path, state: State, signer: LogSigner) -> None:
        self._place = directory / STATE
        self.state = state
        self.signer = signer

    def sign(self, size: int, root: bytes) -> Note:
        """Seal a checkpoint; when this returns, its key is gone and a start would publish the note. Raises `AuditError`."""
        state = self.state
        text = Checkpoint(state.origin, size, root).text()
        mac = EvolvingMac(state.key, state.index)
        note = notes.sign(text, self.signer)
        note = Note(text, (*note.signatures, mac.signature(state.origin, text)))
        self._replace(mac.next(), note)
        return note

    def skip_to(self, index: int, note: str) -> None:
        """Go on behind a checkpoint that later keys have sealed, after the state was restored from a copy. Raises `AuditError`."""
        mac = EvolvingMac(self.state.key, self.state.index)
        while mac.index < index:
            mac = mac.next()
        self._replace(mac, notes.parse(note.encode()))

    def _replace(self, mac: EvolvingMac, note: Note) -> None:
        self.state = State(self.state.origin, mac.index, mac.key, note.encode().decode(), str(self.signer.verifier))
        _write_state(self._place, self.state)


def is_there(directory: Path) -> bool:
    """Whether there are keys already."""
    return (directory / STATE).exists()


def make(directory: Path, origin: str, signing_key: Ed25519Key | None = None) -> None:
    """
    Make the keys of a new log, and leave the first key of the MAC for the auditor.

    It is signed with the key in an HSM, or else with the seed that is there or a new one.

    It is on disk before the keys count as made, so that a crash cannot lose it. Raises `AuditError`.
    """
    check_name(origin)
    if signing_key is None and not (directory / SEED).exists():
        write_key(directory / SEED, secrets.token_bytes(KEY_BYTES))
    first = secrets.token_bytes(KEY_BYTES)
    write_key(directory / FIRST_KEY, first)
    verifier = _signer(directory, origin, signing_key).verifier
    _write_state(directory / STATE, State(origin, 0, first, verifier=str(verifier)))


def read(directory: Path, signing_key: Ed25519Key | None = None) -> Seal:
    """Return the keys. Raises `AuditError` when one is missing, damaged, open to others, or that of another log."""
    state = _read_state(directory / STATE)
    signer = _signer(directory, state.origin, signing_key)
    if state.verifier not in (None, str(signer.verifier)):
        raise AuditError(
            f"{directory / STATE} belongs to a log with the key {state.verifier}, but the key here is {signer.verifier}; "
            f"restore {SEED} from its copy, or name the right key in the HSM with --signing-key (audit.signing_key of the profile)"
        )
    return Seal(directory, state, signer)


def _signer(directory: Path, origin: str, signing_key: Ed25519Key | None) -> LogSigner:
    if signing_key is not None:
        return HSMSigner(origin, signing_key)
    if not (directory / SEED).exists():
        raise AuditError(
            f"{directory / SEED} is not there; restore it from its copy, or name the log's key in the HSM with --signing-key "
            "(audit.signing_key of the profile)"
        )
    return Ed25519Signer(origin, read_key(directory / SEED))


def read_key(place: Path) -> bytes:
    """Return a key of 32 bytes. Raises `AuditError` when it is missing, damaged, or open to others."""
    key = _read(place, KEY_BYTES + 1)
    if len(key) != KEY_BYTES:
        raise AuditError(f"the key {place} does not have {KEY_BYTES} bytes; restore it from its copy")
    return key


def write_key(place: Path, key: bytes) -> None:
    """Write a key for the owner's eyes. Raises `AuditError`."""
    _write(place, key)


def sweep(directory: Path) -> None:
    """Remove the drafts that killed processes left of keys of the MAC; the caller is the only one who writes any. Raises `AuditError`."""
    _remove(*directory.glob(f".{STATE}.*"))


def forget_first(directory: Path) -> None:
    """Remove the first key of the MAC for good. Raises `AuditError`."""
    _remove(*directory.glob(FIRST_KEY), *directory.glob(f".{FIRST_KEY}.*"))


def _remove(*places: Path) -> None:
    for place in places:
        try:
            place.unlink(missing_ok=True)
            sync_directory(place.parent)
        except OSError as error:
            raise failure("remove", place, error) from error


def _read_state(place: Path) -> State:
    """Return where the evolving MAC stands. Raises `AuditError`."""
    try:
        return msgspec.json.decode(_read(place, _STATE_BYTES_LIMIT), type=State)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise AuditError(f"{place} is damaged ({error}); restore it from its copy") from error


def _write_state(place: Path, state: State) -> None:
    """Replace where the evolving MAC stands. Raises `AuditError`."""
    _write(place, msgspec.json.encode(state))


def _read(place: Path, maximum_bytes: int) -> bytes:
    try:
        if not is_private(place):
            raise AuditError(f"the key {place} can be read by others; run: chmod 600 {place}")
        return read_regular(place, maximum_bytes)
    except OSError as error:
        raise failure("read", place, error) from error


def _write(place: Path, content: bytes) -> None:
    try:
        if not place.parent.exists():
            make_directory(place.parent)
        write_atomic(place, content, keep_owner=True)
    except OSError as error:
        raise failure("write", place, error) from error
