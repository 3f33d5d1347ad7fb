"""The shipped profiles and policies."""

import re

import pytest

from deepseek_local.errors import ProfileError
from deepseek_local.profile.front_door import Listen
from deepseek_local.profile.library import BASE, file_names, layers, names, shipped_file
from deepseek_local.profile.load import load, resolve
from deepseek_local.profile.schema import AuditMode, Executor, Vendor

every_profile = pytest.mark.parametrize("name", names())
every_layer = pytest.mark.parametrize("name", layers())


def test_the_first_library_is_complete():
    assert set(names()) >= {"cpu-demo", "a100x1", "a100x2", "a100x8", "h100x1"}
    assert BASE not in names()


@every_profile
def test_a_shipped_profile_is_right_and_described(name):
    profile = load(name)
    assert profile.description
    assert profile.audit.mode is AuditMode.STRICT


@every_profile
def test_a_gpu_profile_listens_on_a_unix_socket_and_lends_no_token(name):
    profile = load(name)
    if profile.hardware.vendor is not Vendor.CPU:
        assert profile.gateway.listen is Listen.UNIX
        assert profile.gateway.local_principal is None


@every_layer
def test_the_first_line_leads_editors_to_the_schema(name):
    path = shipped_file("profiles", f"{name}.yaml")
    first = path.read_text("utf-8").splitlines()[0]
    found = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
    assert found
    assert (path.parent / found[1]).is_file()


def test_the_demo_profile_has_the_decided_values():
    profile = load("cpu-demo")
    assert (profile.model.card, profile.model.served_name) == ("smollm2-135m-instruct", "demo")
    assert (profile.gateway.listen, profile.gateway.port) == (Listen.LOOPBACK, 8000)
    assert profile.gateway.policy == ("shipped:seed.csv", "shipped:demo.csv")
    assert profile.gateway.local_principal == "u:demo"
    assert profile.engine.kv_cache_bytes == 512 * 2**20


def test_the_eight_card_profile_is_four_by_two_over_ray():
    engine = load("a100x8").engine
    assert (engine.tensor_parallel_size, engine.pipeline_parallel_size, engine.executor) == (4, 2, Executor.RAY)


@pytest.mark.parametrize(
    ("name", "sets"),
    [
        ("a100x2", ["model.path=models/deepseek-llm-67b-chat", "engine.max_num_seqs=8"]),
        ("a100x8", ["engine.tensor_parallel_size=8", "engine.pipeline_parallel_size=1", "engine.executor=mp"]),
    ],
)
def test_the_variants_that_the_comments_name_are_right(name, sets):
    text = shipped_file("profiles", f"{name}.yaml").read_text("utf-8")
    assert all(f"--set {each}" in text for each in sets)
    load(name, sets=sets)


@every_profile
def test_values_come_from_the_file_and_from_base(name):
    files = {place.file.rpartition("/")[2] for place in resolve(name).layer.places.values()}
    assert files == {f"{name}.yaml", "base.yaml"}


def test_shipped_policies_are_csv_files():
    assert {"seed.csv", "demo.csv"} <= set(file_names("policies"))
    assert shipped_file("policies", "seed.csv").read_text("utf-8")


@pytest.mark.parametrize("name", ["sed.csv", "../profiles/base.yaml", "", "README.md"])
def test_what_is_not_shipped_is_one_sentence(name):
    with pytest.raises(
        ProfileError, match=r"is not among the shipped policies, .*choose one of demo\.csv, regulated/duties.csv, "
    ):
        shipped_file("policies", name)
