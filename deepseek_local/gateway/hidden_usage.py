"""
The usage that a stream was made to tell, taken out again for a client that did not ask for it.

vLLM tells it in one event of its own before `[DONE]`, the only one with `"choices":[]` (`chat_completion/serving.py`,
`completion/serving.py`, 0.26 to 0.33). Inside a JSON text every quotation mark is escaped, so no prompt and no answer can look like it,
and nothing needs to be parsed to find it. The bytes are cut at the ends of events, however the engine sends them.
"""

from typing import Final

_END: Final = b"\n\n"
_MARKS: Final = (b'"choices":[]', b'"usage":{')


class HiddenUsage:
    """One event stream: takes its bytes as they come, and gives back what the client shall see."""

    __slots__ = ("_rest", "event")

    def __init__(self) -> None:
        self._rest = b""
        self.event = b""
        """The event that was taken out."""

    @property
    def is_holding(self) -> bool:
        """Whether an event has begun that has not ended."""
        return bool(self._rest)

    def take(self, part: bytes, *, more: bool) -> bytes:
        """Return the events that are complete with these bytes, without the hidden one; at the end, also what never became an event."""
        text = self._rest + part
        end = text.rfind(_END) + len(_END) if more and _END in text else 0 if more else len(text)
        whole, self._rest = text[:end], text[end:]
        if _MARKS[0] not in whole:
            return whole
        return b"".join([event for event in _events(whole) if self._is_shown(event)])

    def _is_shown(self, event: bytes) -> bool:
        if all(mark in event for mark in _MARKS):
            self.event = event
            return False
        return True


def _events(text: bytes) -> list[bytes]:
    *events, rest = text.split(_END)
    return [event + _END for event in events] + [rest]
