"""How long records are kept."""

import pytest

from deepseek_local.profile.retention import Regime, Retention, retention


@pytest.mark.parametrize(
    ("said", "held"),
    [
        ((None, None, None), None),
        ((None, 30, None), Retention(30, 30)),
        ((None, 30, 7), Retention(30, 7)),
        ((Regime.MLPS, None, None), Retention(183, 183)),
        ((Regime.PCI, None, 92), Retention(366, 92)),
        ((Regime.PCI, 400, 0), Retention(400, 0)),
        ((Regime.HIPAA, None, None), Retention(2192, 2192)),
    ],
)
def test_what_is_said_holds_before_what_the_regime_demands(said, held):
    assert retention(*said) == held
