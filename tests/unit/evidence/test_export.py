"""Records that are handed over, each at least once and in order."""

import json
import logging
import re

import pytest
from stored_log import StoredLog, line
from tls_collector import TLSCollector, messages

from deepseek_local.audit.record import parse
from deepseek_local.cli.main import run
from deepseek_local.errors import AuditError
from deepseek_local.evidence import cef, syslog
from deepseek_local.evidence.collector import Collector, trust
from deepseek_local.evidence.export import BATCH_RECORDS, State, cef_line, export, json_line, over_syslog
from deepseek_local.evidence.line_file import LineFile
from deepseek_local.evidence.log import lines as log_lines


@pytest.fixture
def log(tmp_path):
    log = StoredLog(tmp_path / "audit")
    log.append(5)
    log.compress(log.rotate())
    log.append(3)
    return log


@pytest.fixture
def target(tmp_path):
    return tmp_path / "export.jsonl"


@pytest.fixture
def collector(tmp_path):
    return TLSCollector(tmp_path)


def stored(log: StoredLog) -> bytes:
    return b"".join(line for _, line in log_lines(log.directory))


def to_file(log, target, state=None, **rest) -> int:
    return export(log.directory, json_line, LineFile(target), State(state), follow=False, **rest)


def seqs(lines) -> list[int]:
    return [json.loads(each)["seq"] for each in lines]


def test_a_file_gets_the_exact_lines(log, target):
    assert to_file(log, target) == 9
    assert target.read_bytes() == stored(log)
    assert target.stat().st_mode & 0o777 == 0o600


def test_an_export_goes_on_where_it_was(log, target, tmp_path):
    state = tmp_path / "state"
    assert to_file(log, target, state) == 9
    assert to_file(log, target, state) == 0
    log.append(BATCH_RECORDS + 1)
    log.compress(log.rotate())
    log.append(2)
    assert to_file(log, target, state) == BATCH_RECORDS + 4
    assert seqs(target.read_bytes().splitlines()) == list(range(log.next_seq))


def test_an_export_without_a_state_begins_anew(log, target):
    to_file(log, target)
    to_file(log, target)
    assert seqs(target.read_bytes().splitlines()) == [*range(9), *range(9)]


def test_a_torn_line_of_the_file_is_replaced(log, target, tmp_path):
    state = tmp_path / "state"
    to_file(log, target, state)
    with target.open("ab") as stream:
        stream.write(b"x" * 100_000)
    log.append(1)
    to_file(log, target, state)
    assert target.read_bytes() == stored(log)


def test_another_log_is_not_taken_for_a_continuation(log, target, tmp_path):
    state = tmp_path / "state"
    to_file(log, target, state)
    other = StoredLog(tmp_path / "other")
    other.append(20, note="another")
    with pytest.raises(AuditError, match="record 8 is not the one that was exported"):
        to_file(other, target, state)


def test_the_last_record_is_compared_even_when_its_segment_has_ended(log, target, tmp_path):
    state = tmp_path / "state"
    to_file(log, target, state)
    old = log.rotate()
    before, _, after = old.read_bytes().rpartition(b'"pid":42')
    old.write_bytes(before + b'"pid":43' + after)
    with pytest.raises(AuditError, match="record 8 is not the one that was exported"):
        to_file(log, target, state)


def test_a_hole_is_not_passed_over(log, target, tmp_path):
    state = tmp_path / "state"
    to_file(log, target, state)
    log.next_seq += 1
    log.append(1)
    with pytest.raises(AuditError, match="record 10 comes where record 9 should"):
        to_file(log, target, state)


def test_what_is_no_record_ends_the_export(log, target):
    with log.path.open("ab") as stream:
        stream.write(b"{}\n")
    with pytest.raises(AuditError, match="not an audit record"):
        to_file(log, target)


@pytest.mark.parametrize("content", [b"", b"{}", b'{"last":1}', b'{"last":"1","leaf":""}', b"\xff"])
def test_a_state_that_is_none_is_refused(tmp_path, content):
    (tmp_path / "state").write_bytes(content)
    with pytest.raises(AuditError, match="is no state of an export"):
        State(tmp_path / "state")


class Waits:
    """Counts the waits, and mends something at one of them."""

    def __init__(self, mend_at: int, mend) -> None:
        self.seconds: list[float] = []
        self._mend_at = mend_at
        self._mend = mend

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        if len(self.seconds) == self._mend_at:
            self._mend()


def test_a_receiver_that_is_away_is_waited_for_and_that_is_said_once(log, target, caplog):
    caplog.set_level(logging.INFO)
    target.mkdir()
    waits = Waits(8, target.rmdir)
    assert to_file(log, target, wait=waits) == 9
    assert waits.seconds == [1, 2, 4, 8, 16, 32, 60, 60]
    assert [record.message for record in caplog.records] == [
        f"{target} takes no records ([Errno 21] Is a directory: '{target}'); they wait in the log until it does",
        f"{target} takes records again",
    ]


def sink(collector: TLSCollector, host: str = "127.0.0.1") -> Collector:
    return Collector(host, collector.port, trust(collector.authorities, *collector.client), 5)


def send(log, sink, state=None, **rest) -> int:
    return export(log.directory, over_syslog(json_line), sink, State(state), follow=False, **rest)


