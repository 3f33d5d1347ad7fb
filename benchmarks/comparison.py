"""What readings of several servers say about each other: medians over the rounds, differences and ratios within a round."""

import statistics
from collections.abc import Mapping, Sequence

from load import CASES, Case, Reading

Round = Mapping[str, Reading]
"""One reading of each server, taken right after one another."""

BARE = "bare"
GUARDED = "guarded"


def summary(readings: Mapping[str, Sequence[Round]], names: Sequence[str], engine: str) -> dict[str, float]:
    """Name the figures that targets exist for: the front door without its name, and the minimal stub without its."""
    by_case = {(case.stream, case.connections): readings[case.name] for case in CASES}
    figures: dict[str, float] = {}
    for name in names:
        suffix = "".join(f"_{word}" for word in (name, engine) if word not in {GUARDED, "stub"})
        figures |= {
            f"added_p50_ms_c1{suffix}": added_p50_ms(by_case[False, 1], name),
            f"added_p50_ms_stream_c1{suffix}": added_p50_ms(by_case[True, 1], name),
            f"throughput_ratio_plain_c64{suffix}": throughput_ratio(by_case[False, 64], name),
            f"throughput_ratio_c64{suffix}": throughput_ratio(by_case[True, 64], name),
        }
    return figures


def added_p50_ms(rounds: Sequence[Round], name: str) -> float:
    """Median over the rounds of what a server adds to the median latency."""
    return round(statistics.median(each[name].p50_ms - each[BARE].p50_ms for each in rounds), 3)


def throughput_ratio(rounds: Sequence[Round], name: str) -> float:
    """Median over the rounds of a server's throughput by that of the bare one."""
    return round(
        statistics.median(each[name].requests_per_second / each[BARE].requests_per_second for each in rounds), 3
    )


def table(readings: Mapping[str, Sequence[Round]], names: Sequence[str], engine: str) -> list[str]:
    """Set all medians below their headings."""
    title = f"engine: {engine}"
    lines = [f"{title:24}{'':14}{'p50 ms':>10}{'p99 ms':>10}{'requests/s':>12}{'added p50 ms':>14}{'throughput':>12}"]
    for case in CASES:
        lines += [line(case, name, readings[case.name]) for name in (BARE, *names)]
    return lines


def line(case: Case, name: str, rounds: Sequence[Round]) -> str:
    """Write one server under one load; the load is named once."""
    p50, p99, rate = (
        statistics.median(getattr(each[name], field) for each in rounds)
        for field in ("p50_ms", "p99_ms", "requests_per_second")
    )
    start = f"{case.name if name == BARE else '':24}{name:14}{p50:>10.2f}{p99:>10.2f}{rate:>12.0f}"
    return (
        start if name == BARE else f"{start}{added_p50_ms(rounds, name):>14.2f}{throughput_ratio(rounds, name):>12.2f}"
    )
