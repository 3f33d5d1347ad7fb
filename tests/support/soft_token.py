"""A token of SoftHSM in a directory of its own: a real PKCS#11 module that keeps its tokens in files."""

import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

from pkcs11 import Attribute

from deepseek_local.hsm.session import opened
from deepseek_local.hsm.uri import TokenURI, parse

MODULE = next(
    (path for path in Path("/usr").glob("lib*/**/libsofthsm2.so") if path.is_file()), Path("/usr/lib/libsofthsm2.so")
)
PIN = "493817"
SECURITY_OFFICER_PIN = "87654321"

COUNT_LOW, FINAL_TRY, LOCKED = 0x10000, 0x20000, 0x40000
"""Flags of a token, as PKCS#11 numbers them."""

_FLAGS = struct.pack(">QQ", 0x8000534B, 2)
"""What stands before the flags in the file of a token: SoftHSM's attribute for them, and the kind of a number."""


@dataclass(frozen=True)
class SoftToken:
    """One token."""

    place: Path
    """Directory of configuration, tokens and the file with the PIN."""
    label: str = "audit"

    @property
    def configuration(self) -> Path:
        """What SOFTHSM2_CONF must name."""
        return self.place / "softhsm2.conf"

    @property
    def tokens(self) -> Path:
        return self.place / "tokens"

    @property
    def pin_file(self) -> Path:
        return self.place / "audit.pin"

    def uri(self, key: str = "object=checkpoints", module: Path = MODULE) -> str:
        return f"pkcs11:token={self.label};{key}?module-path={module}&pin-source=file:{self.pin_file}"

    def parsed(self, key: str = "object=checkpoints") -> TokenURI:
        return parse(self.uri(key))

    def configure(self, *lines: str) -> None:
        own = f"directories.tokendir = {self.tokens}\nobjectstore.backend = file\nlog.level = ERROR\n"
        self.configuration.write_text(own + "".join(f"{line}\n" for line in lines))

    def make(self) -> None:
        """Make an empty token; SOFTHSM2_CONF names its configuration."""
        self.tokens.mkdir(parents=True)
        self.configure()
        self.pin_file.write_text(f"{PIN}\n")
        self.pin_file.chmod(0o600)
        self.add(self.label)

    def add(self, label: str) -> None:
        """Make one more token."""
        command = ["softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin"]
        subprocess.run([*command, SECURITY_OFFICER_PIN], check=True, capture_output=True)

    def set_flag(self, flag: int) -> None:
        """Set a flag of the token, as wrong PINs do in other modules: SoftHSM itself counts none."""
        (file,) = self.tokens.glob("*/token.object")
        content = bytearray(file.read_bytes())
        at = content.index(_FLAGS) + len(_FLAGS)
        (flags,) = struct.unpack_from(">Q", content, at)
        struct.pack_into(">Q", content, at, flags | flag)
        file.write_bytes(content)

    def delete(self, key: str = "object=checkpoints") -> None:
        """Delete all objects of a name."""
        uri = self.parsed(key)
        with opened(uri, writable=True) as session:
            for each in list(session.get_objects({Attribute.LABEL: uri.object})):
                each.destroy()
