"""The deny-list of certificates: what cannot be understood is unusable as a whole."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepseek_local.errors import IdentityError
from deepseek_local.identity import denied


def test_serials_are_read_among_comments():
    content = b"# lost\n0A:1b:2C  # laptop\n\nff\r\nabc\n"
    assert denied.parse("denied", content) == {0x0A1B2C, 0xFF, 0xABC}


@pytest.mark.parametrize(
    "line",
    ["serial=0A", "0x0A", "0A 1B", "12345 0", "xyz", "sha256:" + "0f" * 32, "sha1:00", "-1", "0A:", "00" * 21, "\xe4"],
)
def test_a_line_that_is_neither_makes_the_list_unusable(line: str):
    with pytest.raises(IdentityError, match=r"denied:2: .* is no serial number"):
        denied.parse("denied", f"0A\n{line}\n0B\n".encode("latin-1"))


def test_no_file_denies_nobody(tmp_path: Path):
    assert denied.read(tmp_path / "denied") == frozenset()


def test_a_directory_or_an_endless_list_is_unusable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(IdentityError, match="cannot be read"):
        denied.read(tmp_path)
    path = tmp_path / "denied"
    path.write_bytes(b"0A\n0B\n")
    monkeypatch.setattr(denied, "MAXIMUM_BYTES", 5)
    with pytest.raises(IdentityError, match="more than 5 bytes"):
        denied.read(path)


@given(st.integers(min_value=0, max_value=2**160 - 1), st.booleans())
@settings(derandomize=True)
def test_every_serial_can_be_denied_as_openssl_prints_it(serial: int, colons: bool):  # noqa: FBT001  hypothesis passes it
    octets = serial.to_bytes((serial.bit_length() + 7) // 8 or 1)
    text = octets.hex(":") if colons else octets.hex().upper()
    assert denied.parse("denied", text.encode()) == {serial}
