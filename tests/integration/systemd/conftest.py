"""One container for all tests of a module, in which a deployment `demo` with the fake engine can be started."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from container import KIT, Container, booted, impediment

from tests.integration.conftest import CONFIG

HOME = "/var/lib/deepseek-local/demo"
PROFILE = """
extends: cpu-demo
model:
  path: /srv/model
gateway:
  listen: unix
observability:
  health_seconds: 0.2
  canary_seconds: 1
  canary_timeout_seconds: 1
engine:
  drain_timeout_seconds: 20
tls:
  site: hospital.example
  server_names: [llm.hospital.example]
  port: 8443
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    if (reason := impediment()) is not None:
        pytest.skip(reason)
    place: Path = tmp_path_factory.mktemp("host")
    with booted(place) as container:
        container.write("/etc/deepseek-local/demo.yaml", PROFILE)
        container.write("/srv/model/config.json", json.dumps(CONFIG))
        container.write("/srv/model/model.safetensors", (2).to_bytes(8, "little").decode() + "{}")
        container.override(
            "deepseek-local@demo.service",
            f"[Service]\nEnvironment=PYTHONPATH={KIT}/source/tests/support/fake_engine\nRestartSec=0\nWatchdogSec=3\n",
        )
        yield container
