"""A real terminal to drive: a tmux server of its own, and the program in its one window."""

from __future__ import annotations

import itertools
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.cli.running import ROOT

PATIENCE = 20.0
_numbers = itertools.count()


class Terminal:
    """A terminal of some size with a shell in it. `close` it."""

    def __init__(self, columns: int, rows: int, folder: Path) -> None:
        self.folder = folder
        self._socket = f"llmwatch-{os.getpid()}-{next(_numbers)}"
        shell = f"env -u COLUMNS -u LINES PS1='ready$ ' PYTHONPATH={shlex.quote(str(ROOT))} sh"
        size = ("-x", str(columns), "-y", str(rows))
        self._tmux("-f", "/dev/null", "new-session", "-d", *size, "-c", str(folder), shell)
        self._tmux("set-option", "-g", "set-clipboard", "on")
        self.wait_for("ready$")

    def type(self, *keys: str) -> None:
        """Press keys, by tmux's names for them."""
        self._tmux("send-keys", *keys)

    def screen(self) -> str:
        """The text on the screen."""
        return self._tmux("capture-pane", "-p")

    def go(self, key: str, pane: str) -> None:
        """Press a key that leads to another pane, and see its title change its looks."""
        before = self._styled(pane)
        self.type(key)
        self.wait_until(lambda: self._styled(pane) != before)

    def state(self) -> dict[str, str]:
        """What an application may have changed about the terminal."""
        names = ("cursor_flag", "alternate_on", "mouse_any_flag", "keypad_cursor_flag", "pane_title")
        values = self._tmux("display-message", "-p", "\t".join(f"#{{{name}}}" for name in names))
        return dict(zip(names, values.rstrip("\n").split("\t"), strict=True))

    def clipboards(self) -> str:
        """What was copied."""
        return self._tmux("list-buffers")

    def wait_for(self, *texts: str, gone: str | None = None) -> str:
        """The screen, as soon as it has all of these and no longer has `gone`."""

        def holds() -> bool:
            shown = self.screen()
            return all(text in shown for text in texts) and (gone is None or gone not in shown)

        self.wait_until(holds)
        return self.screen()

    def wait_until(self, holds: Callable[[], bool]) -> None:
        """Look until something holds."""
        until = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < until, self.screen()
            time.sleep(0.05)

    def start(self, *words: object) -> None:
        """Run the program as a person would, between two looks at the terminal's settings."""
        program = shlex.join([sys.executable, "-m", "llmwatch", *map(str, words)])
        inner = shlex.quote(f"echo $$ > pid; exec {program}")
        self.type(f"stty -a > before; sh -c {inner}; echo $? > code; stty -a > after; touch done", "Enter")

    def signal(self, number: int) -> None:
        """Send the program a signal."""
        os.kill(int((self.folder / "pid").read_text()), number)

    def ended(self) -> int:
        """The exit code, as soon as the program has ended."""
        self.wait_until((self.folder / "done").exists)
        self.wait_for("ready$")
        return int((self.folder / "code").read_text())

    def settings(self) -> tuple[str, str]:
        """What stty said before and after."""
        return (self.folder / "before").read_text(), (self.folder / "after").read_text()

    def close(self) -> None:
        """End this tmux server and all in it; tmux leaves its socket behind."""
        socket = Path(self._tmux("display-message", "-p", "#{socket_path}").rstrip("\n"))
        self._tmux("kill-server")
        socket.unlink(missing_ok=True)

    def _styled(self, text: str) -> list[str]:
        """The lines that have a text, with their colours."""
        lines = self._tmux("capture-pane", "-p", "-e").splitlines()
        return [line for line in lines if text in line]

    def _tmux(self, *words: str) -> str:
        command = ["tmux", "-L", self._socket, *words]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout
