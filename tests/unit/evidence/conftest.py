"""One sealed log for the tests of a module, and a copy for each that changes it."""

import pytest
import sealed_log


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Nobody changes it."""
    return sealed_log.make(tmp_path_factory.mktemp("home"))


@pytest.fixture
def log(whole, tmp_path):
    return whole.copy(tmp_path / "copy")
