"""Our table of nftables between two real networks: what is open, what is dropped, and that it can be loaded again and taken away."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

INSIDE = Path(__file__).with_name("inside_network.py")


def why_not() -> str | None:
    if os.geteuid() != 0:
        return "a network of its own needs root"
    for name in ("nft", "ip", "unshare"):
        if shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin") is None:
            return f"{name} is not installed"
    tried = subprocess.run(["unshare", "--net", "nft", "list", "ruleset"], capture_output=True, check=False)
    return None if tried.returncode == 0 else "this kernel gives no network of its own with nftables"


pytestmark = [
    pytest.mark.integration,
    pytest.mark.root,
    pytest.mark.skipif(why_not() is not None, reason=str(why_not())),
]


def test_only_open_ports_and_peers_get_through(tmp_path):
    ended = subprocess.run(
        ["unshare", "--net", sys.executable, str(INSIDE), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    seen = json.loads(ended.stdout)
    assert seen["before"] == {"22": True, "29500": True}
    assert seen["closed"] == {"22": True, "29500": False}
    assert seen["loopback"] is True
    assert seen["again"] == 0
    assert seen["peer"] == {"22": True, "29500": True}
    assert seen["tables"] == 1
    assert seen["undone"] == {"22": True, "29500": True}
