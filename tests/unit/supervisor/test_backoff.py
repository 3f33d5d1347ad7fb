from deepseek_local.supervisor.backoff import Backoff


def test_delays_double_up_to_the_longest() -> None:
    backoff = Backoff()
    delays = [backoff.after(lived_seconds=1) for _ in range(10)]
    assert delays[:4] == [0.2, 0.4, 0.8, 1.6]
    assert delays[-1] == 30.0


def test_a_child_that_stayed_up_starts_again_with_the_first_delay() -> None:
    backoff = Backoff()
    backoff.after(lived_seconds=1)
    backoff.after(lived_seconds=1)
    assert backoff.after(lived_seconds=61) == 0.2
    assert backoff.after(lived_seconds=1) == 0.4


def test_a_thousand_failures_do_not_overflow() -> None:
    backoff = Backoff(failures=10_000)
    assert backoff.after(lived_seconds=0) == 30.0
