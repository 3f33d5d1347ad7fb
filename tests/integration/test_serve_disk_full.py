"""The volume of the audit log fills up under a running deployment: requests get 503, probes do not, and room mends it."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import segment_files
from served import Served, until

pytestmark = [pytest.mark.integration, pytest.mark.root, pytest.mark.timeout(120)]

QUESTION = {"model": "demo", "messages": [{"role": "user", "content": "hello"}]}


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Path]:
    """Mount a volume as small as the preflight lets pass."""
    place = tmp_path / "volume"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=260m,mode=0750", "tmpfs", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(path: Path) -> None:
    """Take every block that is left, while others take some too."""
    with path.open("wb") as stream:
        for share in (1.0, 0.99, 0.98):
            with suppress(OSError):
                os.posix_fallocate(stream.fileno(), 0, int(shutil.disk_usage(path).free * share))
                return
        raise AssertionError("there was no room to take")


def test_a_full_audit_volume_means_503_until_there_is_room(serve: Callable[..., Served], volume: Path) -> None:
    served = serve(sets=(f"audit.directory={json.dumps(str(volume / 'audit'))}",))
    served.until_ready()
    engine, answered = served.engine, []

    def status() -> int:
        response = client.post("/v1/chat/completions", json=QUESTION)
        if response.status_code == 200:
            answered.append(response.headers["x-request-id"])
        return response.status_code

    with served.client(timeout=20) as client:
        assert status() == 200
        fill(volume / "ballast")
        until(lambda: status() == 503, "a refusal")
        refused = client.post("/v1/chat/completions", json=QUESTION)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "no_record")
        assert int(refused.headers["retry-after"]) > 0
        assert client.get("/health").status_code == 200
        until(
            lambda: b'"act":"disk_full"' in b"".join(segment_files.lines(volume / "audit")),
            "the record of a full volume",
        )
        (volume / "ballast").unlink()
        until(lambda: status() == 200, "an answer")
    assert served.engine == engine

    records = [json.loads(line) for line in segment_files.lines(volume / "audit")]
    assert [record["seq"] for record in records] == list(range(len(records)))
    for request_id in answered:
        assert [record["kind"] for record in records if record.get("req") == request_id] == ["decision", "outcome"]
