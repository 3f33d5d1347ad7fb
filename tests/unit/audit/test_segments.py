"""The file of a segment: durable when it must be, plain about its failures, closed for good at the end."""

import errno
import os
from pathlib import Path

import pytest

from deepseek_local.errors import AuditError


def test_records_are_on_disk_when_commit_returns(desk, entry, monkeypatch):
    log = desk.open()
    synced = []
    monkeypatch.setattr(os, "fdatasync", lambda _: synced.append(desk.kinds(1)))
    log.commit([entry(1), entry(2)])
    assert synced == [["start", "admin", "admin"]]


@pytest.mark.parametrize("call", ["write", "fdatasync"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT, errno.ENOLINK])
def test_a_failing_disk_names_the_file_the_error_and_the_remedy(desk, entry, monkeypatch, call, number):
    log = desk.open()

    def fail(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, call, fail)
    name = errno.errorcode[number]
    with pytest.raises(AuditError, match=rf"cannot write .*segment-000001\.jsonl: .* \({name}\); .*, then try again"):
        log.commit([entry()])


def test_a_short_write_is_completed(desk, entry, monkeypatch):
    log = desk.open()
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:7]))
    log.commit([entry(1), entry(2)])
    assert desk.kinds(1) == ["start", "admin", "admin"]


def test_a_segment_whose_mode_cannot_change_is_sealed_all_the_same(desk, monkeypatch, caplog):
    """`chmod` is refused, even to root, for a file with the append-only flag."""
    desk.close(desk.open())

    def refuse(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "chmod", refuse)
    desk.open()
    assert desk.kinds(2) == ["segment_sealed", "start"]
    assert "segment-000001.jsonl keeps its mode: Operation not permitted" in caplog.text
