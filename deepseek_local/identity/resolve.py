"""
Who asks: the first source that applies decides, and its answer is final.

    client certificate (over the proxy) → token (`dsk_…`) → JSON Web Token

A credential that is shown and wrong is refused, never passed over for the next one: who can drop or spoil what another sends must not be
able to choose as whom it counts. A token and a JSON Web Token cannot both be there, since only one `Authorization` header counts.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from deepseek_local.access import Principal
from deepseek_local.identity.bearer import token_of
from deepseek_local.identity.certificate import Certificates
from deepseek_local.identity.credential import CredentialError
from deepseek_local.identity.jwt import SignedTokens
from deepseek_local.identity.live import LiveTokens
from deepseek_local.identity.proxy import Origin, Proxy

Headers = Iterable[tuple[bytes, bytes]]

_PREFIX = "dsk_"


class Resolver:
    """Turns what a request shows into a principal; without certificates or JSON Web Tokens, none of that kind counts."""

    def __init__(
        self,
        proxy: Proxy,
        tokens: LiveTokens,
        certificates: Certificates | None = None,
        signed_tokens: SignedTokens | None = None,
    ) -> None:
        self._proxy = proxy
        self._tokens = tokens
        self._certificates = certificates
        self._signed_tokens = signed_tokens

    def origin(self, scope: Mapping[str, Any]) -> Origin:
        """Say where a request comes from; its address is `unix` for who came over the Unix socket without the proxy."""
        return self._proxy.origin(scope)

    def identify(self, headers: Headers, origin: Origin, now: datetime) -> Principal:
        """Return who asks. Raises `CredentialError` where nobody is proved, `IdentityError` where nobody can be known now."""
        if origin.certificates:
            if self._certificates is None:
                raise CredentialError("no certificate counts here")
            return self._certificates.identify(origin, now)
        text = token_of(headers)
        if text is None:
            raise CredentialError("there is not exactly one well-formed Authorization header")
        if text.startswith(_PREFIX) or self._signed_tokens is None:
            return self._token(text, now)
        return self._signed_tokens.identify(text, now)

    def _token(self, text: str, now: datetime) -> Principal:
        principal = self._tokens.identify(text, now)
        if principal is None:
            raise CredentialError("the token is unknown, expired or revoked")
        return principal
