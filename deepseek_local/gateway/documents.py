"""
The request body as JSON, parsed once and strictly, and the few fields that the record names.

`json.loads`, which the engine uses, takes a byte order mark, UTF-16, NaN and Infinity; msgspec takes none of them, and neither numbers
that become infinite nor lone surrogates, as long as it decodes everything (skipped fields are not validated). What passes here both
parsers read alike; of two equal keys both take the last.
"""

from typing import Annotated, Final

import msgspec

from deepseek_local.gateway.refusal import MALFORMED, RefusedError

Name = Annotated[str, msgspec.Meta(max_length=256)]
"""Of a model: as long as a record holds it whole. The engine logs the name of one that it does not have."""


class Document(msgspec.Struct, frozen=True):
    """What the record may say about a request; fields of another type are refused."""

    model: Name | None = None
    stream: bool | None = None
    n: int | None = None
    best_of: int | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    max_output_tokens: int | None = None

    def attributes(self) -> dict[str, object]:
        """Return the fields that the client gave."""
        return {name: value for name in _NAMES if (value := getattr(self, name)) is not None}


_NAMES: Final = Document.__struct_fields__
_decoder: Final = msgspec.json.Decoder()


def parse(body: bytes) -> Document:
    """Return the fields. Raises `RefusedError` for a body that is not one JSON object, or has a field of a wrong type."""
    try:
        return msgspec.convert(_decoder.decode(body), Document)
    except RecursionError as error:
        raise RefusedError(MALFORMED.because("it is nested too deeply")) from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        # These messages name places and types, never values.
        raise RefusedError(MALFORMED.because(str(error))) from error
