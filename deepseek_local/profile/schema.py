"""
The hardware profile: what one YAML file may say.

Every section is a frozen pydantic model that refuses unknown keys and silent conversions; the text under a field is its
documentation (`docs/en/reference/profile.md` and the JSON Schema are generated from it). The largest section, `gateway`, lives in
`profile.front_door`. Rules that concern several fields live in `profile.rules`; whether the engine can do what is asked is decided in `plan`.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints

from deepseek_local.profile.front_door import Gateway
from deepseek_local.profile.retention import Regime
from deepseek_local.profile.section import Digest, Name, Section
from deepseek_local.profile.tls import TLS


class Vendor(StrEnum):
    """Who made the accelerator; it decides which options the engine knows."""

    NVIDIA = "nvidia"
    AMD = "amd"
    CPU = "cpu"


class Executor(StrEnum):
    """How the engine's workers are started."""

    MP = "mp"
    """One process per GPU on this host."""
    RAY = "ray"
    """Actors of a Ray cluster, on one or several hosts."""


class DType(StrEnum):
    """Precision of activations, and of weights that are not quantized."""

    AUTO = "auto"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"
    FLOAT32 = "float32"


class Quantization(StrEnum):
    """How weights are stored. Checkpoints that carry a `quantization_config` need `none`: the engine reads it from there."""

    NONE = "none"
    FP8 = "fp8"
    INT8 = "int8"
    GPTQ = "gptq"
    AWQ = "awq"
    BITSANDBYTES = "bitsandbytes"


class AuditMode(StrEnum):
    """What happens to a request whose audit record cannot be made durable."""

    STRICT = "strict"
    """It is refused with 503."""
    DEGRADED = "degraded"
    """It is answered; the record waits in memory, and what has no place there is counted in a `gap` record."""


class AuditCapture(StrEnum):
    """Whether texts are kept beside the audit log."""

    OFF = "off"
    """They leave digests only."""
    ON = "on"
    """Admitted prompts and their answers go into an encrypted store."""


class Hardware(Section):
    """The accelerators this profile is written for."""

    vendor: Vendor
    """Maker of the accelerator: `nvidia`, `amd`, or `cpu` for none."""
    gpu: str = Field(min_length=1, max_length=64)
    """Product name as the driver prints it, such as `NVIDIA A100-SXM4-80GB`; for `cpu` a short description."""
    count: int = Field(ge=1, le=1024)
    """Number of devices over all hosts (an MI250X counts twice); for `cpu` the number of processes that compute."""
    memory_gib: float = Field(gt=0, le=4096)
    """Memory of one device in GiB, as the driver reports it; for `cpu` the host memory meant for the model."""


class Model(Section):
    """The checkpoint to serve."""

    card: Name | None = None
    """Name in the model catalogue, such as `deepseek-llm-67b-chat`: architecture, parsers and golden answer come from there."""
    path: Path | None = None
    """Directory of the checkpoint (config.json and safetensors). Without it: `models/CARD` below the home directory."""
    served_name: Name
    """Name that clients put into `model`."""
    revision: Digest | None = None
    """Digest that the checkpoint must have; it is compared before every start when set."""


