"""Logs for witnesses: an audit directory with tiles and a signed checkpoint, made with the arithmetic of `tlog` and without a writer."""

from collections.abc import Sequence
from pathlib import Path

from deepseek_local.tlog import note
from deepseek_local.tlog.checkpoint import Checkpoint
from deepseek_local.tlog.keys import Ed25519Signer
from deepseek_local.tlog.note import Note
from deepseek_local.tlog.tiles import WIDTH, new_tiles
from deepseek_local.tlog.tree import Frontier, leaf, node

ORIGIN = "lab.gpu01/audit/2026"
SIGNER = Ed25519Signer(ORIGIN, bytes(range(32)))


class GrowingLog:
    """A log that a test lets grow; two with different records but one key are a fork."""

    def __init__(self, directory: Path, signer: Ed25519Signer = SIGNER) -> None:
        self.directory = directory
        self.signer = signer
        self._frontier = Frontier()
        self._rows: list[list[bytes]] = [[]]
        (directory / "tlog").mkdir(parents=True)

    def grow(self, size: int, first_word: str = "record") -> Note:
        """Append records up to this size, write the tiles and the checkpoint, and return it."""
        for index in range(self._frontier.size, size):
            self._append(leaf(f"{first_word} {index}\n".encode()))
        for tile in new_tiles(0, size):
            row = self._rows[tile.level * 8]
            self._write(tile.path, b"".join(row[tile.number * WIDTH : tile.number * WIDTH + tile.width]))
        signed = self.checkpoint()
        self._write("checkpoint", signed.encode())
        return signed

    def checkpoint(self) -> Note:
        """Sign the log as it stands."""
        return note.sign(Checkpoint(self.signer.name, self._frontier.size, self._frontier.root()).text(), self.signer)

    def hash_at(self, level: int, index: int) -> bytes:
        return self._rows[level][index]

    def _append(self, hashed: bytes) -> None:
        self._frontier.append(hashed)
        level = 0
        self._rows[0].append(hashed)
        while len(self._rows[level]) % 2 == 0:
            if len(self._rows) == level + 1:
                self._rows.append([])
            self._rows[level + 1].append(node(*self._rows[level][-2:]))
            level += 1

    def _write(self, name: str, content: bytes) -> None:
        place = self.directory / "tlog" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)


def policy_text(
    witnesses: Sequence[tuple[str, str, str | None]], quorum: str = "all", signer: Ed25519Signer = SIGNER
) -> str:
    """Write a policy for one log: each witness with name, key and URL; the quorum is `all`, `any` or a number of them, or `none`."""
    lines = [f"log {signer.verifier}"]
    lines += [f"witness {name} {key} {url or ''}" for name, key, url in witnesses]
    if quorum != "none":
        lines.append(f"group enough {quorum} {' '.join(name for name, _, _ in witnesses)}")
        quorum = "enough"
    return "\n".join([*lines, f"quorum {quorum}", ""])
