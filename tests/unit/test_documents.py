"""Documents stay true: twins match, links lead somewhere, and every command that a page shows exists."""

import re
import shlex
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import click
import pytest

from deepseek_local.cli import main

ROOT = Path(__file__).parents[2]
ENGLISH = sorted([ROOT / "README.md", *(ROOT / "docs/en").rglob("*.md"), *(ROOT / "docs/decisions").glob("*.md")])
CHINESE = sorted([ROOT / "README.zh-CN.md", *(ROOT / "docs/zh").rglob("*.md")])
PAGES = ENGLISH + CHINESE
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

FENCE = re.compile(r"^ *```.*?^ *```", re.DOTALL | re.MULTILINE)
GENERATED = re.compile(r"^<!-- .+? -->$.*?^<!-- end -->$", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]]*\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")
COMMAND = re.compile(r"^(?:[$#] |sudo (?:-u \S+ )?|[A-Z_]+=\S+ )*(?:\S*/)?((?:deepseek-local|make)(?: .*)?)$")


def page_name(path: Path) -> str:
    return str(path.relative_to(ROOT))


every_page = pytest.mark.parametrize("page", PAGES, ids=page_name)
every_english_page = pytest.mark.parametrize("page", ENGLISH, ids=page_name)


def load_script(name: str):
    loader = SourceFileLoader(name, str(ROOT / "scripts" / name))
    module = module_from_spec(spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def twins():
    return load_script("twins")


@pytest.fixture
def small_tree(tmp_path, twins):
    for name in ("README.md", "README.zh-CN.md", "docs/en/index.md", "docs/zh/index.md"):
        page = tmp_path / name
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(f"# {name}\n")
    for name in ("README.zh-CN.md", "docs/zh/index.md"):
        twins.mark_reviewed(tmp_path / name, tmp_path)
    return tmp_path


def without_code(text: str) -> str:
    return INLINE.sub("", FENCE.sub("", text))


def slugs(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands_of(text: str) -> list[str]:
    text = text.replace("\\\n", " ")
    lines = [line.strip() for block in FENCE.findall(text) for line in block.splitlines()]
    shown = [*lines, *INLINE.findall(FENCE.sub("", text))]
    return [match[1].split(" #")[0] for line in shown if (match := COMMAND.match(line))]


def check_command(words: list[str]) -> None:
    """Follow the words down the tree of commands; fail for a command or an option that does not exist."""
    command: click.Command = main.group
    for word in words:
        if word in ("|", ">", "&&"):
            break
        if word.startswith("--") and word not in ("--help", "--version"):
            assert word.split("=")[0] in {option for each in command.params for option in each.opts}
        elif isinstance(command, click.Group) and not word.startswith("-"):
            child = command.get_command(click.Context(command), word)
            assert child is not None, f"{command.name} has no command {word}"
            command = child


def test_every_page_has_a_twin_that_was_reviewed_since_its_last_change(twins):
    assert list(twins.findings(ROOT)) == []


def test_a_changed_page_makes_its_twin_stale_until_it_is_reviewed(twins, small_tree):
    (small_tree / "docs/en/index.md").write_text("# changed\n")
    assert [line.split(":")[0] for line in twins.findings(small_tree)] == ["docs/zh/index.md"]
    twins.mark_reviewed(small_tree / "docs/zh/index.md", small_tree)
    assert list(twins.findings(small_tree)) == []


def test_a_page_without_twin_and_a_twin_without_page_are_reported(twins, small_tree):
    (small_tree / "docs/en/alone.md").write_text("# alone\n")
    (small_tree / "docs/zh/left.md").write_text("# left\n")
    assert [line.split(":")[0] for line in twins.findings(small_tree)] == ["docs/en/alone.md", "docs/zh/left.md"]


def test_twins_have_the_same_shape(twins):
    def shape(page: Path) -> tuple[list[str], int]:
        text = page.read_text("utf-8")
        return re.findall(r"^(#+) ", FENCE.sub("", text), re.MULTILINE), len(FENCE.findall(text))

    different = [page_name(twin) for page, twin in twins.pairs(ROOT) if shape(page) != shape(twin)]
    assert different == []


@every_page
def test_links_within_the_project_lead_somewhere(page):
    for target, anchor in LINK.findall(without_code(page.read_text("utf-8"))):
        destination = (page.parent / target).resolve() if target else page
        assert destination.exists(), f"{target} does not exist"
        assert not anchor or anchor in slugs(destination.read_text("utf-8")), f"{target} has no heading #{anchor}"


@every_english_page
def test_english_sources_have_one_sentence_per_line(page):
    written = GENERATED.sub("", without_code(page.read_text("utf-8")))
    prose = [line for line in written.splitlines() if not line.lstrip().startswith(("|", "#"))]
    assert [line for line in prose if re.search(r"[^\d.][.?!][)\"]* +[A-Z]", line)] == []


@every_page
def test_every_command_that_is_shown_exists(page):
    for line in commands_of(page.read_text("utf-8")):
        program, *words = shlex.split(line)
        if program == "make":
            assert {word for word in words if "=" not in word and not word.startswith("-")} <= TARGETS, line
        else:
            check_command(words)


def test_commands_are_found_in_blocks_and_in_text():
    text = "see `make serve`\n```sh\n$ sudo -u deepseek deepseek-local token \\\n  list  # names\nls\n```\n"
    assert [line.split() for line in commands_of(text)] == [["deepseek-local", "token", "list"], ["make", "serve"]]
