"""Keys in the search box while ten million lines are searched for what has been typed so far."""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figure import Figure, Settings
from benchmarks.following import responsive
from benchmarks.inputs import MILLION, history
from benchmarks.terminal import Terminal

_WORDS = (
    "throttling",
    "user:user007 status:error",
    "/mantle .*complete/i",
    "model:kimi cost>0.1",
    "bedrock-router",
)
_ERASE = "\x7f"
_LOADING_SECONDS = 300
_THINKING_SECONDS = 1.5
"""After each word, so that its search gets somewhere."""


def run(settings: Settings) -> Iterator[Figure]:
    path = history(settings.cache, 10 * MILLION)
    with tempfile.TemporaryDirectory(dir=settings.cache) as folder:
        result = Path(folder, "result.json")
        with Terminal((sys.executable, "-m", "benchmarks.watched", str(path), str(result))) as terminal:
            terminal.wait_for("LIVE", timeout=_LOADING_SECONDS)
            time.sleep(_THINKING_SECONDS)
            pressed = _type(terminal)
            terminal.press("\x03")
            terminal.wait(timeout=30)
        drawn = json.loads(result.read_text())["drawn"]
    yield responsive("search box, 10 M lines", pressed, drawn)


def _type(terminal: Terminal) -> list[float]:
    """Words, typed and erased again, three times; when each key was pressed."""
    waits, pressed = random.Random(7), [time.monotonic()]
    terminal.press("/")
    for word in _WORDS * 3:
        for key in (*word, *[_ERASE] * len(word)):
            time.sleep(waits.uniform(0.04, 0.12) if key != _ERASE else 0.03)
            pressed.append(time.monotonic())
            terminal.press(key)
        time.sleep(_THINKING_SECONDS)
    return pressed
