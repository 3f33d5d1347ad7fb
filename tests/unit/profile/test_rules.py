"""Rules that concern several settings."""

import pytest

from deepseek_local.profile import rules, shape
from deepseek_local.profile.layer import Layer, Place
from deepseek_local.profile.load import load
from deepseek_local.profile.settings import settings

CPU = (
    "hardware.vendor=cpu",
    "engine.gpu_memory_utilization=",
    "engine.kv_cache_bytes=536870912",
    "engine.enforce_eager=true",
    "engine.tensor_parallel_size=1",
)

BREACHES = [
    (["model.card=null"], "model-source"),
    (["engine.gpu_memory_utilization=null"], "kv-budget"),
    (["engine.kv_cache_bytes=1073741824"], "kv-budget"),
    ([*CPU, "engine.kv_cache_bytes=", "engine.gpu_memory_utilization=0.5"], "kv-budget"),
    (["engine.gpu_memory_utilization=", "engine.kv_cache_bytes=85899345920"], "kv-memory"),
    (["hardware.count=3"], "parallel-size"),
    (["engine.pipeline_parallel_size=2"], "parallel-size"),
    (["engine.tensor_parallel_size=1", "hardware.count=1", "engine.executor=ray"], "ray-workers"),
    ([*CPU, "engine.executor=ray", "engine.tensor_parallel_size=2"], "cpu-executor"),
    ([*CPU, "engine.enforce_eager=false"], "cpu-eager"),
    ([*CPU, "engine.pipeline_parallel_size=2"], "cpu-eager"),
    (["engine.max_num_batched_tokens=63"], "batch"),
    (["gateway.socket=/tmp/front.sock"], "socket-name"),
    (["gateway.socket=../front.sock"], "socket-name"),
    (["gateway.socket=gateway.json"], "socket-name"),
    (["gateway.socket=audit.sock"], "socket-name"),
    (["gateway.tokens=tokens.key"], "token-store"),
    (["gateway.tokens=digest.json"], "token-store"),
    (["gateway.local_principal=s:canary"], "local-principal"),
    (["gateway.certificates.issuers=[ca.pem]"], "certificate-site"),
    (["gateway.certificates.issuers=[ca.pem]", "tls.site=bank", "gateway.listen=loopback"], "certificate-site"),
    (["gateway.jwt.keys=jwks.json"], "jwt-claims"),
    (["gateway.jwt.issuer=https://id.bank", "gateway.jwt.audience=deepseek"], "jwt-claims"),
    (['gateway.quotas=[{"role": "operator"}]'], "quota-limit"),
    (['gateway.quotas=[{"requests_per_minute": 1}, {"principal": "*"}]'], "quota-limit"),
    (["gateway.ledger.kind=redis"], "ledger-url"),
    (["gateway.ledger.url=rediss://quota.site:6379/0"], "ledger-url"),
    (["audit.signing_key=audit.key"], "signing-key"),
    (["audit.signing_key=pkcs11:object=a"], "signing-key"),
    (["audit.signing_key=pkcs11:object=a?module-path=/m.so&pin-value=1234"], "signing-key"),
    (["audit.stop_free_percent=15"], "watermarks"),
    (["audit.warn_free_percent=0"], "watermarks"),
    (["audit.retention=mlps", "audit.retention_days=182"], "retention-floor"),
    (["audit.retention=hipaa", "audit.retention_days=2191"], "retention-floor"),
    (["audit.retention=pci", "audit.online_days=91"], "retention-floor"),
    (["audit.retention=pci", "audit.online_days=367"], "retention-online"),
    (["audit.online_days=30"], "retention-online"),
]


@pytest.mark.parametrize(("sets", "rule"), BREACHES)
def test_a_broken_rule_is_told_alone_and_by_name(mistakes, sets, rule):
    (told,) = mistakes(sets=sets)
    assert told.endswith(f"[profile/{rule}]")


@pytest.mark.parametrize(
    "sets",
    [
        (),
        ("audit.signing_key=pkcs11:object=a?module-path=/m.so&pin-source=file:/etc/audit.pin",),
        ("audit.retention=mlps", "audit.retention_days=183", "audit.online_days=0"),
        ("audit.retention=pci", "audit.retention_days=366", "audit.online_days=92"),
        ("audit.retention=hipaa", "audit.online_days=2192"),
        ("audit.retention_days=1", "audit.online_days=1"),
        CPU,
        (*CPU, "hardware.count=4"),
        (*CPU, "engine.pipeline_parallel_size=2", "engine.enforce_eager=false"),
        ("engine.executor=ray",),
        ("model.card=", "model.path=/srv/model"),
        ("engine.max_num_batched_tokens=64",),
        ("gateway.tokens=/etc/deepseek/tokens.json",),
        ("gateway.local_principal=u:canary",),
        ("gateway.certificates.issuers=[ca.pem]", "tls.site=bank"),
        ("gateway.jwt.keys=jwks.json", "gateway.jwt.issuer=https://id.bank", "gateway.jwt.audience=deepseek"),
        ('gateway.quotas=[{"principal": "*", "concurrent_streams": 4}]',),
        ("gateway.ledger.kind=redis", "gateway.ledger.url=unix:///run/redis/redis.sock"),
    ],
)
def test_what_is_right_breaks_no_rule(mistakes, sets):
    assert mistakes(sets=sets) == []


def test_every_rule_has_a_test_a_text_and_known_keys():
    keys = {setting.key for setting in settings()}
    assert {rule.id.removeprefix("profile/") for rule in rules.RULES} == {name for _, name in BREACHES}
    for rule in rules.RULES:
        assert rule.check.__doc__
        assert keys.issuperset(rule.keys)


def test_a_rule_reads_no_settings_but_its_own(write):
    """A value that is wrong by itself silences the rules that read it; so a rule has to name all that it reads."""
    profile = load(write())
    for rule in rules.RULES:
        sections = {key.partition(".")[0] for key in rule.keys}
        seen: set[str] = set()
        assert rule.check(Recorder(profile, seen)) is None
        assert {key for key in seen if "." in key} <= set(rule.keys)
        assert {key for key in seen if "." not in key} <= sections


def test_the_specimen_holds_what_is_required_and_nothing_else():
    profile, wrong = shape.check(Layer(shape.SPECIMEN, {(): Place("specimen")}))
    required = {setting.key for setting in settings() if setting.field.is_required()}
    assert not wrong
    assert profile.model_dump(exclude_unset=True).keys() == {key for key in required if "." not in key}
    assert {f"{name}.{key}" for name, section in shape.SPECIMEN.items() for key in section} == {
        key for key in required if "." in key
    }


class Recorder:
    """Passes attributes on and notes their dotted names."""

    def __init__(self, value, seen: set[str], path: str = "") -> None:
        self._value, self._seen, self._path = value, seen, path

    def __getattr__(self, name: str):
        path = f"{self._path}.{name}".lstrip(".")
        self._seen.add(path)
        value = getattr(self._value, name)
        return Recorder(value, self._seen, path) if hasattr(value, "model_fields_set") else value