class Engine(Section):
    """What vLLM is told. Everything that changes memory or speed is explicit: no default of the engine is relied on."""

    dtype: DType = DType.AUTO
    """Precision of activations and unquantized weights."""
    quantization: Quantization = Quantization.NONE
    """Quantization method; leave `none` when the checkpoint declares its own."""
    tensor_parallel_size: int = Field(default=1, ge=1, le=256)
    """GPUs that share every layer (TP)."""
    pipeline_parallel_size: int = Field(default=1, ge=1, le=64)
    """Groups of layers, one after the other (PP)."""
    executor: Executor = Executor.MP
    """Who starts the workers: `mp` on one host, `ray` on several."""
    api_servers: int = Field(default=1, ge=1, le=64)
    """API server processes in front of one engine."""
    max_model_len: int = Field(ge=16, le=16_777_216)
    """Longest request in tokens, prompt and answer together."""
    max_num_seqs: int = Field(ge=1, le=4096)
    """Requests that are computed at the same time."""
    max_num_batched_tokens: int = Field(ge=16, le=1_048_576)
    """Tokens in one step of the engine; larger favours throughput, smaller favours the latency of running streams."""
    gpu_memory_utilization: float | None = Field(default=None, gt=0, lt=1)
    """Share of device memory that the engine may use; give this or `kv_cache_bytes`, not both."""
    kv_cache_bytes: int | None = Field(default=None, ge=1_048_576)
    """Bytes of KV cache per device, fixed; give this or `gpu_memory_utilization`, not both."""
    prefix_caching: bool = True
    """Reuse the KV cache of common prompt beginnings."""
    enforce_eager: bool = False
    """Skip compilation and CUDA graphs: slower, but starts quickly; required on CPU."""
    extra_arguments: tuple[str, ...] = ()
    """Further engine arguments as `--flag=value` or `--flag`; only those that the reference of engine arguments lists are accepted."""
    environment: dict[str, str] = Field(default_factory=dict)
    """Further environment variables for the engine; only those that the reference of the environment lists are accepted."""
    start_timeout_seconds: int = Field(default=1800, ge=10, le=86_400)
    """How long loading may take before the start counts as failed."""
    drain_timeout_seconds: int = Field(default=120, ge=0, le=3600)
    """How long running streams may go on after SIGTERM."""


class Audit(Section):
    """The audit log."""

    directory: Path = Path("audit")
    """Directory of the segments, relative to the home directory; best on a volume of its own."""
    signing_key: str | None = Field(default=None, max_length=1000)
    """Ed25519 key in an HSM that signs checkpoints, as a `pkcs11:` URI; without it, the seed in `audit.key` of the home directory."""
    mode: AuditMode = AuditMode.STRICT
    """`strict`: no durable record, no answer. `degraded`: answers go on while records wait in memory, where a crash loses them."""
    capture: AuditCapture = AuditCapture.OFF
    """`on` keeps every admitted prompt and every answer in an encrypted store; `off` keeps digests only."""
    timeout_seconds: float = Field(default=2.0, gt=0, le=30)
    """How long a request waits for its record before it is refused."""
    warn_free_percent: float = Field(default=15.0, ge=0, le=90)
    """Free share of the volume of `directory` below which a warning is logged and recorded; 0 for never."""
    stop_free_percent: float = Field(default=5.0, ge=0, le=50)
    """Free share below which requests get 503, while administration and running answers are still recorded; 0 for never."""
    retention: Regime | None = None
    """Regime whose periods are the least that is accepted: `mlps`, `pci` or `hipaa`."""
    retention_days: int | None = Field(default=None, ge=1, le=36_500)
    """Days for which records are kept. Without it, what `retention` demands; without both, `audit prune` deletes nothing."""
    online_days: int | None = Field(default=None, ge=0, le=36_500)
    """Days for which records stay in `directory`; older ones may be moved to an archive. Without it, as long as they are kept."""


class Observability(Section):
    """What is watched, and how often."""

    log_level: Annotated[str, StringConstraints(pattern=r"^(debug|info|warning|error)$")] = "info"
    """Level of our own log: `debug`, `info`, `warning` or `error`."""
    health_seconds: float = Field(default=5.0, ge=0.2, le=300)
    """Interval of health probes."""
    canary_seconds: float = Field(default=60.0, ge=1, le=86_400)
    """Interval at which the golden question is asked through the front door."""
    canary_timeout_seconds: float = Field(default=120.0, ge=1, le=3600)
    """How long the golden answer may take; two misses in a row restart the engine."""


class Profile(Section):
    """One deployment: hardware, model, engine, front door, audit, TLS and observability."""

    description: str = Field(default="", max_length=500)
    """What this profile is for, in one sentence."""
    hardware: Hardware
    """The accelerators."""
    model: Model
    """The checkpoint."""
    engine: Engine
    """What vLLM is told."""
    gateway: Gateway = Gateway()
    """The front door."""
    audit: Audit = Audit()
    """The audit log."""
    tls: TLS = TLS()
    """Names and certificates."""
    observability: Observability = Observability()
    """Logs and probes."""
