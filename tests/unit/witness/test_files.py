"""Policies and certificates from files, with sentences that name the file."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from certificates import Authority
from cryptography.hazmat.primitives import serialization
from logs_to_witness import SIGNER

from deepseek_local.errors import WitnessError
from deepseek_local.tlog import policy
from deepseek_local.witness import policy_file, tls


def test_a_policy_is_read_from_its_file(tmp_path):
    (tmp_path / "policy").write_text(f"log {SIGNER.verifier}\nquorum none\n")
    assert policy_file.read(tmp_path / "policy").logs == (SIGNER.verifier,)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("quorum none\n", "names no log"),
        ("log\n", "line 1 of the policy"),
        ("#" * 1_100_000, "more than 1048576 bytes"),
        (None, "cannot be read"),
    ],
)
def test_a_policy_that_cannot_be_used_is_named(tmp_path, content, said):
    if content is not None:
        (tmp_path / "policy").write_text(content)
    with pytest.raises(WitnessError, match=said) as refused:
        policy_file.read(tmp_path / "policy")
    assert str(tmp_path / "policy") in str(refused.value)


def test_without_a_certificate_a_witness_speaks_plain_http():
    assert tls.server(None, None, None) is None


@pytest.mark.parametrize("make", [lambda path: tls.server(None, path, None), lambda path: tls.server(None, None, path)])
def test_tls_without_a_certificate_is_refused(tmp_path, make):
    with pytest.raises(WitnessError, match="without a certificate"):
        make(tmp_path / "file")


def test_a_client_key_without_its_certificate_is_refused(tmp_path):
    with pytest.raises(WitnessError, match="without its certificate"):
        tls.client(None, None, tmp_path / "key")


@pytest.mark.parametrize("content", [None, b"no certificate"])
def test_files_that_are_no_certificates_are_named(tmp_path, content):
    place = tmp_path / "cert.pem"
    if content is not None:
        place.write_bytes(content)
    for make in (
        lambda: tls.server(place, None, None),
        lambda: tls.client(place, None, None),
        lambda: tls.client(None, place, None),
    ):
        with pytest.raises(WitnessError, match=r"cert\.pem"):
            make()


def test_a_key_with_a_password_is_refused_without_a_question(tmp_path):
    issued = Authority(now=datetime.now(UTC)).issue()
    (tmp_path / "cert.pem").write_bytes(issued.pem)
    (tmp_path / "key.pem").write_bytes(
        issued.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"password"),
        )
    )
    with pytest.raises(WitnessError, match="no password"):
        tls.server(tmp_path / "cert.pem", tmp_path / "key.pem", None)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_policies_that_the_page_shows_are_policies(language):
    page = (Path(__file__).parents[3] / "docs" / language / "how-to/witness.md").read_text("utf-8")
    shown = [text for text in re.findall(r"```text\n(.*?)```", page, re.DOTALL) if "KEY" not in text]
    assert [policy.parse(text.encode()).quorum for text in shown] == ["none", "w1"]
