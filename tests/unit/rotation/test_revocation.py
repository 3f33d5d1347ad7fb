"""The deny-list keeps what people wrote, and a log that is down keeps no certificate in use."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.x509 import ReasonFlags

from deepseek_local.errors import AuditError, IdentityError, PKIError
from deepseek_local.identity import denied
from deepseek_local.pki import founding, keys, ledger, names
from deepseek_local.pki.build import Purpose
from deepseek_local.pki.layout import Layout
from deepseek_local.rotation import deny_list, revocation

NOW = datetime(2026, 11, 24, 7, 0, tzinfo=UTC)
SITE = "hospital.example"


def issued(layout: Layout, principal: str) -> int:
    key = keys.for_leaf().public_key()
    issuer = layout.hierarchy(Purpose.CLIENT).issuer
    return issuer.issue(key, [names.principal(principal, SITE)], purpose=Purpose.CLIENT, now=NOW).serial_number


@pytest.mark.parametrize("before", [b"", b"# lost\n0A:0B\n", b"0A0B  # no end of line"])
def test_a_serial_is_added_once_and_the_lines_of_people_stay(tmp_path: Path, before: bytes) -> None:
    place = tmp_path / "denied-serials.txt"
    if before:
        place.write_bytes(before)
        place.chmod(0o640)
    assert [deny_list.add(place, 0xC0FFEE, "u:alice", NOW) for _ in range(2)] == [True, False]
    assert place.read_bytes().startswith(before)
    assert 0xC0FFEE in denied.read(place)
    assert (0x0A0B in denied.read(place)) is bool(before)
    assert place.stat().st_mode & 0o777 == 0o640


def test_a_deny_list_that_is_unusable_is_left_to_people(tmp_path: Path) -> None:
    place = tmp_path / "denied-serials.txt"
    place.write_bytes(b"what\n")
    with pytest.raises(IdentityError, match="is no serial number"):
        deny_list.add(place, 1, "u:alice", NOW)
    assert place.read_bytes() == b"what\n"


def test_all_certificates_of_a_principal_are_found_and_a_strangers_is_not(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "pki")
    founding.found(layout, SITE, [], NOW)
    two, bob = [issued(layout, "u:alice") for _ in range(2)], issued(layout, "u:bob")
    assert [each.serial for each in revocation.find(layout, "u:alice", SITE, NOW)] == two
    colons = ":".join(f"{bob:032X}"[at : at + 2] for at in range(0, 32, 2))
    for text in (f"{bob:x}", f"{bob:X}", colons):
        assert [each.serial for each in revocation.find(layout, text, SITE, NOW)] == [bob]
    for text in ("u:carol", "c0ffee", "", "*", "\x00"):
        with pytest.raises(PKIError, match="no authority here has issued"):
            revocation.find(layout, text, SITE, NOW)


def test_a_log_that_is_down_is_told_of_after_everything_is_done(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "pki")
    founding.found(layout, SITE, [], NOW)
    serial = issued(layout, "u:alice")

    def refuse(*_: object) -> None:
        raise AuditError("no answer")

    found = revocation.find(layout, "u:alice", SITE, NOW)
    with pytest.raises(AuditError, match="revoked, but not on record"):
        revocation.revoke(
            layout, found, ReasonFlags.unspecified, NOW, denied=tmp_path / "denied", nginx=None, record=refuse
        )
    assert denied.read(tmp_path / "denied") == {serial}
    assert ledger.read(found[0].authority.directory).is_withdrawn(serial)
