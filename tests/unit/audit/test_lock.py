"""The lock of a log: one holder, and nobody who may only read the directory."""

import fcntl
import os
import stat

import pytest

from deepseek_local.audit import lock
from deepseek_local.audit.record import LOCK_NAME
from deepseek_local.errors import AuditError


def test_a_lock_has_one_holder(tmp_path):
    held = lock.take(tmp_path / "audit")
    with pytest.raises(AuditError, match="another audit sequencer writes to"):
        lock.take(tmp_path / "audit")
    os.close(held)
    os.close(lock.take(tmp_path / "audit"))


def test_who_may_only_read_the_directory_cannot_stop_a_start(tmp_path):
    """The auditors' group can open the directory, and so hold a lock on it."""
    reader = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(reader, fcntl.LOCK_EX)
    os.close(lock.take(tmp_path))
    os.close(reader)


def test_only_the_owner_can_open_the_file(tmp_path):
    os.close(lock.take(tmp_path))
    assert stat.S_IMODE((tmp_path / LOCK_NAME).stat().st_mode) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_what_root_makes_belongs_to_the_owner_of_the_directory(tmp_path):
    os.chown(tmp_path, 1234, 1235)
    os.close(lock.take(tmp_path))
    status = (tmp_path / LOCK_NAME).stat()
    assert (status.st_uid, status.st_gid) == (1234, 1235)


def test_a_link_in_its_place_is_not_followed(tmp_path):
    (tmp_path / LOCK_NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(AuditError, match=rf"cannot open .*{LOCK_NAME}: .*remove the link"):
        lock.take(tmp_path)
    assert not (tmp_path / "elsewhere").exists()
