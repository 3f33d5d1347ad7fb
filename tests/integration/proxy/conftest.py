"""A site behind the rendered configuration, with a quick server in the place of the front door."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from certified_site import NGINX
from fronted_site import FrontedSite
from quick_engine import QuickEngine


@pytest.fixture(scope="module")
def short() -> Iterator[Path]:
    """A directory whose sockets have names that are short enough."""
    if NGINX is None:
        pytest.skip("there is no nginx; requirements/system.txt names its package")
    with tempfile.TemporaryDirectory(prefix="proxy-") as name:
        yield Path(name)


@pytest.fixture(scope="module")
def site(short: Path) -> Iterator[FrontedSite]:
    sets = ("tls.requests_per_second=10000", "tls.burst=10000", "gateway.limits.body_bytes=4194304")
    site = FrontedSite(short / "site", sets)
    with site.served():
        yield site


@pytest.fixture(scope="module")
def engine(site: FrontedSite) -> Iterator[QuickEngine]:
    engine = QuickEngine(site.sockets[0])
    with engine.served():
        yield engine


@pytest.fixture(autouse=True)
def _forgetful(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "engine" in request.fixturenames:
        engine: QuickEngine = request.getfixturevalue("engine")
        for event in (engine.go_on, engine.early):
            event.clear()
        engine.asked.clear()
