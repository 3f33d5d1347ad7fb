"""Verification of a sealed log in tests: at its own time, and what it says."""

import sealed_log

from deepseek_local.evidence.report import Report
from deepseek_local.evidence.verify import verify
from deepseek_local.evidence.window import Window


def now(log) -> float:
    return sealed_log.NOON / sealed_log.SECOND + log.seconds


def check(log, asked: Window = Window(), later_seconds: float = 0) -> Report:  # noqa: B008 -- immutable
    return verify(log.directory, log.trust, asked, now(log) + later_seconds)


def messages(report: Report) -> str:
    return "\n".join(problem.message for problem in report.problems)


def change(log, number: int, old: bytes, new: bytes) -> None:
    path = log.segment(number)
    content = path.read_bytes()
    assert content.count(old) == 1
    path.chmod(0o600)
    path.write_bytes(content.replace(old, new))
