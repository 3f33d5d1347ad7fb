"""One `serve` from start to end: first the audit sequencer, then the engine; at the end the engine first, then the sequencer."""

import asyncio
from collections.abc import Callable

from deepseek_local.audit.client import AuditClient
from deepseek_local.errors import AuditError, LaunchError
from deepseek_local.supervisor import state
from deepseek_local.supervisor.deployment import Deployment
from deepseek_local.supervisor.engine import EngineKeeper
from deepseek_local.supervisor.heart import Heart
from deepseek_local.supervisor.journal import Journal
from deepseek_local.supervisor.notify import Notifier
from deepseek_local.supervisor.sequencer import SequencerKeeper
from deepseek_local.supervisor.stop import Stop

_RECORD_SECONDS = 5.0


async def run(deployment: Deployment, notifier: Notifier, announce: Callable[[], None]) -> None:
    """
    Run the deployment until a signal asks to stop; `announce` is called once, when it is ready.

    Raises `LaunchError` when something does not start.
    """
    deployment.drain_file.unlink(missing_ok=True)
    sequencer = SequencerKeeper(deployment)
    try:
        await sequencer.start()
        sequencer.keep()
        await _run_engine(deployment, sequencer, notifier, announce)
    finally:
        await sequencer.stop()
        deployment.state_file.unlink(missing_ok=True)
        deployment.drain_file.unlink(missing_ok=True)


async def _run_engine(
    deployment: Deployment, sequencer: SequencerKeeper, notifier: Notifier, announce: Callable[[], None]
) -> None:
    client = AuditClient(deployment.audit_socket, _RECORD_SECONDS)
    journal = Journal(client, deployment.profile)
    await _open_journal(journal)
    heart = Heart(notifier)
    beating = asyncio.create_task(heart.beat())

    def ready() -> None:
        state.write(deployment.state_file, deployment.state)
        announce()

    def kill() -> None:
        engine.kill()
        sequencer.kill()

    stop = Stop(kill)
    engine = EngineKeeper(deployment, stop, heart=heart, notifier=notifier, journal=journal, announce=ready)
    stop.listen()
    try:
        await engine.keep()
        await journal.note("serve_stop")
    finally:
        beating.cancel()
        client.close()


async def _open_journal(journal: Journal) -> None:
    """Write the first record, so that nothing starts whose traces could not be kept."""
    try:
        await journal.record("serve_start")
    except AuditError as error:
        raise LaunchError(f"the audit log takes no record, so nothing is started: {error}") from error
