"""OpenSSL's command line as the judge of what our authorities make: it shares no code with them but the arithmetic."""

import subprocess
from datetime import datetime
from pathlib import Path

from cryptography import x509

from deepseek_local.pki import certificates


def complaint(
    directory: Path,
    chain: list[x509.Certificate],
    purpose: str,
    at: datetime,
    lists: bytes | None = None,
) -> str:
    """Return why `openssl verify` refuses a chain, leaf first and root last; empty when it accepts."""
    leaf, *others, root = chain
    places = {"leaf": [leaf], "others": others, "root": [root]}
    for name, held in places.items():
        (directory / name).write_bytes(certificates.pem(held))
    command = ["openssl", "verify", "-x509_strict", "-purpose", purpose, "-attime", f"{at.timestamp():.0f}"]
    command += ["-CAfile", str(directory / "root"), "-untrusted", str(directory / "others")]
    if lists is not None:
        (directory / "lists").write_bytes(lists)
        command += ["-crl_check_all", "-CRLfile", str(directory / "lists")]
    done = subprocess.run([*command, str(directory / "leaf")], check=False, capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stderr + done.stdout
