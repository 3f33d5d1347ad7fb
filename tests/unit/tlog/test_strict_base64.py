import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepseek_local.errors import AuditError
from deepseek_local.tlog import strict_base64


@given(st.binary(max_size=100))
def test_bytes_come_back(data):
    assert strict_base64.decode(strict_base64.encode(data)) == data


@given(st.text("AQgw+/=-_ \n", max_size=8) | st.text(max_size=4))
def test_what_is_read_has_no_other_spelling(text):
    try:
        data = strict_base64.decode(text)
    except AuditError:
        return
    assert strict_base64.encode(data) == text


@pytest.mark.parametrize(
    "text", ["QQ", "QQ=", "QR==", "QQ==\n", " QQ==", "Q Q==", "QQ==QQ==", "QQ===", "-_-_", "é", "="]
)
def test_other_spellings_are_refused(text):
    with pytest.raises(AuditError, match="is not base64 as it is written in signed notes"):
        strict_base64.decode(text)
