"""
The server's certificate from another authority: what came back is checked as strictly as our own, then goes into service the same way.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from cryptography import x509

from deepseek_local.errors import PKIError
from deepseek_local.pki import certificates, chain, keys, requests, trust
from deepseek_local.pki.build import Purpose
from deepseek_local.pki.layout import CERTIFICATE, KEY
from deepseek_local.rotation import renewal
from deepseek_local.rotation.renewal import Job


def install(job: Job, path: Sequence[x509.Certificate], roots: Sequence[x509.Certificate], now: datetime) -> Path:
    """Put a chain, leaf first, into service and return its version. Raises `PKIError`, `AuditError`; nothing has changed then."""
    with renewal.held(job.layout):
        key = requests.waiting_key(job.layout.request)
        below = [each for each in path if each not in roots]
        if not below:
            raise PKIError("the chain holds nothing but roots; put the server's certificate first")
        chain.check(below, roots, key=key, wanted=job.names, purpose=Purpose.SERVER, now=now)
        job.layout.server.discard_newer()
        renewal.install(job, {CERTIFICATE: certificates.pem(below), KEY: keys.pem(key)})
        trust.publish_server_root(job.layout, certificates.pem(roots))
        requests.done(job.layout.request)
        job.layout.server.tidy()
        current = job.layout.server.current
    if current is None:
        raise PKIError("the certificate was removed meanwhile; run it again")
    return current
