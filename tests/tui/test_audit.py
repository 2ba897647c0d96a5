"""The audit pane and the header's flag: what a person sees of a chain that breaks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from llmwatch.audit.excerpt import Excerpt
from llmwatch.audit.findings import Finding
from llmwatch.query.audited import Audited, AuditFile, AuditFinding
from llmwatch.query.snapshot import Snapshot
from llmwatch.sources.source import SourceState
from llmwatch.tui.app import MonitorApp
from llmwatch.tui.widgets.header import Header
from tests.tui.conftest import LARGE, SMALL, WIDE, Start
from tests.tui.feed import FakeFeed

FIRST, SECOND = "logs/audit_2026-02-26.jsonl", "logs/audit_2026-02-27.jsonl"
UNATTESTED = "The 3 lines after the last checkpoint are not attested."
EDITED = Finding(
    "edited",
    "audit_2026-02-27.jsonl",
    17,
    field="chain_hash",
    expected="9f" * 32,
    actual="3b" * 32,
    detail="The line does not link to the one before.",
)
AROUND = tuple(
    Excerpt(line, f"id-{line}", f"2026-02-27T16:47:{line}Z", "chat_completion") for line in (16, 17, 18)
)
FILES = (
    AuditFile(FIRST, "fresh", "ok", 40, 40, 40, None),
    AuditFile(SECOND, "carry", "ok", 20, 20, 17, None),
)
WELL = Audited(FILES, (), None, (UNATTESTED,))
RESTARTED = Finding("restart", "audit_2026-02-26.jsonl", 12, detail="A new chain begins.")
BROKEN = replace(
    WELL,
    files=(FILES[0], replace(FILES[1], state="broken", hmac_ok=19, first_bad=17)),
    findings=(AuditFinding(EDITED, SECOND, 417, AROUND), AuditFinding(RESTARTED, FIRST)),
    broken=replace(EDITED, file=SECOND),
)


@dataclass
class AuditFeed(FakeFeed):
    audit: Audited | None = None

    def snapshot(self) -> Snapshot:
        return replace(super().snapshot(), audit=self.audit)


def line(audit: Audited | None, cells: int) -> str:
    shown = Header("router.jsonl", lambda: 0.0)
    shown._snapshot = AuditFeed(audit=audit).snapshot()
    return shown.draw(cells).plain


@pytest.mark.parametrize("cells", [80, 200])
def test_the_flag_of_a_broken_chain_is_always_in_the_header(cells: int) -> None:
    assert " CHAIN BROKEN audit_2026-02-27.jsonl:17 " in line(BROKEN, cells)


def test_a_chain_that_holds_is_a_quiet_word_and_no_audit_log_is_none() -> None:
    assert "chain ok" in line(WELL, 200)
    assert "chain" not in line(None, 200)
    for state in ("links only", "wrong key", "warning"):
        files = (FILES[0], replace(FILES[1], state=state))
        assert "chain" not in line(replace(WELL, files=files), 200)


def test_the_place_of_a_break_cannot_write_to_the_terminal() -> None:
    hostile = replace(BROKEN, broken=replace(EDITED, file="logs/\x1b[2Jaudit\u202e.jsonl"))
    assert line(hostile, 200).isprintable()


async def test_the_pane_says_what_is_broken_and_what_is_not_attested(start: Start) -> None:
    async with start(AuditFeed(audit=WELL), SMALL) as stage:
        assert "7 Audit" not in stage.text()
        await stage.press("a")
        assert "7 Audit · 2" in stage.text()
        assert UNATTESTED in stage.text()
        assert "● ok" in stage.text()
        stage.feed.audit = BROKEN  # type: ignore[attr-defined]
        await stage.tick()
        text = stage.text()
        for words in (
            "✖ BROKEN at 17",
            "line 17 was edited",
            "expected 9f9f",
            "found    3b3b",
            "▸ line 17",
            UNATTESTED,
        ):
            assert words in text
        await stage.press("j", "j", "j")
        assert "line 12 begins a new chain" in stage.text()
        await stage.press("k", "k")
        assert stage.app.focused is not None
        assert stage.app.focused.id == "audit-files"
        await stage.press("a")
        assert "7 Audit" not in stage.text()


@pytest.mark.parametrize("sentences", [4, 12])
@pytest.mark.parametrize("broken", [False, True])
async def test_in_little_room_what_was_checked_and_what_nothing_tells_stay(
    start: Start, broken: bool, sentences: int
) -> None:
    extent = "60 lines; HMAC right on 59 of 60; 40 attested by signed checkpoints; 20 are not attested"
    never = "nothing here tells whether every call was logged, truthfully, and at the right time"
    between = [f"remark {number}, which is longer than a line of the pane is wide" for number in range(12)]
    said = (extent, *between[: sentences - 2], never)
    feed = AuditFeed(audit=replace(BROKEN if broken else WELL, sentences=said))
    feed.sources = tuple(
        SourceState(f"gone-{number}", "error", "It is not there. " * 5) for number in range(2)
    )
    async with start(feed, SMALL) as stage:
        await stage.press("a")
        text = " ".join(stage.text().split())
        assert extent in text
        assert never in text
        assert ("more in what llmwatch verify says" in text) == (sentences == 12)
        assert not broken or "line 17 was edited" in text


async def test_enter_leads_to_the_line_and_escape_back(start: Start) -> None:
    async with start(AuditFeed(audit=BROKEN), SMALL) as stage:
        await stage.press("7", "a", "a", "enter")
        assert stage.feed.contexts == [417]
        assert "context of line 418" in stage.text()
        await stage.press("escape")
        assert "7 Audit" in stage.text()
        await stage.press("j", "enter")
        assert "not read here" in stage.notices()[-1]


async def test_enter_on_a_file_that_is_well_says_so(start: Start) -> None:
    async with start(AuditFeed(audit=WELL), SMALL) as stage:
        await stage.press("a", "enter")
        assert "Nothing was found in this file" in stage.notices()[-1]


async def test_a_finding_of_several_lines_names_the_last_too(start: Start) -> None:
    several = replace(EDITED, name="wrong_key", line=1, line_to=1_500, count=1_500)
    async with start(
        AuditFeed(audit=replace(WELL, findings=(AuditFinding(several, FIRST),))), SMALL
    ) as stage:
        await stage.press("a")
        assert "lines 1 to 1,500 were signed with a key that was not given" in stage.text()


async def test_the_pane_stands_beside_the_others_where_there_is_room(start: Start) -> None:
    async with start(AuditFeed(audit=BROKEN), LARGE) as stage:
        await stage.press("a")
        text = stage.text()
        assert "7 Audit · 2" in text
        assert "Users" in text
        assert "Events" in text
        await stage.press("enter")
        assert "context of line 418" in stage.text()


async def test_without_audit_logs_the_pane_says_how_to_watch_one(start: Start) -> None:
    async with start(size=WIDE) as stage:
        await stage.press("a")
        assert "llmwatch tail FOLDER --key-file FILE" in stage.text()


@pytest.mark.parametrize("size", [pytest.param(SMALL, id="small"), pytest.param(LARGE, id="large")])
def test_look_of_a_broken_chain(snap_compare: Callable[..., bool], size: tuple[int, int]) -> None:
    app = MonitorApp(AuditFeed(audit=BROKEN), clock=lambda: 0.0)
    assert snap_compare(app, terminal_size=size, press=["a"])
