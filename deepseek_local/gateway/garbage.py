"""
When Python looks for garbage in an API server process: seldom, since there is next to none.

Python's collector looks through the youngest objects whenever there are 700 more of them than before. Nothing here waits for it: requests
free what they made when they end. But a request that waits, for its record or its tokens, holds about a hundred objects, so a wave of
them made the collector look ten times for each hundred requests and find nothing, for 8 to 13 % of all time. vLLM keeps the objects of
its start from the collector already (`gc.freeze`, `vllm/entrypoints/launchers/utils/server_utils.py`). What is garbage in cycles are the
frames of streams whose client has left; they hold no body (`Request.release`). Decision 0028.
"""

import gc
from typing import Final

YOUNG_OBJECTS: Final = 20_000
"""How many more young objects there may be: some two hundred requests that wait, a few megabytes, 2 ms to look through."""


def look_less_often() -> None:
    """Raise the threshold of the youngest generation; one that is higher already stays."""
    youngest, *older = gc.get_threshold()
    # A threshold of zero has switched the collector off.
    if 0 < youngest < YOUNG_OBJECTS:
        gc.set_threshold(YOUNG_OBJECTS, *older)
