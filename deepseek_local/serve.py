"""
The whole story of `serve`: a profile becomes a plan, the plan a command line, the host is checked, and the supervisor runs it.

`prepare` decides and changes nothing; its result can be shown (`--dry-run`) on a desk without GPU, engine or model. `run` acts.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deepseek_local import __version__, digest_keys, parent
from deepseek_local import plan as plans
from deepseek_local.access import CANARY
from deepseek_local.audit.admin import who
from deepseek_local.capture import site_key
from deepseek_local.doctor import preflight
from deepseek_local.engine import args, compat, environment, installed
from deepseek_local.errors import LaunchError, ModelError
from deepseek_local.files import make_directory, write_atomic
from deepseek_local.finding import Finding
from deepseek_local.identity import keys, tokens
from deepseek_local.models import card, checkpoint
from deepseek_local.models.facts import ModelFacts
from deepseek_local.plan import Plan
from deepseek_local.proc import Command
from deepseek_local.profile import handover, load
from deepseek_local.profile.front_door import Listen
from deepseek_local.profile.places import Places
from deepseek_local.profile.schema import AuditCapture
from deepseek_local.supervisor import canary
from deepseek_local.supervisor.address import Address
from deepseek_local.supervisor.deployment import Deployment, Times
from deepseek_local.supervisor.notify import Notifier
from deepseek_local.supervisor.ownership import owned
from deepseek_local.supervisor.run import run as supervise
from deepseek_local.supervisor.state import State
from deepseek_local.supervisor.watchdog import Rhythm

_UMASK = 0o027
_SEQUENCER_NEEDS = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONPATH")
_HSM_NEEDS = (
    "SOFTHSM2_CONF",  # SoftHSM
    "ChrystokiConfigurationPath",  # Thales Luna
    "CS_PKCS11_R3_CFG",  # Utimaco
    "NFAST_HOME",  # Entrust nShield
    "YUBIHSM_PKCS11_CONF",
    "TPM2_PKCS11_STORE",
)
"""Where modules find their settings."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What would be started, and what speaks against it."""

    profile: str
    """Name or file, as it was given."""
    plan: Plan
    engine: Command
    findings: tuple[Finding, ...]

    @property
    def shown_environment(self) -> dict[str, str]:
        """Return the engine's environment with secrets masked."""
        return environment.masked(self.engine.environment)


def prepare(
    profile: str, home: Path, *, model: Path | None, sets: Sequence[str], host_environment: Mapping[str, str]
) -> Prepared:
    """
    Decide what to start; a model or an engine that is missing becomes a finding.

    Raises `ProfileError` and `PlanError` with everything that is wrong.
    """
    chosen = (*sets, f"model.path={json.dumps(str(model.absolute()))}") if model is not None else tuple(sets)
    loaded = load.load(profile, sets=chosen, environment=host_environment)
    places = Places.of(home, host_environment)
    version = installed.installed_version() or compat.REFERENCE
    known = card.find(loaded.model.card) if loaded.model.card else None
    plan = plans.make(loaded, places, _facts(places.model(loaded)), known, version)
    launch = args.build(plan, host_environment)
    engine = Command((sys.executable, *launch.argv), launch.environment, places.engine_log)
    return Prepared(profile, plan, engine, preflight.examine(plan))


def run(prepared: Prepared, host_environment: Mapping[str, str], announce: Callable[[State], None]) -> None:
    """
    Start everything and keep it running until a signal asks to stop; `announce` is called once, when it is ready.

    Raises `PreflightError` when the host is not ready, before anything is changed, and `LaunchError` when something does not start.
    """
    preflight.require(prepared.findings)
    os.umask(_UMASK)
    places = prepared.plan.places
    with _writing():
        _make_directories(places, prepared.plan)
    with owned(places.runtime):
        try:
            with _writing():
                deployment = _deploy(prepared, host_environment)
            asyncio.run(supervise(deployment, Notifier.of(host_environment), lambda: announce(deployment.state)))
        finally:
            places.local_token.unlink(missing_ok=True)
            places.gateway.unlink(missing_ok=True)


@contextlib.contextmanager
def _writing() -> Iterator[None]:
    """Say which file could not be written. Raises `LaunchError`."""
    try:
        yield
    except OSError as error:
        raise LaunchError(
            f"{error.filename} cannot be written ({error.strerror}); check its owner and the free space"
        ) from error


def _facts(path: Path) -> ModelFacts | None:
    """Read the architecture; what is wrong with a checkpoint is the preflight's to tell."""
    try:
        return checkpoint.inspect(path).facts
    except ModelError:
        return None


