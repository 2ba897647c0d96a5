"""Whatever writers and rotators do between two looks, each line is read once."""

from __future__ import annotations

import errno
import os
import tempfile
from collections import Counter
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from llmwatch.sources.files import GRACE_SECONDS, FileSource
from llmwatch.sources.watch import FileWatch, FolderWatch, GlobWatch, Watch
from tests.sources.following import Clock, Log, lines_of, pull

REAL_OPEN = os.open

WRITING = ["part", "line", "line", "line"]
ROTATING = ["rotate", "compress", "copy_and_truncate", "truncate", "replace"]
OPERATIONS = st.lists(
    st.sampled_from([*WRITING, *ROTATING, "deny", "allow", "poll", "poll", "poll"]),
    max_size=30,
)


def refuse(path: str, *rest: int, **named: int) -> int:
    raise PermissionError(errno.EACCES, "Permission denied", path)


def watch_of(kind: str, folder: Path) -> Watch:
    if kind == "file":
        return FileWatch(str(folder / "router.jsonl"), follow=True)
    if kind == "link":
        (folder / "link").mkdir()
        (folder / "link" / "current.log").symlink_to(folder / "router.jsonl")
        return FileWatch(str(folder / "link" / "current.log"), follow=True)
    if kind == "folder":
        return FolderWatch(str(folder), follow=True)
    return GlobWatch(str(folder / "*.jsonl"), follow=True)


@pytest.mark.parametrize("kind", ["file", "link", "folder", "glob"])
@given(operations=OPERATIONS)
@example(["part", "poll", "copy_and_truncate", "deny", "rotate", "poll", "part", "rotate", "poll"])
@example(["part", "poll", "part", "copy_and_truncate", "part", "rotate"])
@example(["part", "poll", "part", "copy_and_truncate", "compress"])
@example(["copy_and_truncate", "part", "deny", "poll", "compress", "copy_and_truncate"])
@settings(max_examples=150, deadline=None)
def test_each_line_is_read_once_whatever_is_done_to_the_file(kind: str, operations: list[str]) -> None:
    clock = Clock()
    with tempfile.TemporaryDirectory() as name:
        log = Log(Path(name) / "router.jsonl")
        source = FileSource([watch_of(kind, Path(name))], follow=True, clock=clock)
        pieces = pull(source)
        log.polled(denied=False)
        denied = False
        for operation in [*operations, "allow", "line", "poll"]:
            if operation in ("deny", "allow"):
                denied = operation == "deny"
            elif operation == "poll":
                clock.now += 1.1
                with mock.patch("os.open", refuse if denied else REAL_OPEN):
                    pieces += pull(source)
                log.polled(denied=denied)
            else:
                getattr(log, operation)()
        clock.now += 1.1
        pieces += pull(source)
        clock.now += GRACE_SECONDS
        pieces += [*source.read(), *source.finish()]
        source.close()

    read = Counter(lines_of(pieces))
    assert not [line for line, times in read.items() if times > 1]
    assert set(log.expected) - log.unreachable <= set(read) <= set(log.expected) | log.torn
