"""
The request guard: what a request may ask of the engine, whoever asks, and how much of it.

It looks at the decoded body only, after identity and before the policy, and it only refuses. A message names the field, the kind of its
value and the limit, never the value.
"""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import msgspec

from deepseek_local.access import Access, Principal
from deepseek_local.gateway import dialects, fields, media, rewrite, schemas
from deepseek_local.gateway.caps import Ceilings, RoleCeilings
from deepseek_local.gateway.documents import Document
from deepseek_local.gateway.fields import Field, Treatment
from deepseek_local.gateway.refusal import TOO_LARGE, Refusal, RefusedError
from deepseek_local.gateway.salts import salt
from deepseek_local.profile.handover import GatewaySettings

FIELD_REFUSED = Refusal(
    HTTPStatus.BAD_REQUEST, "field_refused", "invalid_request_error", "A field of the request is not accepted here."
)
OVER_LIMIT = Refusal(
    HTTPStatus.BAD_REQUEST, "over_limit", "invalid_request_error", "The request asks for more than is allowed."
)
NO_MODEL = Refusal(
    HTTPStatus.NOT_FOUND,
    "model_not_found",
    "not_found_error",
    "There is no such model; GET /v1/models lists them.",
    param="model",
)

GUARDED: Final = "inference_"
"""How resources begin whose bodies are the guard's; other bodies are orders of an operator."""
SWITCHES: Final = ("thinking", "enable_thinking")
"""What `chat_template_kwargs` may set, to true or false: DeepSeek's templates need the first, those of others the second."""

_LONGEST_NAME: Final = 64
_COUNTS: Final = ("messages", "prompts")
_NUMBERS: Final = frozenset({"n", "best_of", "logprobs", "max_tokens"})
_WITH_PARTS: Final = media.MESSAGES | media.TEXTS
_WITH_SCHEMAS: Final = schemas.WRAPPERS.keys() | {"tools", "messages"}


@dataclass(frozen=True, slots=True)
class Guard:
    """The caps of a deployment, the names of its models, and its salt key."""

    ceilings: RoleCeilings
    models: frozenset[str]
    maximum_model_tokens: int
    salt_key: bytes

    def check(self, document: Document, access: Access, roles: frozenset[str]) -> None:
        """Look at every field of a request. Raises `RefusedError` for the first that is not known, refused, or above its cap."""
        ceilings = self.ceilings.of(roles)
        if ceilings.body_bytes is not None and document.byte_count > ceilings.body_bytes:
            raise RefusedError(TOO_LARGE.because(f"at most {ceilings.body_bytes} bytes are accepted"))
        if not access.resource.startswith(GUARDED):
            return
        lengths = dialects.of(access.route).lengths
        names = document.fields.keys()
        for name in names:
            if name not in fields.FREE:
                _check_field(name, document.fields[name], ceilings, lengths)
        for counted in _COUNTS:
            _check_counted(counted, document, getattr(ceilings, counted))
        if not names.isdisjoint(_WITH_PARTS):
            _check_parts(document)
        if not names.isdisjoint(_WITH_SCHEMAS):
            _check_schemas(document, ceilings)

    def check_model(self, document: Document) -> None:
        """Raise `RefusedError` for a model that is not served; asked after the policy, so that only who may ask learns names."""
        if document.model is not None and document.model not in self.models:
            raise RefusedError(NO_MODEL)

    def answer_tokens(self, document: Document, access: Access, roles: frozenset[str]) -> int:
        """
        Return how long one answer can get at most, in tokens, as the engine will be told: what policy and quota should count on.

        It is 0 on a route that answers with numbers.
        """
        dialect, longest = dialects.of(access.route), self._longest(roles)
        if not (dialect.lengths and dialect.has_answer):
            return 0
        if document.max_tokens is not None:
            return min(document.max_tokens, longest)
        return min(longest, rewrite.default_length(document, dialect, longest))

    def prepare(
        self,
        document: Document,
        body: bytes,
        access: Access,
        *,
        principal: Principal,
        tenant: str | None,
        roles: frozenset[str],
    ) -> rewrite.Prepared:
        """Return what the engine gets in place of a body that passed `check`; tenant and roles are the verdict's."""
        dialect = dialects.of(access.route)
        capped = self._longest(roles) if self.ceilings.of(roles).max_tokens is not None else None
        return rewrite.prepare(document, body, dialect, salt(self.salt_key, tenant, principal.name), capped)

    def _longest(self, roles: frozenset[str]) -> int:
        cap = self.ceilings.of(roles).max_tokens
        return self.maximum_model_tokens if cap is None else min(cap, self.maximum_model_tokens)


