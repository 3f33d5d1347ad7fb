"""
The name of a key in a token: a `pkcs11:` URI (RFC 7512).

    pkcs11:token=audit;object=checkpoints?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/etc/deepseek-local/audit.pin

The part before the question mark says which token and which key, the part after it how to get there. Whatever could widen the choice is
refused instead of passed over: attributes that are not matched here, a name that stands twice, bytes that the RFC wants escaped. So is
`pin-value`: a PIN in a URI would stand in profiles, in process lists and in the history of shells. No message repeats a value, because
it may be the PIN.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, quote_from_bytes, unquote_to_bytes

from deepseek_local.errors import HSMError

SCHEME = "pkcs11:"

_PIN = "pin-value"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
_PATH_VALUE = re.compile(r"(?:[A-Za-z0-9._~:\[\]@!$'()*+,=&-]|%[0-9A-Fa-f]{2})+")
_QUERY_VALUE = re.compile(r"(?:[A-Za-z0-9._~:\[\]@!$'()*+,=/?|-]|%[0-9A-Fa-f]{2})+")
_PATH_SAFE = ":[]@!$'()*+,=&"
_QUERY_SAFE = ":[]@!$'()*+,=/?|"
_DIGITS = re.compile(r"[0-9]{1,19}")
_BY_LIBRARY = frozenset({"module-name", "library-manufacturer", "library-description", "library-version"})


class ObjectType(StrEnum):
    """What kind of object is meant."""

    PUBLIC = "public"
    PRIVATE = "private"
    CERTIFICATE = "cert"
    SECRET_KEY = "secret-key"  # noqa: S105 -- the word of the RFC
    DATA = "data"


@dataclass(frozen=True, slots=True)
class TokenURI:
    """One object in one token; None stands for whatever there is."""

    module_path: Path
    """Shared library of the HSM's vendor; absolute."""
    token: str | None = None
    """Label of the token."""
    manufacturer: str | None = None
    model: str | None = None
    serial: str | None = None
    slot_id: int | None = None
    slot_description: str | None = None
    slot_manufacturer: str | None = None
    object: str | None = None
    """Label of the object."""
    id: bytes | None = None
    """CKA_ID of the object."""
    type: ObjectType | None = None
    pin_source: Path | None = None
    """File with the PIN; absolute."""

    def __str__(self) -> str:
        """Write the URI; it holds no secret."""
        path = [f"{name}={text}" for name in _PATH if (text := _escaped(name, self)) is not None]
        query = [f"module-path={_query(str(self.module_path))}"]
        if self.pin_source is not None:
            query.append(f"pin-source={_query('file:' + quote(str(self.pin_source)))}")
        return f"{SCHEME}{';'.join(path)}?{'&'.join(query)}"


def parse(text: str) -> TokenURI:
    """Read a URI. Raises `HSMError`."""
    if text[: len(SCHEME)].lower() != SCHEME:
        raise HSMError("the key in an HSM is not named by a URI; write pkcs11:token=...;object=...?module-path=/...")
    if _PIN in text.lower():  # anywhere: as a part of another value, messages would repeat it
        raise HSMError(
            f"{_PIN} is not accepted in a pkcs11: URI, where everybody could read it; "
            "change that PIN, write the new one into a file of mode 0600 and name it with pin-source=file:/..."
        )
    path, _, query = text[len(SCHEME) :].partition("?")
    values: dict[str, Any] = {}
    _read(path, ";", _PATH_VALUE, _PATH, values)
    _read(query, "&", _QUERY_VALUE, _QUERY, values)
    if "module_path" not in values:
        raise HSMError("the pkcs11: URI names no module; add ?module-path=/path/of/the/vendor's/library.so")
    return TokenURI(**values)


def _read(
    part: str,
    separator: str,
    form: re.Pattern[str],
    readers: Mapping[str, Callable[[str, str], object]],
    values: dict[str, Any],
) -> None:
    for pair in part.split(separator) if part else ():
        name, equals, value = pair.partition("=")
        if not equals or not _NAME.fullmatch(name):
            raise HSMError(
                "a part of the pkcs11: URI is not name=value; write pkcs11:token=...;object=...?module-path=/..."
            )
        if name in _BY_LIBRARY:
            raise HSMError(
                f"{name} in the pkcs11: URI is not looked up here; name the module by its path, module-path=/..."
            )
        if name not in readers:
            raise HSMError(
                f"{name} in the pkcs11: URI is not known here; before the question mark write {', '.join(_PATH)}, after it {', '.join(_QUERY)}"
            )
        field = name.replace("-", "_")
        if field in values:
            raise HSMError(f"{name} stands twice in the pkcs11: URI; leave one")
        if not form.fullmatch(value):
            raise HSMError(
                f"{name} in the pkcs11: URI is empty or has characters that need escaping; write them as %XX"
            )
        values[field] = readers[name](name, value)


def _text(name: str, value: str) -> str:
    try:
        text = unquote_to_bytes(value).decode()
    except UnicodeDecodeError as error:
        raise HSMError(f"{name} in the pkcs11: URI is not UTF-8; write its bytes as %XX") from error
    if "\0" in text:
        raise HSMError(f"{name} in the pkcs11: URI has a zero byte; leave it out")
    return text


def _bytes(_: str, value: str) -> bytes:
    return unquote_to_bytes(value)


def _number(name: str, value: str) -> int:
    text = _text(name, value)
    if not _DIGITS.fullmatch(text):
        raise HSMError(f"{name} in the pkcs11: URI is not a decimal number; write slot-id=0, for instance")
    return int(text)


def _type(name: str, value: str) -> ObjectType:
    try:
        return ObjectType(_text(name, value))
    except ValueError as error:
        raise HSMError(
            f"{name} in the pkcs11: URI is not one of {', '.join(ObjectType)}; for a signing key write type=private"
        ) from error


def _path(name: str, value: str) -> Path:
    return _absolute(name, _text(name, value))


def _source(name: str, value: str) -> Path:
    """Read a file: URI or a path; a program, which RFC 7512 allows as |program, is never started for a PIN."""
    text = _text(name, value)
    if not text.startswith("file:"):
        return _absolute(name, text)
    path = text.removeprefix("file:")
    return _absolute(name, _text(name, path.removeprefix("//") if path.startswith("///") else path))


def _absolute(name: str, text: str) -> Path:
    if not text.startswith("/") or text.startswith("//") or "\0" in text:
        raise HSMError(f"{name} in the pkcs11: URI is not the absolute path of a file; write {name}=/...")
    return Path(text)


_PATH: Mapping[str, Callable[[str, str], object]] = MappingProxyType(
    {
        "token": _text,
        "manufacturer": _text,
        "model": _text,
        "serial": _text,
        "slot-id": _number,
        "slot-description": _text,
        "slot-manufacturer": _text,
        "object": _text,
        "id": _bytes,
        "type": _type,
    }
)
_QUERY: Mapping[str, Callable[[str, str], object]] = MappingProxyType({"module-path": _path, "pin-source": _source})


def _escaped(name: str, uri: TokenURI) -> str | None:
    value = getattr(uri, name.replace("-", "_"))
    if value is None:
        return None
    return quote_from_bytes(value, safe="") if isinstance(value, bytes) else quote(str(value), safe=_PATH_SAFE)


def _query(text: str) -> str:
    return quote(text, safe=_QUERY_SAFE)
