"""One `serve` from start to end: first the audit sequencer, then the engine; at the end the engine first, then the sequencer."""

import asyncio
import logging
from collections.abc import Callable, Mapping

from deepseek_local.audit.client import AuditClient
from deepseek_local.errors import AuditError, LaunchError
from deepseek_local.supervisor.deployment import Deployment
from deepseek_local.supervisor.engine import EngineKeeper
from deepseek_local.supervisor.foreign_sequencer import ForeignSequencer
from deepseek_local.supervisor.heart import Heart
from deepseek_local.supervisor.journal import Journal
from deepseek_local.supervisor.notify import Notifier
from deepseek_local.supervisor.sequencer import SequencerKeeper
from deepseek_local.supervisor.stop import Stop

_log = logging.getLogger(__name__)

_RECORD_SECONDS = 5.0


async def run(deployment: Deployment, notifier: Notifier, announce: Callable[[], None]) -> None:
    """
    Run the deployment until a signal asks to stop; `announce` is called once, when it is ready.

    Raises `LaunchError` when something does not start.
    """
    deployment.drain_file.unlink(missing_ok=True)
    client = AuditClient(deployment.audit_socket, _RECORD_SECONDS)
    journal = Journal(client, deployment.profile)
    sequencer = _sequencer(deployment, journal)
    stop = Stop(deployment.times.drain_seconds)
    heart = Heart(notifier)
    beating = asyncio.create_task(heart.beat())

    engine = EngineKeeper(deployment, stop, heart=heart, notifier=notifier, journal=journal, announce=announce)
    stop.listen(at_once=(engine.kill, sequencer.kill))
    try:
        await sequencer.start()
        sequencer.keep()
        await _open(journal, deployment.provenance)
        await _keep(engine, journal)
        await journal.note("serve_stop", stop.reason)
    finally:
        beating.cancel()
        client.close()
        await sequencer.stop()
        deployment.state_file.unlink(missing_ok=True)
        deployment.drain_file.unlink(missing_ok=True)
        _log.info("everything has stopped")


def _sequencer(deployment: Deployment, journal: Journal) -> SequencerKeeper | ForeignSequencer:
    if deployment.sequencer is None:
        return ForeignSequencer(deployment.audit_socket)
    return SequencerKeeper(deployment.sequencer, deployment.audit_socket, journal)


async def _open(journal: Journal, provenance: Mapping[str, str]) -> None:
    """Write the first record, so that nothing starts whose traces could not be kept."""
    try:
        await journal.record("serve_start", more=provenance)
    except AuditError as error:
        raise LaunchError(f"the audit log takes no record, so nothing is started: {error}") from error


async def _keep(engine: EngineKeeper, journal: Journal) -> None:
    """Run the engine; that it cannot be started is on record, too."""
    try:
        await engine.keep()
    except LaunchError as error:
        await journal.note("serve_stop", str(error))
        raise
