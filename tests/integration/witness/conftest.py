"""Witnesses and logs as they are in a house: processes, files and loopback."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from logs_to_witness import GrowingLog, policy_text
from witness_process import WitnessProcess

from deepseek_local.tlog.keys import Ed25519Signer

SIGNERS = tuple(Ed25519Signer(f"lab.gpu{number}/audit/2026", bytes([number] * 32)) for number in range(1, 41))
"""The keys of so many logs; every test takes another, so that witnesses can serve several tests."""


@dataclass
class House:
    """One log and some witnesses that know it."""

    log: GrowingLog
    policy: Path
    witnesses: list[WitnessProcess]

    @property
    def origin(self) -> str:
        return self.log.signer.name

    def agree(self, quorum: str = "all") -> None:
        """Write the policy anew, with the addresses that the witnesses have now."""
        listed = [(witness.name, witness.key, witness.url) for witness in self.witnesses]
        self.policy.write_text(policy_text(listed, quorum, self.log.signer))

    def seen(self) -> list[str | None]:
        """What each witness remembers of the log."""
        return [witness.seen().get(self.origin) for witness in self.witnesses]


def witnesses(directory: Path, count: int, stack: ExitStack) -> list[WitnessProcess]:
    """Start witnesses that know all logs."""
    logs = directory / "logs.policy"
    logs.write_text("".join(f"log {signer.verifier}\n" for signer in SIGNERS) + "quorum none\n")
    found = [WitnessProcess(directory / f"w{n}", f"w{n}", logs) for n in range(1, count + 1)]
    for witness in found:
        stack.callback(witness.clean_up)
        witness.begin()
    for witness in found:
        witness.listen()
    return found


@pytest.fixture(scope="session")
def signers() -> Iterator[Ed25519Signer]:
    return itertools.cycle(SIGNERS)


@pytest.fixture(scope="session")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[WitnessProcess]]:
    """Three witnesses for all tests that let them live."""
    with ExitStack() as stack:
        yield witnesses(tmp_path_factory.mktemp("witnesses"), 3, stack)


@pytest.fixture
def house(
    tmp_path: Path, lasting: list[WitnessProcess], signers: Iterator[Ed25519Signer]
) -> Callable[[int, str], House]:
    """Found a house with so many of the lasting witnesses."""

    def found(count: int, quorum: str = "all") -> House:
        made = House(GrowingLog(tmp_path / "audit", next(signers)), tmp_path / "house.policy", lasting[:count])
        made.agree(quorum)
        return made

    return found


@pytest.fixture
def mortal(tmp_path: Path, signers: Iterator[Ed25519Signer]) -> Iterator[House]:
    """A house with one witness of its own, for tests that end it."""
    with ExitStack() as stack:
        own = witnesses(tmp_path, 1, stack)
        made = House(GrowingLog(tmp_path / "audit", next(signers)), tmp_path / "house.policy", own)
        made.agree()
        yield made
