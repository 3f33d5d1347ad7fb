"""
Trust policies: which logs are known, and whose cosignatures a checkpoint needs (C2SP tlog-policy, the syntax that Sigsum brought up).

    log <verifier key> [<url>]
    witness <name> <verifier key> [<url>]
    group <name> all|any|<k> <member>...
    quorum <name>|none

Names belong to the file alone. A line refers to names of lines above it, and a name is a member of one group at most, so nobody counts twice.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass

from deepseek_local.errors import AuditError
from deepseek_local.tlog.keys import KeyType, Verifier
from deepseek_local.tlog.note import Note, verify

NO_QUORUM = "none"
"""What the quorum is called when no cosignature is needed."""

_UNWRITABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_SPACE = re.compile(r"[ \t]+")
_THRESHOLD = re.compile(r"[1-9][0-9]{0,5}")


@dataclass(frozen=True, slots=True)
class Witness:
    """A machine that cosigns what continues all that it has seen."""

    name: str
    """In the policy; the name of its key may be another."""
    verifier: Verifier
    url: str | None = None
    """What goes before `/add-checkpoint`; None for one that the log does not ask."""


@dataclass(frozen=True, slots=True)
class Group:
    """Some of its members together count as one witness."""

    name: str
    threshold: int
    """How many of them, at least one."""
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """What a checkpoint must carry to be relied on."""

    logs: tuple[Verifier, ...]
    witnesses: tuple[Witness, ...]
    groups: tuple[Group, ...]
    """Each one after those that are its members."""
    quorum: str
    """Name of a witness or group, or `NO_QUORUM`."""

    def keys_of(self, origin: str) -> tuple[Verifier, ...]:
        """Return the keys of the log with this origin; none when it is unknown."""
        return tuple(key for key in self.logs if key.name == origin)

    def cosigners(self, note: Note) -> frozenset[str]:
        """Return the names of the witnesses whose cosignature the note has; a wrong one counts as none."""
        return frozenset(witness.name for witness in self.witnesses if verify(note, [witness.verifier]))

    def is_met(self, cosigners: Collection[str]) -> bool:
        """Whether these witnesses are enough."""
        acting = {NO_QUORUM, *cosigners}
        for group in self.groups:
            if sum(member in acting for member in group.members) >= group.threshold:
                acting.add(group.name)
        return self.quorum in acting


def parse(data: bytes) -> Policy:
    """Read a policy. Raises `AuditError` that names the first line which cannot stand."""
    if not data.endswith(b"\n"):
        raise AuditError("the last line of the policy has no newline, so it may be cut short; complete it")
    draft = _Draft()
    # Octets that are not UTF-8 stand for themselves: names are compared, never read.
    for number, line in enumerate(data.decode(errors="surrogateescape").split("\n")[:-1], start=1):
        try:
            draft.read(line)
        except AuditError as error:
            raise AuditError(f"line {number} of the policy: {error}") from error
    return draft.finished()


class _Draft:
    """A policy as far as it was read."""

    def __init__(self) -> None:
        self._logs: list[Verifier] = []
        self._witnesses: list[Witness] = []
        self._groups: list[Group] = []
        self._quorum: str | None = None
        self._free: dict[str, bool] = {}
        """Every name of a witness or group; true until it is a member."""

    def read(self, line: str) -> None:
        if found := _UNWRITABLE.search(line):
            raise AuditError(f"there is a control character {found[0]!r}; write plain text")
        match _SPACE.split(line.strip(" \t")):
            case [word, *_] if not word or word.startswith("#"):
                pass
            case ["log", key] | ["log", key, _]:
                self._logs.append(_key(key, KeyType.ED25519, self._logs))
            case ["witness", name, key, *url] if len(url) <= 1:
                self._name(name)
                known = [witness.verifier for witness in self._witnesses]
                self._witnesses.append(Witness(name, _key(key, KeyType.COSIGNATURE, known), *url))
            case ["group", name, threshold, *members] if members:
                self._groups.append(Group(name, _threshold(threshold, len(members)), self._members(members)))
                self._name(name)
            case ["quorum", name] if self._quorum is None:
                if name != NO_QUORUM and name not in self._free:
                    raise AuditError(f"no line above names {name!r}; name a witness, a group or {NO_QUORUM!r}")
                self._quorum = name
            case [word, *_]:
                raise AuditError(
                    f"{word!r} cannot stand like this; write `log KEY [URL]`, `witness NAME KEY [URL]`, "
                    "`group NAME all|any|K MEMBER...`, and `quorum NAME` once"
                )

    def finished(self) -> Policy:
        if self._quorum is None:
            raise AuditError(f"the policy has no quorum; add `quorum NAME`, or `quorum {NO_QUORUM}` to ask for nobody")
        return Policy(tuple(self._logs), tuple(self._witnesses), tuple(self._groups), self._quorum)

    def _name(self, name: str) -> None:
        if name == NO_QUORUM or name in self._free:
            raise AuditError(f"the name {name!r} is taken; choose another")
        self._free[name] = True

    def _members(self, names: list[str]) -> tuple[str, ...]:
        for name in names:
            if not self._free.get(name):
                raise AuditError(
                    f"{name!r} is in a group already, or no line above names it; name each witness and group as a member once"
                )
            self._free[name] = False
        return tuple(names)


def _key(text: str, kind: KeyType, known: Collection[Verifier]) -> Verifier:
    """Read a key that may stand here. Raises `AuditError`."""
    key = Verifier.parse(text)
    if key.kind is not kind:
        raise AuditError(
            f"the key {key.name!r} has the type {key.kind:#04x}; a log has one of {KeyType.ED25519:#04x}, "
            f"a witness one of {KeyType.COSIGNATURE:#04x}"
        )
    if any(key.public_key == other.public_key for other in known):
        raise AuditError(f"the key of {key.name!r} stands above already; take one of the lines out")
    return key


def _threshold(text: str, members: int) -> int:
    """Read how many members count as the group. Raises `AuditError`."""
    threshold = {"all": members, "any": 1}.get(text) or (int(text) if _THRESHOLD.fullmatch(text) else 0)
    if not 1 <= threshold <= members:
        raise AuditError(
            f"a group of {members} members cannot need {text!r} of them; write all, any or a number up to {members}"
        )
    return threshold
