"""
Does the engine compute? vLLM says so itself, every ten seconds while there is something to do (`vllm/v1/metrics/loggers.py`).

A question that is not answered in time means a hung engine, unless the engine has just produced tokens for others: restarting that one
would turn a rush into an outage. With several API processes vLLM writes no such lines, and only the time counts.
"""

import re

from deepseek_local.supervisor.children import Tail

_THROUGHPUT = re.compile(r"Avg generation throughput: ([\d.]+) tokens/s")


class Activity:
    """What the engine's log says about its work since the last question."""

    def __init__(self, tail: Tail) -> None:
        self._tail = tail

    def has_computed(self) -> bool:
        """Whether tokens came out since this was asked last."""
        found = (_THROUGHPUT.search(line) for line in self._tail.lines())
        return any(float(match[1]) > 0 for match in found if match)
