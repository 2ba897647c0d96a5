"""The monitor in a real terminal: it follows, it obeys keys, and it leaves the terminal as it was."""

from __future__ import annotations

import os
import re
import shutil
import signal
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.running import DATA
from tests.cli.traffic import KIMI, call
from tests.terminal.screens import Terminal
from tests.terminal.wire import Wire

pytestmark = [
    pytest.mark.terminal,
    pytest.mark.skipif(
        shutil.which("tmux") is None and "CI" not in os.environ, reason="tmux is not installed"
    ),
]

HOSTILE = DATA / "hostile.jsonl"
Open = Callable[[int, int], Terminal]


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Open]:
    """Terminals, closed at the end."""
    opened: list[Terminal] = []

    def open_terminal(columns: int = 80, rows: int = 24) -> Terminal:
        opened.append(Terminal(columns, rows, tmp_path))
        return opened[-1]

    yield open_terminal
    for one in opened:
        one.close()


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (200, 60)])
def test_it_follows_a_file_through_its_rotations(
    columns: int, rows: int, terminal: Open, tmp_path: Path
) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(call("first@x.org", "r-1", prompt=2_000_000))
    screen = terminal(columns, rows)
    screen.start("tail", "log.jsonl")
    assert "$1.20" in screen.wait_for("first@x.org", "LIVE")

    append(log, call("newcomer@x.org", "r-2", prompt=10_000_000))
    assert row_of("newcomer@x.org", screen.wait_for("newcomer@x.org")).split()[1] == "$6.00"
    assert screen.wait_for("$7.20")

    log.rename(tmp_path / "log.jsonl.1")
    append(tmp_path / "log.jsonl.1", call("belated@x.org", "r-3"))
    log.write_bytes(call("renamed@x.org", "r-4"))
    screen.wait_for("belated@x.org", "renamed@x.org")

    shutil.copy(log, tmp_path / "log.jsonl.2")
    os.truncate(log, 0)
    append(log, call("truncated@x.org", "r-5"))
    seen = screen.wait_for("truncated@x.org", "30 lines", "5 calls")
    assert all(row_of(user, seen) for user in ("first@", "newcomer@", "belated@", "renamed@"))
    screen.type("q")
    assert screen.ended() == 0


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (200, 60)])
def test_keys_do_what_the_footer_says(columns: int, rows: int, terminal: Open, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(call("dear@x.org", "r-1", prompt=5_000_000) + call("cheap@x.org", "r-2") * 3)
    screen = terminal(columns, rows)
    screen.start("tail", "log.jsonl")
    before = screen.wait_for("dear@x.org", "cheap@x.org")
    assert order(before) == ["dear", "cheap"]
    screen.type("r")
    screen.wait_until(lambda: order(screen.screen()) == ["cheap", "dear"])
    screen.type("r")
    screen.wait_until(lambda: order(screen.screen()) == ["dear", "cheap"])
    screen.type("s")
    screen.wait_until(lambda: heading(screen.screen()) != heading(before))

    screen.type("Enter")
    screen.wait_for("esc closes", KIMI)
    screen.type("Escape")
    screen.wait_for("LIVE", gone="esc closes")
    screen.type("?")
    screen.wait_for("esc closes", "Show the users")
    screen.type("q")
    screen.wait_for("LIVE", gone="esc closes")

    screen.go("Tab", "2 Models")
    screen.wait_for(KIMI)
    screen.go("3", "3 Events")
    screen.wait_for("Request completed")
    screen.type("Enter")
    screen.wait_for("esc closes", "The line as it was read")
    screen.type("Escape")
    screen.wait_for("LIVE", gone="esc closes")

    screen.type("Space")
    screen.wait_for("PAUSED")
    append(log, call("later@x.org", "r-3"))
    screen.wait_for("PAUSED +6")
    assert "later@x.org" not in screen.screen()
    screen.type("Space")
    screen.wait_for("later@x.org", gone="PAUSED")
    screen.type("q")
    assert screen.ended() == 0


@pytest.mark.parametrize(
    ("ending", "codes"),
    [
        ("q", {0}),
        ("C-c", {130}),
        (signal.SIGINT, {130}),
        (signal.SIGTERM, {143}),
        (signal.SIGHUP, {129}),
    ],
)
def test_however_it_ends_the_terminal_is_as_it_was(
    ending: str | int, codes: set[int], terminal: Open, tmp_path: Path
) -> None:
    (tmp_path / "log.jsonl").write_bytes(call("first@x.org"))
    screen = terminal(80, 24)
    state = screen.state()
    assert (state["cursor_flag"], state["alternate_on"]) == ("1", "0")
    screen.start("tail", "log.jsonl")
    screen.wait_for("first@x.org")
    assert (screen.state()["cursor_flag"], screen.state()["alternate_on"]) == ("0", "1")
    if isinstance(ending, str):
        screen.type(ending)
    else:
        screen.signal(ending)
    assert screen.ended() in codes
    before, after = screen.settings()
    assert before == after
    assert screen.state() == state
    assert "Traceback" not in screen.screen()
    assert "first@" not in screen.screen()


def test_an_error_before_the_screen_is_a_sentence_on_the_terminal(terminal: Open, tmp_path: Path) -> None:
    screen = terminal(80, 24)
    screen.start("tail", "nowhere/log.jsonl")
    assert screen.ended() == 3
    assert "llmwatch: nowhere/log.jsonl does not exist" in screen.screen()


def test_a_file_that_is_empty_at_first_is_shown_when_it_grows(terminal: Open, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.touch()
    screen = terminal(80, 24)
    screen.start("tail", "log.jsonl")
    screen.wait_for("log.jsonl", "quit")
    append(log, call("first@x.org"))
    screen.wait_for("first@x.org")


def test_hostile_lines_touch_neither_the_keys_nor_the_terminal(terminal: Open, tmp_path: Path) -> None:
    shutil.copy(HOSTILE, tmp_path / "log.jsonl")
    screen = terminal(80, 24)
    state = screen.state()
    screen.start("tail", "log.jsonl")
    screen.wait_for("3 Events", "Users")
    for pane, shown, title in (
        ("3", "hello", "Events of this call"),
        ("1", "Users · ", "esc closes"),
        ("2", "Models · ", "esc closes"),
    ):
        screen.type(pane)
        screen.wait_for(shown)
        for _ in range(3):
            screen.type("Enter")
            screen.wait_for("esc closes", title)
            screen.type("Escape")
            screen.wait_for("quit", gone="esc closes")
            screen.type("Up" if pane == "3" else "Down")
    assert screen.state()["pane_title"] == state["pane_title"]
    assert screen.clipboards() == ""
    screen.type("q")
    assert screen.ended() == 0
    assert screen.state() == state


_OWN_MODES = ["1000", "1003", "1004", "1006", "1015", "1049", "2004", "25", "7"]
_OWN = re.compile(
    r"\x1b\[([0-9;]*[mH]|\?("
    + "|".join(_OWN_MODES)
    + r")[hl]|\?20(26|48)\$p|>[0-9]*u|<u)|\x1b\]22;[a-z-]*\x07"
)
"""What Textual writes: colours, places, its modes and their opposites, two questions, the shape of the pointer."""


def test_the_monitor_writes_no_control_but_its_own() -> None:
    wire = Wire("tail", HOSTILE.name, folder=HOSTILE.parent)
    try:
        wire.wait_for(b"Users")
        for pane in (b"3", b"1", b"2"):
            wire.press(pane)
            for key in (b"\r", b"\x1b", b"k", b"\r", b"\x1b"):
                wire.rest(0.15)
                wire.press(key)
        wire.quit()
        assert wire.ended() == 0
    finally:
        wire.close()
    text = wire.written.decode()
    assert "\n" not in text.rpartition("\x1b[?1049l")[2], "something is left on the terminal"
    assert len(text) > 50_000
    assert "\x1b[31m" not in text
    assert controls(_OWN.sub("", text)) <= {"\r", "\n"}


def test_plain_lines_on_a_terminal_hold_no_control_at_all() -> None:
    for form in ("--plain", "--json"):
        wire = Wire("tail", form, "--no-follow", HOSTILE.name, folder=HOSTILE.parent)
        try:
            assert wire.ended() == 0
        finally:
            wire.close()
        text = wire.written.decode()
        assert text.count("\n") > 50
        assert controls(text) == {"\r", "\n"}


def controls(text: str) -> set[str]:
    """What is no visible character."""
    return {char for char in set(text) if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")}


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def row_of(user: str, screen: str) -> str:
    """The line of a screen that begins with a user."""
    return next(line.strip() for line in screen.splitlines() if line.strip(" │").startswith(user)).strip(" │")


def order(screen: str) -> list[str]:
    """The users from top to bottom."""
    return re.findall(r"^[ │]*(dear|cheap)@x\.org", screen, re.MULTILINE)


def heading(screen: str) -> str:
    """The line that names the columns of the users."""
    return next(line for line in screen.splitlines() if re.search(r"\buser\b.*\breqs\b", line))
