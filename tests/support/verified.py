"""Verify the log of a sequencer that made its keys at its first start, as an auditor does with what `audit init` shows."""

from pathlib import Path

from deepseek_local.audit import seal
from deepseek_local.evidence.report import Report
from deepseek_local.evidence.trust import Trust
from deepseek_local.evidence.verify import verify


def report(log: Path) -> Report:
    """Check everything: signatures, MACs from the first one on, and every record."""
    keys = log.parent
    verifier = seal.read(keys).signer.verifier
    return verify(log, Trust((verifier,), seal.read_key(keys / seal.FIRST_KEY)))
