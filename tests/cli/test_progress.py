"""The line about progress: on a terminal, in its width, harmless."""

from __future__ import annotations

import io

from llmwatch.cli.progress import show_line


def test_what_a_service_says_moves_no_cursor_and_fills_one_line() -> None:
    stream = io.StringIO()
    show_line(stream, "CloudWatch: \x1b]0;owned\x07\n" + "wide 行 " * 50)
    shown = stream.getvalue().removeprefix("\r\x1b[K")
    assert shown.startswith("CloudWatch: ")
    assert shown.isprintable()
    assert len(shown) < 80
