"""A volume as `storage status` shows it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deepseek_local.storage import mapping
from deepseek_local.storage.header import HSM_SLOT, RECOVERY, RECOVERY_SLOTS, WRAPPED, Header, Slot


@dataclass(frozen=True, slots=True)
class SlotState:
    """One key slot."""

    number: int
    opened_by: str
    """`hsm`, `recovery_key`, `unfinished`, the type of another program's token, or `other`."""
    derivation: str


@dataclass(frozen=True, slots=True)
class VolumeState:
    """Everything about one volume."""

    device: Path
    uuid: str
    cipher: str
    keys: tuple[str, ...]
    """Keys in HSMs that wrapped its passphrase, as the header names them; more than one while a change is not finished."""
    slots: tuple[SlotState, ...]
    mapping: Path | None
    """None while it is closed."""
    uses: tuple[str, ...]
    """What keeps it from being closed."""
    records_waiting: int
    """Records that the audit log does not have yet."""
    checked: bool
    """Whether the HSM was asked just now, and the passphrase opens the volume."""
    warnings: tuple[str, ...]


def of(device: Path, read: Header, waiting: int, *, is_checked: bool) -> VolumeState:
    """Collect what there is to show."""
    opened = mapping.find(read.uuid)
    return VolumeState(
        device=device,
        uuid=read.uuid,
        cipher=read.cipher,
        keys=tuple(dict.fromkeys(token.key for token in read.wrapped.values())),
        slots=tuple(SlotState(slot.number, _opened_by(slot), slot.derivation) for slot in read.slots),
        mapping=None if opened is None else opened.path,
        uses=() if opened is None else tuple(mapping.uses(opened)),
        records_waiting=waiting,
        checked=is_checked,
        warnings=tuple(_warnings(read)),
    )


def lines(state: VolumeState) -> Iterator[str]:
    """Write it for people; names come from the header, which anybody may have written."""
    yield f"volume   {state.uuid} on {state.device}, {state.cipher!a:.60}"
    yield f"open     {state.mapping or 'no'}"
    yield from (f"         {use}" for use in state.uses)
    yield from (f"key      {key!a:.200}" for key in state.keys)
    yield from (f"slot {slot.number:<3} {slot.opened_by!a:.60} ({slot.derivation!a:.30})" for slot in state.slots)
    yield f"records  {state.records_waiting} wait for the audit log"
    if state.checked:
        yield "checked  the HSM gives the passphrase, and it opens the volume"
    yield from (f"WARNING  {warning}" for warning in state.warnings)


def _opened_by(slot: Slot) -> str:
    if slot.number == HSM_SLOT and WRAPPED in slot.tokens:
        return "hsm"
    if slot.number in RECOVERY_SLOTS:
        return "recovery_key" if RECOVERY in slot.tokens else "unfinished"
    return next(iter(slot.tokens), "other")


def _warnings(read: Header) -> Iterator[str]:
    if not read.slots:
        yield "the volume has no key slot, so nothing opens it: it was erased, or its header is damaged"
        return
    if not read.wrapped or not read.has(HSM_SLOT):
        yield "no HSM opens the volume; run `storage rekey --recovery-key`, or `storage init` again if it was cut off"
    if len(read.wrapped) > 1:
        yield "a change of keys was cut off; run the same `storage rekey` again"
    if not read.recovery_slots:
        yield "no recovery key was shown; make one with `storage recovery-key`"
    elif sum(read.has(slot) for slot in RECOVERY_SLOTS) > 1:
        yield "a new recovery key was not finished; run `storage recovery-key` again"