def test_a_collector_gets_counted_messages_over_tls(log, collector):
    collector.start()
    assert send(log, sink(collector)) == 9
    (stream,) = collector.ended()
    found = messages(stream)
    assert b"\n".join(each.split(b" - ", 1)[1] for each in found) + b"\n" == stored(log)
    assert found[0].startswith(b"<109>1 2026-11-24T12:00:00.000000Z gpu01 deepseek-local 42 admin - {")


def test_a_collector_that_comes_back_gets_everything_at_least_once(log, collector, tmp_path, caplog):
    log.append(400, pad="x" * 200)
    collector.start(leave_after_bytes=128)
    first = sink(collector)
    waits = Waits(2, collector.start)
    send(log, first, tmp_path / "state", wait=waits)
    whole = messages(collector.ended()[-1])
    assert seqs(each.split(b" - ", 1)[1] for each in whole) == list(range(log.next_seq))
    assert len(caplog.records) == 2


def test_a_connection_that_broke_between_two_batches_is_noticed_and_what_was_last_is_repeated(collector):
    collector.start()
    opened = sink(collector)
    opened.deliver([b"5 first"])
    collector.hang_up()
    collector.ended()
    with pytest.raises(OSError, match=r".*"):
        opened.deliver([b"6 second"])
    collector.start()
    opened.deliver([b"6 second"])
    opened.close()
    assert messages(collector.ended()[-1]) == [b"first", b"second"]


@pytest.mark.parametrize("fault", ["authority", "name", "client"])
def test_a_collector_that_cannot_prove_itself_gets_nothing(collector, fault):
    collector.start()
    context = trust(collector.authorities, *collector.client)
    if fault == "authority":
        context = trust(None, *collector.client)
    elif fault == "client":
        context = trust(collector.authorities, None, None)
    wrong = Collector("localhost" if fault == "name" else "127.0.0.1", collector.port, context, 5)
    with pytest.raises(OSError, match=r".*"):
        wrong.deliver([b"7 canary!"])
    assert b"canary" not in b"".join(collector.ended())


def test_files_that_are_no_certificates_are_named(tmp_path):
    (tmp_path / "ca.pem").write_bytes(b"nothing")
    with pytest.raises(AuditError, match=r"ca.pem cannot be used for TLS"):
        trust(tmp_path / "ca.pem", None, None)


@pytest.mark.parametrize(
    ("kind", "fields", "priority"),
    [
        ("decision", {"dec": "allow"}, 110),
        ("decision", {"dec": "deny"}, 108),
        ("auth_fail", {}, 108),
        ("admin", {}, 109),
        ("recovery", {}, 107),
    ],
)
def test_a_message_tells_how_much_attention_it_needs(kind, fields, priority):
    assert syslog.frame(parse(line(1, kind, **fields)), b"").split(b" ")[1] == b"<%d>1" % priority


def test_no_value_of_a_record_can_pass_for_a_field_of_cef():
    record = parse(
        line(7, "decision", act="a|b\\c", reason="x=y suser=root", dec="deny", sub={"id": "u:alice"}, obj="l1\nl2\\")
    )
    event = cef.encode(record).decode()
    head, extension = event.split("|6|", 1)
    assert re.fullmatch(r"CEF:0\|deepseek-local\|audit\|[^|]+\|decision\|a\\\|b\\\\c", head)
    fields = dict(re.findall(r"(\w+)=((?:\\.|[^\\=])*?)(?= \w+=|$)", extension))
    assert fields["suser"] == "u:alice"
    assert fields["reason"] == "x\\=y suser\\=root"
    assert fields["destinationServiceName"] == "l1\ufffdl2\\\\"
    assert (fields["cn1"], fields["cn1Label"], fields["rt"]) == ("7", "seq", "1795521607000")
    assert "\n" not in event


@pytest.mark.parametrize(("ip", "found"), [("10.0.0.5", "src=10.0.0.5"), ("::1", "src=::1"), ("unix", None)])
def test_cef_tells_an_address_only_where_there_is_one(ip, found):
    event = cef.encode(parse(line(7, ip=ip))).decode()
    assert (found in event) if found else (" src=" not in event)


def test_the_command_exports_to_a_file_and_to_a_collector(log, target, collector, tmp_path, capsys):
    place = ["audit", "export", "--directory", str(log.directory), "--state", str(tmp_path / "state")]
    assert run([*place, "--file", str(target), "--format", "cef"]) == 0
    assert target.read_bytes() == b"".join(cef_line(b"", parse(each)) for each in stored(log).splitlines(keepends=True))
    log.append(2)
    collector.start()
    certificate, key = map(str, collector.client)
    files = ["--ca", str(collector.authorities), "--certificate", certificate, "--key", key]
    assert run([*place, "--syslog", f"127.0.0.1:{collector.port}", *files]) == 0
    assert len(messages(collector.ended()[0])) == 2
    assert capsys.readouterr().out == "Exported 9 records.\nExported 2 records.\n"


@pytest.mark.parametrize(
    "arguments",
    [[], ["--file", "a", "--tiles", "b"], ["--syslog", "host:0"], ["--syslog", "host:65536"], ["--syslog", "::1:6514"]],
)
def test_the_command_refuses_what_is_no_place(log, arguments):
    assert run(["audit", "export", "--directory", str(log.directory), *arguments]) == 2
