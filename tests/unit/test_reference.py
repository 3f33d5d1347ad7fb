"""The reference is complete: whatever the code can say, want or do is on its page, in both languages."""

import ast
import re
from dataclasses import fields
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import click
import pytest

from deepseek_local.access import Access, Body, Principal, Risk, Verdict
from deepseek_local.audit.record import ENVELOPE_KEYS, Kind
from deepseek_local.cli import main
from deepseek_local.digest_keys import DigestKey
from deepseek_local.errors import ExitCode
from deepseek_local.gateway import body, claims, documents, guards, outcome, records, refusal, requests
from deepseek_local.keyed_hash import KeyedHash
from deepseek_local.policy.news import Event, News
from deepseek_local.profile.rules import RULES
from deepseek_local.profile.settings import settings
from deepseek_local.proxy_log.lines import REASONS

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "deepseek_local"
FINDING = re.compile(r"[a-z]+(?:-[a-z]+)*\.[a-z]+(?:-[a-z]+)*")

in_both_languages = pytest.mark.parametrize("language", ["en", "zh"])


def page(language: str, name: str) -> str:
    return (ROOT / "docs" / language / name).read_text("utf-8")


def missing(text: str, words) -> list[str]:
    return [word for word in words if f"`{word}`" not in text]


def every_command(command: click.Command, path: str):
    """Yield the words of every command that does something, with its options."""
    if not isinstance(command, click.Group):
        yield path, [option for option in command.params if isinstance(option, click.Option)]
        return
    for name in command.list_commands(click.Context(command)):
        child = command.get_command(click.Context(command), name)
        assert child is not None
        yield from every_command(child, f"{path} {name}")


COMMANDS = dict(every_command(main.group, "deepseek-local"))


@in_both_languages
def test_the_tables_of_the_reference_are_those_of_the_code(language):
    loader = SourceFileLoader("reference_tables", str(ROOT / "scripts/reference_tables"))
    script = module_from_spec(spec_from_loader("reference_tables", loader))
    loader.exec_module(script)
    outputs = {path: text for path, text in script.outputs().items() if path.is_relative_to(ROOT / "docs" / language)}
    assert outputs
    different = [path.name for path, text in outputs.items() if path.read_text("utf-8") != text]
    assert different == [], "run make golden and review the diff"


@in_both_languages
def test_every_exit_code_is_explained(language):
    text = page(language, "reference/command-line.md")
    assert [int(code) for code in ExitCode if f"| {int(code)} | " not in text] == []
    assert f"| {main.INTERRUPTED} | " in text


@in_both_languages
def test_every_command_is_listed(language):
    text = page(language, "reference/command-line.md")
    assert [path for path in COMMANDS if f"`{path}" not in text] == []


@in_both_languages
def test_every_option_is_listed_with_its_twin(language):
    text = page(language, "reference/command-line.md")
    options = [option for each in COMMANDS.values() for option in each]
    names = {name for option in options for name in option.opts if name.startswith("--")}
    assert [name for name in sorted(names) if not re.search(rf"`{name}[` ]", text)] == []
    assert missing(text, [str(option.envvar) for option in options if option.envvar]) == []


@in_both_languages
def test_every_variable_of_the_program_is_listed(language):
    text = page(language, "reference/environment.md") + page(language, "reference/command-line.md")
    sources = (path.read_text("utf-8") for path in PACKAGE.rglob("*.py"))
    named = {name for source in sources for name in re.findall(r'"(DEEPSEEK_LOCAL_[A-Z_]*[A-Z])"', source)}
    assert len(named) > 10
    assert missing(text, sorted(named)) == []


@in_both_languages
def test_every_setting_and_every_rule_of_a_profile_is_explained(language):
    text = page(language, "reference/profile.md")
    assert missing(text, [setting.key for setting in settings()]) == []
    assert missing(text, [setting.twin for setting in settings() if setting.twin]) == []
    assert missing(text, [rule.id for rule in RULES]) == []


@in_both_languages
def test_every_refusal_of_the_front_door_is_explained(language):
    text = page(language, "reference/errors.md")
    known = [each for module in (refusal, body, guards) for each in vars(module).values()]
    refusals = [each for each in known if isinstance(each, refusal.Refusal)]
    assert len(refusals) > 5
    for each in refusals:
        assert f"`{each.reason}`" in text
        if each is not refusal.DISCONNECTED:
            assert f"| {int(each.status)} | `{each.kind}` | `{each.reason}` |" in text


@in_both_languages
def test_every_kind_and_every_field_of_a_record_is_explained(language):
    text = page(language, "reference/audit-record.md")
    assert missing(text, [*Kind, *sorted(ENVELOPE_KEYS)]) == []
    request = requests.Request("id", "unix", "GET", "/", Access("/", "r", "a", Risk.GUARDED, Body.JSON))
    request.principal, request.body, request.document = Principal("u:a", "token", "kid"), b"", documents.Document()
    request.claims = dict.fromkeys(claims.CLAIMS.values(), "a")
    request.verdict = Verdict(
        allowed=False, rule="default", policy="sha256:", tenant="t", grant="g", shadow="allow p:a/b/c"
    )
    key = DigestKey("k1", KeyedHash(b""))
    decision = records.decision(request, key, refusal.FORBIDDEN)
    ended = outcome.Outcome("id", None, key)._fields(aborted=False)
    assert missing(text, [*decision, *decision["sub"], *decision["prompt"], *ended, *ended["answer"], "tokens"]) == []
    assert missing(text, [*decision["attr"], *documents.ATTRIBUTES]) == []
    assert missing(text, sorted(REASONS)) == []
    assert (
        missing(text, [*Event, *(field.name for field in fields(News) if field.name not in {"event", "digest"})]) == []
    )


@in_both_languages
def test_every_finding_is_explained(language):
    trees = [ast.parse(path.read_text("utf-8")) for path in (PACKAGE / "doctor").glob("*.py")]
    texts = {node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    findings = sorted(text for text in texts if isinstance(text, str) and FINDING.fullmatch(text))
    assert len(findings) > 10
    assert missing(page(language, "how-to/when-it-does-not-start.md"), findings) == []


@in_both_languages
def test_every_finding_about_a_host_is_explained(language):
    trees = [ast.parse(path.read_text("utf-8")) for path in (PACKAGE / "host").glob("*_checks.py")]
    texts = {node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    findings = sorted(text for text in texts if isinstance(text, str) and FINDING.fullmatch(text))
    assert len(findings) > 30
    assert missing(page(language, "how-to/prepare-a-host.md"), findings) == []
