"""The rotation and a revocation with the configuration that a deployment has, which `deploy render` writes."""

import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from certified_site import NGINX
from cryptography.x509 import ReasonFlags
from fronted_site import NAME, FrontedSite
from quick_engine import QuickEngine

from deepseek_local.pki import certificates, names
from deepseek_local.rotation import installation, renewal, revocation
from deepseek_local.rotation.nginx import Nginx
from deepseek_local.rotation.renewal import Job, Outcome

pytestmark = pytest.mark.integration

NOW = datetime.now(UTC).replace(microsecond=0)


def nothing(*_: object) -> None:
    """Record nothing; `test_on_record` does."""


def test_a_renewal_is_served_and_a_revoked_client_is_turned_away():
    if NGINX is None:
        pytest.skip("there is no nginx; requirements/system.txt names its package")
    with tempfile.TemporaryDirectory(prefix="rendered-") as place:
        site = FrontedSite(Path(place) / "site")
        nginx = Nginx(site.file, "127.0.0.1", site.port, NAME)
        job = Job(site.layout, names.server([NAME, "127.0.0.1"]), nginx, nothing, nothing)
        with site.served(), QuickEngine(site.sockets[0]).served():
            assert renewal.run(job, NOW) is Outcome.COMPLETED
            assert renewal.run(job, NOW, at_once=True) is Outcome.RENEWED
            assert nginx.serves().serial_number == installation.serial(site.layout.server.current)
            assert site.ask(site.alice).status == 200
            bob = site.client("u:bob")
            found = revocation.find(site.layout, "u:bob", "hospital.example", NOW)
            revocation.revoke(
                site.layout,
                found,
                ReasonFlags.key_compromise,
                NOW,
                denied=Path(place) / "denied-serials.txt",
                nginx=nginx,
                record=nothing,
            )
            assert certificates.read(bob.file).serial_number == found[0].serial
            assert [site.ask(each).status for each in (site.alice, bob)] == [200, 400]