def of(settings: GatewaySettings, salt_key: bytes) -> Guard:
    """Make the guard of a deployment."""
    ceilings = RoleCeilings(settings.limits, settings.role_limits)
    return Guard(ceilings, frozenset(settings.served_models), settings.max_model_len, salt_key)


def _check_field(name: str, value: object, ceilings: Ceilings, lengths: tuple[str, ...]) -> None:
    field = fields.TABLE.get(name)
    if field is None:
        raise RefusedError(_unknown(name))
    if value is None:
        return
    if name in dialects.LENGTHS and name not in lengths:
        raise RefusedError(FIELD_REFUSED.because(f"`{name}` means nothing on this route", name))
    _check_value(field, value, ceilings)


def _unknown(name: str) -> Refusal:
    # What a client calls a field is its own text: only a plain name is repeated.
    if name.isascii() and name.isidentifier() and len(name) <= _LONGEST_NAME:
        return FIELD_REFUSED.because(f"`{name}` is not known", name)
    return FIELD_REFUSED.because("it has a field that is not known")


def _check_value(field: Field, value: object, ceilings: Ceilings) -> None:
    name = field.name
    if field.cap in _NUMBERS:
        _check_number(name, value, getattr(ceilings, field.cap))
    elif field.treatment is Treatment.REFUSED and (type(value) is not type(field.unless) or value != field.unless):
        raise RefusedError(FIELD_REFUSED.because(f"`{name}`: {field.note}", name))
    elif field.treatment is Treatment.SWITCHES and not _are_switches(value):
        raise RefusedError(FIELD_REFUSED.because(f"`{name}` takes {' and '.join(SWITCHES)}, true or false", name))
    elif field.treatment is Treatment.MEDIA and not _are_carried(value):
        raise RefusedError(FIELD_REFUSED.because(f"`{name}` must be a list of `data:` URLs", name))


def _check_number(name: str, value: object, cap: int | None) -> None:
    """Bound a number, or the entries of a list; -1, which stands for all that there are, is never within a bound."""
    number = len(value) if isinstance(value, list) else value
    if not isinstance(number, int):
        raise RefusedError(FIELD_REFUSED.because(f"`{name}` must be a whole number", name))
    if number < 0:
        raise RefusedError(OVER_LIMIT.because(f"`{name}` must not be negative", name))
    _check_limit(name, number, cap, f"`{name}`")


def _check_limit(name: str, count: int, cap: int | None, what: str) -> None:
    if cap is not None and count > cap:
        raise RefusedError(OVER_LIMIT.because(f"{what}: at most {cap}", name))


def _are_switches(value: object) -> bool:
    return isinstance(value, dict) and all(key in SWITCHES and isinstance(value[key], bool) for key in value)


def _are_carried(value: object) -> bool:
    return isinstance(value, list) and all(map(media.is_carried, value))


def _check_counted(counted: str, document: Document, cap: int | None) -> None:
    count = getattr(document, counted) or 0
    if cap is not None and count > cap:
        to_blame = (name for name in document.fields if fields.TABLE[name].cap in _COUNTS)
        _check_limit(next(to_blame, counted), count, cap, f"{counted} in one request")


def _check_parts(document: Document) -> None:
    found = media.misfit(document.fields)
    if found is not None:
        name, problem = found
        raise RefusedError(FIELD_REFUSED.because(f"`{name}`: {problem}", name))


def _check_schemas(document: Document, ceilings: Ceilings) -> None:
    offered = schemas.tools(document.fields)
    if not offered and document.fields.keys().isdisjoint(schemas.WRAPPERS):
        return
    name = next((name for name in schemas.WRAPPERS if name in document.fields), "tools")
    if not all(map(schemas.is_own, offered)):
        raise RefusedError(FIELD_REFUSED.because("`tools` must be functions that the client runs", "tools"))
    # Their length first, which bounds what it costs to look into them.
    _check_limit(name, schemas.size(document.fields, offered), ceilings.schema_bytes, "bytes of schemas")
    try:
        levels = schemas.deepest(document.fields, offered)
    except (msgspec.DecodeError, RecursionError) as error:
        raise RefusedError(FIELD_REFUSED.because(f"a text in `{name}` must be JSON", name)) from error
    _check_limit("tools", len(offered), ceilings.tools, "tools in one request")
    _check_limit(name, levels, ceilings.schema_depth, "levels of a schema")
