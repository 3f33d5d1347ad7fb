import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepseek_local.errors import AuditError
from deepseek_local.tlog import note
from deepseek_local.tlog.checkpoint import Checkpoint, parse
from deepseek_local.tlog.keys import time_of
from deepseek_local.tlog.tree import EMPTY_ROOT

EXAMPLE = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
).encode()
"""The example of tlog-cosignature."""
ROOT = base64.b64encode(bytes(range(32))).decode()

lines = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=10)
checkpoints = st.builds(
    Checkpoint,
    lines,
    st.integers(1, 2**63 - 1),
    st.binary(min_size=32, max_size=32),
    st.lists(lines, max_size=2).map(tuple),
)


def test_the_example_of_the_specification_is_read():
    signed = note.parse(EXAMPLE)
    checkpoint = parse(signed.text)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20_852_163)
    assert checkpoint.root.hex() == "0ac5186a91863e8e1d90c808014aa89bf5da8e3ee1d9f07630f0378f68f1ab62"
    assert checkpoint.text() == signed.text
    assert time_of(signed.signatures[1].signature) == 1_679_315_147


@given(checkpoints)
def test_a_checkpoint_comes_back_as_it_was(checkpoint):
    assert parse(checkpoint.text()) == checkpoint


@given(st.text("log012\n=", max_size=20) | st.text("log\n", max_size=8).map(lambda text: f"log\n1\n{ROOT}\n{text}"))
def test_what_is_read_has_no_other_spelling(text):
    try:
        checkpoint = parse(text)
    except AuditError:
        return
    assert checkpoint.text() == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "log\n",
        "log\n1\n",
        f"log\n1\n{ROOT}",
        f"\n1\n{ROOT}\n",
        f"log\n\n{ROOT}\n",
        "log\n1\n\n",
        f"log\n1\n{ROOT}\n\n",
        f"log\n1\n{ROOT}\n\nextension\n",
        f"log\n01\n{ROOT}\n",
        f"log\n+1\n{ROOT}\n",
        f"log\n-1\n{ROOT}\n",
        f"log\n 1\n{ROOT}\n",
        f"log\n1_0\n{ROOT}\n",
        f"log\n１\n{ROOT}\n",
        f"log\n0x1\n{ROOT}\n",
        f"log\n{2**63}\n{ROOT}\n",
        f"log\n{'9' * 5000}\n{ROOT}\n",
        f"log\n1\n{ROOT[:-1]}\n",
        f"log\n1\n{ROOT} \n",
        f"log\n1\n{base64.b64encode(bytes(31)).decode()}\n",
        f"log\n1\n{base64.b64encode(bytes(33)).decode()}\n",
        f"log\n1\n{bytes(32).hex()}\n",
        f"log\n0\n{ROOT}\n",
        f"log\r\n1\r\n{ROOT}\r\n",
    ],
)
def test_what_the_specification_does_not_allow_is_refused(text):
    assert parse(f"log\n1\n{ROOT}\n")
    with pytest.raises(AuditError):
        parse(text)


def test_a_log_without_records_has_one_root():
    empty = Checkpoint("log", 0, EMPTY_ROOT)
    assert empty.text() == "log\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
    assert parse(empty.text()) == empty


@pytest.mark.parametrize(
    ("origin", "size", "root", "extensions"),
    [
        ("", 1, bytes(32), ()),
        ("two\nlines", 1, bytes(32), ()),
        ("log", -1, bytes(32), ()),
        ("log", 2**63, bytes(32), ()),
        ("log", 1, bytes(31), ()),
        ("log", 1, bytes(32), ("",)),
        ("log", 1, bytes(32), ("two\nlines",)),
    ],
)
def test_what_could_not_be_read_again_is_no_checkpoint(origin, size, root, extensions):
    with pytest.raises(AuditError, match="the checkpoint of"):
        Checkpoint(origin, size, root, extensions)
