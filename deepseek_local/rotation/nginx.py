"""
nginx as a certificate's keeper sees it: its configuration is tested, it is told to read it again, and it is asked which certificate it serves.

`nginx -s reload` only sends a signal, so a reload here ends when new workers have taken over (see `workers`). Whether they serve what was meant is
seen in a handshake and nowhere else: TLS 1.3 shows the server's certificate before it asks for the client's, so the look needs none of its own.
"""

import socket
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from deepseek_local.errors import PKIError
from deepseek_local.proxy.running import Program
from deepseek_local.rotation import workers

_PROGRAM = Program()
_LOOK_SECONDS = 5.0
_PAUSES_SECONDS = (0.0, 1.0, 2.0)
"""Before each of the three looks: a look may fail for reasons of its own, such as a full queue of connections."""


@dataclass(frozen=True, slots=True)
class Nginx:
    """One running nginx and the address at which it serves the certificate."""

    configuration: Path
    address: str
    port: int
    name: str | None = None
    """Host name that a client asks for; None where the server is known by addresses alone."""
    pauses_seconds: Sequence[float] = _PAUSES_SECONDS
    program: Program = _PROGRAM

    def test(self) -> None:
        """Raise `ProxyError` with nginx's words unless it would start with its configuration and the files that are in place now."""
        self.program.check(self.configuration)

    def reload(self) -> None:
        """Return when workers that have read everything again accept all new connections. Raises `ProxyError`, `PKIError`."""
        place = workers.pid_file(*self.program.describe(self.configuration))
        old = workers.accepting(place)
        self.program.reload(self.configuration)
        workers.wait_for_new(place, old)

    def serves(self) -> x509.Certificate:
        """Return the certificate that a client gets now. Raises `PKIError`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # it is compared with the file, which was checked
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        place = (self.address, self.port)
        try:
            with (
                socket.create_connection(place, _LOOK_SECONDS) as stream,
                context.wrap_socket(stream, server_hostname=self.name) as secured,
            ):
                shown = secured.getpeercert(binary_form=True)
        except OSError as error:
            raise PKIError(
                f"nginx does not serve TLS at {self.address} port {self.port} ({error}); start it, or mend --probe"
            ) from error
        return x509.load_der_x509_certificate(shown or b"")

    def insist_on(self, serial: int) -> None:
        """Return when the certificate of this serial number is served. Raises `PKIError` after three looks."""
        seen = ""
        for pause in self.pauses_seconds:
            time.sleep(pause)
            try:
                found = self.serves().serial_number
            except PKIError as error:
                seen = str(error)
                continue
            if found == serial:
                return
            seen = f"nginx still serves the certificate {found:x} and not {serial:x}"
        raise PKIError(f"{seen}; look into nginx's error log, and whether it reads the directory of the certificate")