def _deploy(prepared: Prepared, host_environment: Mapping[str, str]) -> Deployment:
    """Write what the processes will read. Raises `OSError`."""
    plan, places, profile = prepared.plan, prepared.plan.places, prepared.plan.profile
    canary_token, local_file = _write_secrets(plan)
    socket = places.front_socket(profile) if profile.gateway.listen is Listen.UNIX else None
    address = Address.parse(f"unix:{socket}" if socket else f"http://127.0.0.1:{profile.gateway.port}")
    watched = profile.observability
    return Deployment(
        profile=prepared.profile,
        provenance=_provenance(plan),
        checkpoint=places.model(profile),
        engine=_tied(prepared.engine),
        sequencer=_own_sequencer(plan, host_environment),
        audit_socket=places.audit_socket,
        address=address,
        front_socket=socket,
        socket_group=profile.gateway.socket_group,
        drain_file=places.drain,
        state_file=places.state,
        state=State(address.url, profile.model.served_name, str(local_file) if local_file else None, os.getpid()),
        canary=canary.Canary(profile.model.served_name, canary_token, plan.card.golden if plan.card else None),
        rhythm=Rhythm(watched.health_seconds, watched.canary_seconds),
        times=Times(
            start_seconds=profile.engine.start_timeout_seconds,
            drain_seconds=profile.engine.drain_timeout_seconds,
            canary_seconds=watched.canary_timeout_seconds,
        ),
    )


def _provenance(plan: Plan) -> dict[str, str]:
    """
    Say what is started and by whom, so that a change between two starts shows in the log. Raises `ModelError`.

    The profile's digest is that of all its settings after every override, as sorted JSON.
    """
    settings = json.dumps(plan.profile.model_dump(mode="json"), sort_keys=True).encode()
    return {
        "profile_digest": f"sha256:{hashlib.sha256(settings).hexdigest()}",
        "model": plan.profile.model.served_name,
        "revision": checkpoint.inspect(plan.places.model(plan.profile)).revision,
        "engine": plan.engine_version,
        "version": __version__,
        "by": who(),
    }


def _make_directories(places: Places, plan: Plan) -> None:
    for directory in (places.home, places.engine_log.parent, places.tokens(plan.profile).parent):
        if not directory.exists():  # the mode of one that exists is its owner's business
            make_directory(directory)
    make_directory(places.runtime)
    make_directory(places.cache, 0o700)


def _write_secrets(plan: Plan) -> tuple[str, Path | None]:
    """Mint this start's tokens and write the front door's settings; return the canary's token and the local one's file."""
    places, gateway = plan.places, plan.profile.gateway
    key = keys.ensure(places.tokens_key(plan.profile))
    digest_keys.ensure(places.digest_keys)
    _, canary_token = tokens.mint()
    internal = {CANARY: tokens.keyed_hash(key, canary_token)}
    local_file = None
    if gateway.local_principal is not None:
        _, local_token = tokens.mint()
        internal[gateway.local_principal] = tokens.keyed_hash(key, local_token)
        local_file = places.local_token
        write_atomic(local_file, f"{local_token}\n".encode())
    keys.ensure(places.salt_key)
    if plan.profile.audit.capture is AuditCapture.ON:
        site_key.ensure(places.capture_key, places.captures)
        make_directory(places.captures, 0o700)
    if gateway.listen is Listen.UNIX:
        keys.ensure(places.proxy_key)
    settings = handover.settings(plan.profile, places, internal, _node(plan) or socket.gethostname())
    write_atomic(places.gateway, settings.model_dump_json(indent=2).encode())
    return canary_token, local_file


def _node(plan: Plan) -> str | None:
    """Return the name of this host within its site; None where there is no site."""
    site = plan.profile.tls.site
    return None if site is None else f"{site}.{socket.gethostname()}"


def _tied(child: Command) -> Command:
    """Tie a child to this process, so that it ends with it."""
    return Command(child.argv, {**child.environment, parent.VARIABLE: str(os.getpid())}, child.output)


def _own_sequencer(plan: Plan, host_environment: Mapping[str, str]) -> Command | None:
    """Return the command of the sequencer unless one runs already, which has settings of its own. Raises `LaunchError`."""
    if plan.places.foreign_audit_socket is None:
        return _tied(_sequencer(plan, host_environment))
    if plan.profile.audit.signing_key is not None:
        raise LaunchError(
            f"audit.signing_key is for a sequencer that `serve` starts, but one is to run already at {plan.places.audit_socket}; "
            "take it out of the profile and give it to that sequencer with DEEPSEEK_LOCAL_AUDIT_SIGNING_KEY"
        )
    return None


def _sequencer(plan: Plan, host_environment: Mapping[str, str]) -> Command:
    places = plan.places
    directories = ("--directory", str(places.audit(plan.profile)), "--keys", str(places.home))
    name = _node(plan)
    node = () if name is None else ("--node", name)
    audit = plan.profile.audit
    key = () if audit.signing_key is None else ("--signing-key", audit.signing_key)
    needs = _SEQUENCER_NEEDS if audit.signing_key is None else (*_SEQUENCER_NEEDS, *_HSM_NEEDS)
    room = (f"--warn-free-percent={audit.warn_free_percent:g}", f"--stop-free-percent={audit.stop_free_percent:g}")
    argv = (
        sys.executable,
        "-m",
        "deepseek_local",
        "audit",
        "serve",
        *directories,
        "--socket",
        str(places.audit_socket),
        *node,
        *key,
        *room,
    )
    inherited = {name: host_environment[name] for name in needs if name in host_environment}
    return Command(
        argv, {"LANG": "C.UTF-8", **inherited, "PYTHONUNBUFFERED": "1", "PYTHONSAFEPATH": "1"}, places.sequencer_log
    )
