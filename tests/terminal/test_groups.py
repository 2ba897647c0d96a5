"""Log groups in a real terminal: the monitor follows them, says what is wrong, and leaves the terminal as it was."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.cloud import calls_now
from tests.cloudwatch.model import Model
from tests.cloudwatch.server import FakeServer
from tests.sources.cloudwatch.answering import machine
from tests.terminal.screens import Terminal

pytestmark = [
    pytest.mark.terminal,
    pytest.mark.timeout(60),
    pytest.mark.skipif(
        shutil.which("tmux") is None and "CI" not in os.environ, reason="tmux is not installed"
    ),
]

GROUP = "/acme/router"
Open = Callable[..., Terminal]


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Terminals whose shell has credentials, or none; closed at the end."""
    opened: list[Terminal] = []

    def open_terminal(columns: int = 80, rows: int = 24, **variables: str) -> Terminal:
        machine(monkeypatch, tmp_path, variables)
        opened.append(Terminal(columns, rows, tmp_path))
        return opened[-1]

    yield open_terminal
    for one in opened:
        one.close()


@pytest.fixture
def server() -> Iterator[FakeServer]:
    model = Model()
    model.create_group(GROUP)
    with FakeServer(model) as running:
        yield running


def write(server: FakeServer, user: str, request_id: str) -> None:
    for time, text in calls_now(user, request_id):
        server.model.add(GROUP, time, text.rstrip("\n"))


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (200, 60)])
def test_a_group_is_followed_until_ctrl_c(
    columns: int, rows: int, terminal: Open, server: FakeServer
) -> None:
    write(server, "first@x.org", "r-1")
    screen = terminal(columns, rows, **server.environment())
    state = screen.state()
    screen.start("tail", "--group", "router", "--endpoint-url", server.url)
    screen.wait_for("first@x.org", "LIVE", "router")
    write(server, "second@x.org", "r-2")
    screen.wait_for("second@x.org", "first@x.org", "2 calls")

    screen.type("o")
    screen.wait_for("4 Sources · 1", GROUP, "● live", "read 12 events")
    screen.type("C-c")
    assert screen.ended() == 130
    before, after = screen.settings()
    assert before == after
    assert screen.state() == state
    assert "Traceback" not in screen.screen()
    assert "first@" not in screen.screen()


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (200, 60)])
def test_what_is_wrong_is_said_in_the_monitor(
    columns: int, rows: int, terminal: Open, server: FakeServer
) -> None:
    screen = terminal(columns, rows, AWS_DEFAULT_REGION="eu-central-1")
    state = screen.state()
    screen.start("tail", "--group", GROUP, "--endpoint-url", server.url)
    screen.wait_for("There are no AWS credentials", "aws sso login")
    screen.type("o")
    screen.wait_for("4 Sources · 1", GROUP)
    screen.type("q")
    assert screen.ended() == 3
    assert screen.settings()[0] == screen.settings()[1]
    assert screen.state() == state
    assert "Traceback" not in screen.screen()
