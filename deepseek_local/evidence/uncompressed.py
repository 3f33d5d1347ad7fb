"""
A compressed segment, read as what it was: exactly one gzip member (RFC 1952) from the first byte of the file to the last.

The file is only a container. The tree and the seal vouch for what is in it, the member's own length and CRC must be right, and nothing may
stand behind it, not even an empty member. What is left free are bits that no content depends on: the time and the system in the header,
whether it calls itself a text, and in the data what fills the last byte or names a symbol that does not occur.
"""

import io
import zlib
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from typing_extensions import Buffer

_GZIP_WINDOW = 16 + zlib.MAX_WBITS
_COMPRESSED_BLOCK_BYTES = 1 << 18


class Uncompressed(io.RawIOBase):
    """The content of a member. Reading raises `EOFError` when it is cut short, `zlib.error` when it is none or not alone."""

    def __init__(self, member: BinaryIO) -> None:
        """Begin at the place where `member` stands; closing closes both."""
        self._member = member
        self._inflate = zlib.decompressobj(_GZIP_WINDOW)
        self._waiting = b""

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: "Buffer") -> int:
        """Fill a buffer as far as there is content; 0 is the end."""
        target = memoryview(buffer).cast("B")
        while not self._inflate.eof:
            block = self._waiting or self._member.read(_COMPRESSED_BLOCK_BYTES)
            data = self._inflate.decompress(block, len(target))
            self._waiting = self._inflate.unconsumed_tail
            if data:
                target[: len(data)] = data
                return len(data)
            if not block and not self._inflate.eof:
                raise EOFError("it ends before its content does")
        if self._inflate.unused_data or self._member.read(1):
            raise zlib.error("something stands behind its content")
        return 0

    def close(self) -> None:
        """Close the file as well."""
        self._member.close()
        super().close()
