"""A site with certificates, served by a real nginx."""

import pytest
from certified_site import NGINX, CertifiedSite


@pytest.fixture
def site(tmp_path) -> CertifiedSite:
    """Make the authorities and the server's first certificate."""
    if NGINX is None:
        pytest.skip("there is no nginx; requirements/system.txt names its package")
    made = CertifiedSite(tmp_path)
    made.found()
    return made
