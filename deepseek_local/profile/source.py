"""
From YAML text to a layer in which every key remembers its line and column.

Only what a profile needs is accepted: one document, mappings with text keys, lists, and scalars of which `null`, `true`, `false` and
decimal numbers are resolved (YAML 1.2.2, §10.3, without octal, hexadecimal, `.inf` and `.nan`). All else stays text, so that `no`, `12:30`
and dates reach the strict schema as they were written. Anchors, aliases, merge keys and tags are refused: `extends` is the way to inherit,
and what cannot refer to itself cannot explode. The data is built from PyYAML's events, so depth and number are bounded while parsing.
"""

import math
import re
from collections.abc import Iterator, Mapping
from typing import NoReturn

import yaml
from yaml.reader import ReaderError

from deepseek_local.errors import Problem, ProfileError
from deepseek_local.profile.layer import Layer, Path, Place, Value
from deepseek_local.profile.wording import show

DEPTH_LIMIT = 8
VALUE_LIMIT = 1000

_WORDS: Mapping[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")

_Node = yaml.ScalarEvent | yaml.CollectionStartEvent


def parse(text: str, file: str) -> Layer:
    """Parse a profile file. Raises `ProfileError` if it cannot be understood at all; lesser mistakes are in `problems`."""
    builder = _Builder(text, file)
    data = builder.document()
    if not isinstance(data, dict):
        what = "is empty" if data is None else f"must consist of sections ({show(data)} seen)"
        raise ProfileError([Problem(f"{what}, begin with a section such as hardware: or with extends: base", file)])
    return Layer(data, {(): Place(file), **builder.places}, tuple(builder.problems))


def parse_value(text: str, place: Place, path: Path) -> Layer:
    """
    Parse one setting that is given outside of files.

    A list, a mapping and a quoted text are read as YAML, anything else as one scalar. Raises `ProfileError` as `parse` does.
    """
    text = text.strip()
    if not text.startswith(("[", "{", '"', "'")):
        return _single(resolve(text), place, path)
    try:
        builder = _Builder(text, place.file, path)
        value = builder.document()
    except ProfileError as error:
        raise ProfileError([place.problem(path, problem.message) for problem in error.problems]) from error
    layer = _single(value, place, path)
    problems = tuple(place.problem(path, problem.message) for problem in builder.problems)
    return Layer(layer.data, {**layer.places, **dict.fromkeys(builder.places, place)}, problems)


def resolve(text: str) -> Value:
    """Return what an unquoted scalar stands for."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    return text


def unprintable(text: str) -> str:
    """Say which control character, hidden mark of direction or lone surrogate a text holds, if any: no setting needs one."""
    found = _UNPRINTABLE.search(text)
    return f"holds the character U+{ord(found[0]):04X} ({show(text)} seen), remove it" if found else ""


def _single(value: Value, place: Place, path: Path) -> Layer:
    """Make a layer of one value, wrapped into the mappings that its path names."""
    data: dict[str, Value] = {str(path[-1]): value}
    for part in reversed(path[:-1]):
        data = {str(part): data}
    return Layer(data, {path[:length]: place for length in range(1, len(path) + 1)})


class _Builder:
    """Builds data from the events of one text."""

    def __init__(self, text: str, file: str, prefix: Path = ()) -> None:
        self.places: dict[Path, Place] = {}
        self.problems: list[Problem] = []
        self._text = text
        self._file = file
        self._prefix = prefix
        self._count = 0
        self._events: Iterator[yaml.Event] = yaml.parse(text, Loader=yaml.SafeLoader)

    def document(self) -> Value:
        """Return the only document of the text; `None` if there is none."""
        self._next()
        if isinstance(self._next(), yaml.StreamEndEvent):
            return None
        data = self._value(self._next(), self._prefix)
        self._next()
        event = self._next()
        if not isinstance(event, yaml.StreamEndEvent):
            self._stop(event, (), "a second document begins here, keep one profile in a file and remove the '---'")
        return data

    def _value(self, event: yaml.Event, path: Path) -> Value:
        """Build the value that begins with an event."""
        self._count += 1
        if self._count > VALUE_LIMIT:
            self._stop(event, (), f"there are more than {VALUE_LIMIT} values, a profile has about fifty")
        if len(path) > DEPTH_LIMIT:
            self._stop(event, (), f"values are nested more than {DEPTH_LIMIT} deep, a profile has three levels")
        if not isinstance(event, _Node) or event.anchor is not None:
            self._stop(
                event, path, "anchors and aliases (& and *) are not used here, write the value out or use extends:"
            )
        if event.tag is not None:
            self._note(event, path, f"tags are not used here ({show(event.tag)} seen), remove it")
        if isinstance(event, yaml.ScalarEvent):
            text = self._printable(event, path)
            return resolve(text) if event.implicit[0] else text
        return self._mapping(path) if isinstance(event, yaml.MappingStartEvent) else self._sequence(path)

    def _mapping(self, path: Path) -> dict[str, Value]:
        """Build a mapping; the first of two equal keys is kept."""
        mapping: dict[str, Value] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            key = self._key(event, path)
            at = (*path, key)
            if key == "<<":
                self._note(event, path, "merge keys (<<) are not used here, write the values out or use extends:")
                self._skip(at)
            elif key in mapping:
                self._note(event, at, f"is given twice (first in line {self.places[at].line}), keep one of them")
                self._skip(at)
            else:
                self.places[at] = self._place(event)
                mapping[key] = self._value(self._next(), at)
        return mapping

    def _skip(self, path: Path) -> None:
        """Read a value that is not used; its own mistakes count all the same."""
        places, self.places = self.places, {}
        self._value(self._next(), path)
        self.places = places

    def _key(self, event: yaml.Event, path: Path) -> str:
        """Return a key, which must be plain text."""
        if not isinstance(event, yaml.ScalarEvent) or event.anchor is not None or event.tag is not None:
            self._stop(event, path, "a key must be a plain word, write key: value")
        return self._printable(event, path)

    def _sequence(self, path: Path) -> list[Value]:
        """Build a list."""
        items: list[Value] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            at = (*path, len(items))
            self.places[at] = self._place(event)
            items.append(self._value(event, at))
        return items

    def _printable(self, event: yaml.ScalarEvent, path: Path) -> str:
        """Return the text of a scalar, in which only an escape can bring what is not printable."""
        text: str = event.value
        if message := unprintable(text):
            self._note(event, path, message)
        return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)

    def _next(self) -> yaml.Event:
        """Return the next event. Raises `ProfileError` if the text is no YAML."""
        try:
            return next(self._events)
        except (
            yaml.YAMLError,
            ValueError,
            OverflowError,
        ) as error:  # PyYAML hands an escape like "\UFFFFFFFF" to chr()
            place, message = _grievance(error, self._text, self._file)
            raise ProfileError([*self.problems, place.problem((), message)]) from error

    def _place(self, event: yaml.Event) -> Place:
        """Return the place where an event begins."""
        return _place(event.start_mark, self._file)

    def _note(self, event: yaml.Event, path: Path, message: str) -> None:
        """Keep a mistake and go on."""
        self.problems.append(self._place(event).problem(path, message))

    def _stop(self, event: yaml.Event, path: Path, message: str) -> NoReturn:
        """Report a mistake after which the rest cannot be trusted."""
        self._note(event, path, message)
        raise ProfileError(self.problems)


def _grievance(error: Exception, text: str, file: str) -> tuple[Place, str]:
    """Say where and what PyYAML did not understand, and what to look at."""
    if isinstance(error, ReaderError):
        good = text[: error.position]
        place = Place(file, good.count("\n") + 1, len(good) - good.rfind("\n"))
        return place, f"the character U+{error.character:04X} is not allowed in YAML, remove it"
    if not isinstance(error, yaml.MarkedYAMLError):
        return Place(file), 'a number or an escape in it is too large (as in "\\UFFFFFFFF"), correct it'
    place = _place(error.problem_mark or error.context_mark, file)
    problem = error.problem or error.context or "it ends unexpectedly"
    if "'\\t'" in problem:
        return place, "a tab stands here, indent with spaces"
    return place, f"this is not YAML ({problem}), check the indentation, colons and quotes here and in the line above"


def _place(mark: "yaml.error.Mark | yaml._yaml.Mark | None", file: str) -> Place:
    """Return the place of one of PyYAML's marks, which count from 0."""
    return Place(file, mark.line + 1, mark.column + 1) if mark else Place(file)
