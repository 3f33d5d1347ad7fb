"""
Who asks, or why nobody is let in: the sources of identity and the bans of one API server process.

Whoever proves who they are gets in, banned address or not. Everybody else gets 401, and 429 while the address is banned: then the refusal
has no record of its own; `take_begun` tells of the ban, and `take_suppressed` how many there were when it is over.
"""

from collections import deque
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus

from deepseek_local.access import Principal
from deepseek_local.errors import IdentityError
from deepseek_local.gateway.asgi import Scope
from deepseek_local.gateway.headers import Headers
from deepseek_local.gateway.refusal import NO_IDENTITIES, UNAUTHENTICATED, Refusal, RefusedError
from deepseek_local.identity import keys
from deepseek_local.identity.bans import Ban, Bans, Suppressed
from deepseek_local.identity.certificate import Certificates
from deepseek_local.identity.credential import CredentialError
from deepseek_local.identity.jwt import SignedTokens
from deepseek_local.identity.live import LiveTokens
from deepseek_local.identity.loads import Load, Tell
from deepseek_local.identity.proxy import Origin, Proxy
from deepseek_local.identity.resolve import Resolver
from deepseek_local.identity.use import TokenUse
from deepseek_local.profile.handover import GatewaySettings

BANNED = Refusal(
    HTTPStatus.TOO_MANY_REQUESTS,
    "banned",
    "rate_limit_error",
    "Too many requests from this address did not prove who asks; only valid credentials are accepted for a while.",
    # What the openai client asks for: what is not proved now is not proved later either, and it would wait and try again.
    headers=((b"x-should-retry", b"false"),),
)

MAXIMUM_LOADS = 256
"""Readings of files that wait to be fetched; of more, the oldest are dropped, which the digests before and after show."""


class Authenticator:
    """Knows principals. Raises `IdentityError` when keys, token store or one of the configured sources cannot be used."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._loads: deque[Load] = deque(maxlen=MAXIMUM_LOADS)
        self._resolver = _resolver(settings, self._loads.append)
        self._bans = Bans(settings.bans.failures, settings.bans.seconds)

    def origin(self, scope: Scope) -> Origin:
        """Say where a request comes from: its address is what records and conditions of the policy see."""
        return self._resolver.origin(scope)

    def identify(self, headers: Headers, origin: Origin) -> Principal:
        """Return who asks. Raises `RefusedError`: `UNAUTHENTICATED`, `BANNED` or `NO_IDENTITIES`."""
        now = datetime.now(UTC)
        try:
            return self._resolver.identify(headers, origin, now)
        except IdentityError as error:
            raise RefusedError(NO_IDENTITIES) from error
        except CredentialError as error:
            left_seconds = self._bans.failed(origin.address, now)
            if left_seconds is None:
                raise RefusedError(replace(UNAUTHENTICATED.because(str(error)), detail=str(error))) from error
            raise RefusedError(replace(BANNED, retry_after_seconds=left_seconds)) from error

    def take_loads(self) -> tuple[Load, ...]:
        """Return, once, what was read of files that prove identities."""
        if not self._loads:
            return ()
        taken = tuple(self._loads)
        self._loads.clear()
        return taken

    def take_begun(self) -> list[Ban]:
        """Return, once, the bans that have begun."""
        return self._bans.take_begun()

    def take_suppressed(self, *, everything: bool = False) -> list[Suppressed]:
        """Return, once, how many refusals each ended ban has suppressed; `everything` ends all bans, as at a stop."""
        return self._bans.take_suppressed(datetime.now(UTC), everything=everything)


def _resolver(settings: GatewaySettings, tell: Tell) -> Resolver:
    proxy_key = keys.read(settings.proxy_key_file) if settings.proxy_key_file else None
    tokens = LiveTokens(
        settings.tokens_file,
        keys.read(settings.tokens_key_file),
        settings.internal_tokens,
        use=TokenUse(settings.token_use_directory),
        tell=tell,
    )
    certificates = Certificates(settings.certificates, tell=tell) if settings.certificates else None
    signed_tokens = SignedTokens(settings.jwt, tell=tell) if settings.jwt else None
    return Resolver(Proxy(proxy_key), tokens, certificates, signed_tokens)
