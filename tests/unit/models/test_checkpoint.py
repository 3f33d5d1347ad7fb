"""Checkpoint directories as operators really have them: whole, broken, and dangerous."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deepseek_local.errors import ModelError
from deepseek_local.models.checkpoint import inspect, revision

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "num_hidden_layers": 2,
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_attention_heads": 2,
    "vocab_size": 32,
    "max_position_embeddings": 64,
}


def safetensors(data: bytes = b"\1\2\3\4", name: str = "weight", promise: int | None = None) -> bytes:
    end = len(data) if promise is None else promise
    header = json.dumps(
        {"__metadata__": {"format": "pt"}, name: {"dtype": "U8", "shape": [end], "data_offsets": [0, end]}}
    )
    return len(header).to_bytes(8, "little") + header.encode() + data


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "model"
    path.mkdir()
    (path / "config.json").write_text(json.dumps(CONFIG))
    (path / "tokenizer.json").write_text("{}")
    (path / "model.safetensors").write_bytes(safetensors())
    return path


def test_a_whole_checkpoint_passes(directory):
    checkpoint = inspect(directory)
    assert checkpoint.path == directory
    assert checkpoint.facts.layers == 2
    assert checkpoint.revision == revision(directory)


def test_a_checkpoint_of_links_passes_as_the_hub_cache_has_them(directory, tmp_path):
    blobs = tmp_path / "blobs"
    directory.rename(blobs)
    directory.mkdir()
    for blob in blobs.iterdir():
        (directory / blob.name).symlink_to(blob)
    assert inspect(directory).revision == revision(blobs)


def test_pickles_beside_safetensors_do_not_matter(directory):
    before = revision(directory)
    (directory / "pytorch_model.bin").write_bytes(b"\x80\4.")
    assert inspect(directory).revision == before


def refusal(directory: Path) -> str:
    with pytest.raises(ModelError) as refused:
        inspect(directory)
    message = str(refused.value)
    assert str(directory) in message
    assert "\n" not in message
    return message


def test_a_missing_directory_is_refused(tmp_path):
    assert "does not exist" in refusal(tmp_path / "nowhere")


def test_a_file_is_refused(tmp_path):
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF")
    assert "not a directory" in refusal(file)


def test_a_path_that_the_system_refuses_is_refused(tmp_path):
    assert "cannot be read" in refusal(tmp_path / ("x" * 300))


def test_a_directory_without_configuration_is_refused(directory):
    (directory / "config.json").unlink()
    assert "config.json" in refusal(directory)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"a": \xff}', "[]", "null"])
def test_a_broken_configuration_is_refused(directory, text):
    (directory / "config.json").write_bytes(text.encode("latin-1"))
    assert "config.json" in refusal(directory)


def test_a_configuration_without_a_needed_key_is_refused(directory):
    (directory / "config.json").write_text(json.dumps({key: CONFIG[key] for key in CONFIG if key != "vocab_size"}))
    assert "vocab_size" in refusal(directory)


@pytest.mark.parametrize("name", ["modeling_deepseek.py", "code/inner.py"])
def test_code_is_refused_by_name_wherever_it_lies(directory, name):
    (directory / name).parent.mkdir(exist_ok=True)
    (directory / name).write_text("raise SystemExit")
    assert name in refusal(directory)


def test_a_configuration_that_names_code_of_another_repository_is_refused(directory):
    auto_map = {"AutoTokenizer": [None, "someone/else--tokenization.Tokenizer"]}
    (directory / "config.json").write_text(json.dumps(CONFIG | {"auto_map": auto_map}))
    assert "someone/else--tokenization.Tokenizer" in refusal(directory)


def test_a_configuration_may_name_code_that_was_taken_away(directory):
    (directory / "config.json").write_text(
        json.dumps(CONFIG | {"auto_map": {"AutoConfig": "configuration_deepseek.X"}})
    )
    assert inspect(directory).path == directory


@pytest.mark.parametrize("name", ["pytorch_model.bin", "consolidated.00.pth", "model.pt"])
def test_pickled_weights_alone_are_refused(directory, name):
    (directory / "model.safetensors").rename(directory / name)
    message = refusal(directory)
    assert name in message
    assert "pickle" in message


def test_a_directory_without_weights_is_refused(directory):
    (directory / "model.safetensors").unlink()
    assert "no weights" in refusal(directory)


def test_an_empty_weight_file_is_refused(directory):
    (directory / "model.safetensors").write_bytes(b"")
    assert "empty" in refusal(directory)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\1\0", id="shorter than its length field"),
        pytest.param(safetensors()[:20], id="cut inside the header"),
        pytest.param(safetensors()[:-1], id="cut inside the data"),
        pytest.param(safetensors() + b"\0", id="too long"),
        pytest.param(b"\xff" * 64, id="header of 16 exabytes"),
        pytest.param(b"\2\0\0\0\0\0\0\0[]", id="a list as header"),
        pytest.param(b"\2\0\0\0\0\0\0\0{\xff", id="no JSON as header"),
        pytest.param(safetensors(promise=100), id="promises more than it has"),
        pytest.param(safetensors().replace(b"[0, 4]", b"[0, ''"), id="broken offsets"),
        pytest.param(safetensors().replace(b"[0, 4]", b'[0,""]'), id="text as offset"),
    ],
)
def test_a_broken_weight_file_is_refused(directory, content):
    (directory / "model.safetensors").write_bytes(content)
    assert "model.safetensors" in refusal(directory)


def test_a_missing_shard_is_named(directory):
    index = {"weight_map": {"a": "model-00001.safetensors", "b": "model-00002.safetensors"}}
    (directory / "model.safetensors.index.json").write_text(json.dumps(index))
    (directory / "model.safetensors").rename(directory / "model-00001.safetensors")
    assert "model-00002.safetensors" in refusal(directory)


@pytest.mark.parametrize("text", ["{}", "[]", '{"weight_map": []}', '{"weight_map": {"a": []}}'])
def test_a_broken_index_is_refused(directory, text):
    (directory / "model.safetensors.index.json").write_text(text)
    assert "index.json" in refusal(directory)


def test_a_link_that_leads_nowhere_is_refused(directory):
    (directory / "tokenizer.model").symlink_to("../blobs/gone")
    message = refusal(directory)
    assert "tokenizer.model" in message
    assert "../blobs/gone" in message


@pytest.fixture
def nobody() -> Iterator[Path]:
    """Give a directory that anybody may enter, and, where the tests run as root, make them run as nobody."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o755)
    user = os.geteuid()
    if user == 0:
        os.chown(path, 65534, 65534)
        os.seteuid(65534)
    yield path
    if user == 0:
        os.seteuid(0)
    path.chmod(0o755)
    shutil.rmtree(path)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_file_without_permission_is_refused(nobody, name):
    (nobody / "config.json").write_text(json.dumps(CONFIG))
    (nobody / "tokenizer.json").write_text("{}")
    (nobody / "model.safetensors").write_bytes(safetensors())
    (nobody / name).chmod(0)
    message = refusal(nobody)
    assert name in message
    assert "permission" in message


def test_a_directory_without_permission_is_refused(nobody):
    nobody.chmod(0)
    assert "permission" in refusal(nobody)


def test_the_revision_does_not_depend_on_where_the_checkpoint_lies(directory, tmp_path):
    before = revision(directory)
    assert revision(directory.rename(tmp_path / "elsewhere")) == before


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tokenizer.json", b"{ }"),
        ("chat_template.jinja", b"{{ x }}"),
        ("model.safetensors", safetensors(name="Weight")),
        ("model.safetensors", safetensors(data=b"\1\2\3\4\5")),
    ],
)
def test_the_revision_changes_with_every_small_file_and_header(directory, name, content):
    before = revision(directory)
    (directory / name).write_bytes(content)
    assert revision(directory) != before


def test_hidden_and_foreign_files_do_not_change_the_revision(directory):
    before = revision(directory)
    (directory / ".revision").write_text("x")
    (directory / "README.md").write_text("x")
    assert revision(directory) == before


def test_the_revision_does_not_prove_weight_bytes(directory):
    before = revision(directory)
    (directory / "model.safetensors").write_bytes(safetensors(data=b"\4\3\2\1"))
    assert revision(directory) == before
