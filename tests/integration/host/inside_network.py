"""
Runs in a network of its own: loads the firewall into it and tries ports from a second network. Prints what it saw as JSON.

Usage: inside_network.py DIRECTORY
"""

import ipaddress
import json
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from deepseek_local.host import applying, probing, steps
from deepseek_local.host.changes import Change, Wishes
from deepseek_local.host.tree import Commands, Tree

PORTS = (22, 29500)
SERVER, CLIENT = "10.99.0.1", "10.99.0.2"
CONNECT = "import socket,sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 1).close()"


def main(directory: Path) -> dict[str, object]:
    """Try everything."""
    other = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; exec sleep 60"], stdout=subprocess.PIPE)
    assert other.stdout
    other.stdout.readline()
    inside = ["nsenter", "--net", "--target", str(other.pid)]
    try:
        lay_cable(other.pid, inside)
        listeners = [socket.create_server(("", port)) for port in PORTS]
        seen = try_out(directory, inside)
        for each in listeners:
            each.close()
        return seen
    finally:
        other.kill()
        other.wait()


def lay_cable(other: int, inside: Sequence[str]) -> None:
    """Connect both networks."""
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", "here", "type", "veth", "peer", "name", "there", "netns", str(other))
    run("ip", "address", "add", f"{SERVER}/24", "dev", "here")
    run("ip", "link", "set", "here", "up")
    run(*inside, "ip", "address", "add", f"{CLIENT}/24", "dev", "there")
    run(*inside, "ip", "link", "set", "there", "up")


def try_out(directory: Path, inside: Sequence[str]) -> dict[str, object]:
    """Load, load again, let a peer in, take everything back."""
    tree, commands = Tree(directory), Commands()
    seen: dict[str, object] = {"before": reached(inside)}
    applying.apply(firewall(tree, Wishes((22,)))[0], tree, commands, has_systemd=False)
    seen["closed"] = reached(inside)
    seen["loopback"] = reached(())["29500"]
    seen["again"] = len(firewall(tree, Wishes((22,))))
    peer = Wishes((22,), (ipaddress.ip_network(CLIENT),))
    applying.apply(firewall(tree, peer)[0], tree, commands, has_systemd=False)
    seen["peer"] = reached(inside)
    seen["tables"] = (commands.answer("nft", "list", "ruleset") or "").count("table inet")
    applying.undo(tree, commands, has_systemd=False, tell=lambda _: None)
    seen["undone"] = reached(inside)
    return seen


def firewall(tree: Tree, wishes: Wishes) -> tuple[Change, ...]:
    """Return the step, if it is still to be made."""
    facts = replace(probing.probe(probing.Senses()), has_systemd=False)
    return applying.pending([each for each in steps.steps(facts, wishes) if each.name == "firewall"], tree)


def reached(inside: Sequence[str]) -> dict[str, bool]:
    """Say which ports take a connection."""
    tries = {port: (*inside, sys.executable, "-c", CONNECT, SERVER, str(port)) for port in PORTS}
    return {
        str(port): subprocess.run(words, capture_output=True, check=False).returncode == 0
        for port, words in tries.items()
    }


def run(*words: str) -> None:
    """Run a command that must not fail."""
    subprocess.run(words, check=True, capture_output=True)


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
