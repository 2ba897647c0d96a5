"""The Query pane: asking, looking at the answer, taking it elsewhere."""

from __future__ import annotations

import csv
import json
import os
import stat
import threading
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from rich.cells import cell_len
from textual.events import Paste

from llmwatch.clean import clean, literal
from llmwatch.errors import PlacedError, SourceError, UsageError
from llmwatch.query.insights.answer import Answer
from llmwatch.query.insights.faults import QueryError
from llmwatch.query.runbook import PLACEHOLDER
from llmwatch.query.runbook import RUNBOOK as BUILT_IN
from llmwatch.tui.history import KEPT, History
from llmwatch.tui.panes.answer import Row, copied, shown
from llmwatch.tui.panes.query_actions import QUERY_ACTIONS
from llmwatch.tui.screens.prompt import Done, PromptScreen
from llmwatch.tui.screens.queries import Known, Library, QueriesScreen
from llmwatch.tui.screens.row import RowScreen
from llmwatch.tui.widgets.column import Cell
from llmwatch.tui.widgets.outcome import complaint
from tests.tui.asking import BY_TIME, FAULT, QUERY, ROWS, RUNBOOK, START, at, started
from tests.tui.conftest import SMALL, WIDE
from tests.tui.test_hostile import HOSTILE, forbidden

# Asking


@pytest.mark.parametrize("key", ["ctrl+r", "f5", "ctrl+j"])
async def test_a_key_runs_what_is_in_the_editor(key: str) -> None:
    async with started() as stage:
        await stage.press(*"stats ", *"now")
        await stage.press("enter", "|", key)
        assert stage.asked.texts == ["stats now\n|"]
        assert "1,234 rows" in stage.text()
        assert "more than the limit" in stage.text()
        assert "12,904 of 1.20M lines matched" in stage.text()
        assert "minus `name`" in stage.text()


async def test_nothing_is_not_asked() -> None:
    async with started() as stage:
        await stage.press("ctrl+r", "enter", "f5")
        assert stage.asked.texts == []
        assert "there is no query to run" in stage.text()


async def test_a_query_that_runs_can_be_stopped_and_its_answer_does_not_come() -> None:
    hold = threading.Event()
    async with started(hold=hold) as stage:
        await stage.ask()
        assert "asking …" in stage.text()
        assert stage.pane.badge[0].text == "asking …"
        await stage.press("escape")
        assert "stopped" in stage.text()
        await stage.until_stopped()
        hold.set()
        await stage.settle()
        assert stage.pane.shown is None
        assert stage.pane.badge[0].text == ""


async def test_the_newest_query_is_the_one_that_is_answered() -> None:
    hold = threading.Event()
    async with started(hold=hold) as stage:
        await stage.ask("first")
        await stage.ask("second", BY_TIME)
        await stage.until_stopped()
        hold.set()
        await stage.settle()
        assert stage.pane.shown
        assert stage.pane.shown.answer is BY_TIME
        assert stage.asked.texts == ["first", "second"]


async def test_leaving_stops_what_runs() -> None:
    hold = threading.Event()
    async with started(hold=hold) as stage:
        await stage.ask()
    await stage.until_stopped()


@pytest.mark.parametrize("size", [SMALL, WIDE, (30, 24)])
async def test_a_fault_is_shown_with_its_place_and_the_cursor_goes_there(size: tuple[int, int]) -> None:
    place = FAULT.index("filtre")
    async with started(size=size) as stage:
        await stage.ask("\n " + FAULT, QueryError(FAULT, place, "unknown command `filtre`: [b]did you[/]"))
        caret = next(number for number, line in enumerate(stage.lines()) if line.strip(" │") == "^")
        column = stage.lines()[caret].index("^")
        assert stage.lines()[caret - 1][column:].startswith("filtre status")
        assert "line 2, column 3: unknown command" in stage.pane.outcome.draw(200).plain
        assert stage.pane.editor.cursor_location == (2, 2)
        await stage.press("x")
        assert "\n| xfiltre" in stage.pane.editor.text


def test_a_caret_far_to_the_right_of_wide_characters_points_at_the_right_cell() -> None:
    text = "fields x\n東京 \u202e nope(x)\n| limit 1"
    said = complaint("no such function\nsorry", text, text.index("nope"))
    assert said.sentence.text == "no such function sorry"
    assert said.line
    assert said.line.text == "東京 ‹202E› nope(x)"
    assert said.place == cell_len("東京 ‹202E› ")
    assert complaint("plain", text, len(text)).place == len("| limit 1")
    assert complaint("plain\n^", text, None).line is None


async def test_the_answer_stays_when_the_next_query_fails() -> None:
    async with started() as stage:
        await stage.ask()
        await stage.ask("bad", UsageError("no"))
        assert "user00@example.com" in stage.text()
        await stage.pilot.resize_terminal(100, 30)
        await stage.settle()
        assert "1,234 rows" not in stage.text()
        await stage.ask("dead", RuntimeError("engine \x1b[2J broke"))
        assert "engine ␛[2J broke" in stage.text()


async def test_a_hint_how_to_begin_does_not_stand_under_an_error() -> None:
    async with started() as stage:
        assert "write a query above" in stage.text()
        await stage.ask("bad", UsageError("no"))
        assert "write a query above" not in stage.text()


@pytest.mark.parametrize("keys", ["query-editor", "query"])
def test_the_footer_has_what_can_be_done(keys: str) -> None:
    hints = [action.hint for action in QUERY_ACTIONS if action.hint and keys in action.panes]
    assert {"run", "runbook", "save"} <= {*hints}
    assert len({*hints}) == len(hints)


# The history


async def test_earlier_queries_come_back_and_what_was_being_written_too(tmp_path: Path) -> None:
    path = tmp_path / "new" / "history.jsonl"
    async with started(history=History(path)) as stage:
        for text in ("one\n| two", "three", "three"):
            await stage.ask(text)
        await stage.press("escape", "i")
        stage.pane.fill("draft")
        await stage.press("up")
        assert stage.pane.editor.text == "three"
        await stage.press("up")
        assert stage.pane.editor.text == "one\n| two"
        await stage.press("up")
        assert stage.pane.editor.cursor_location[0] == 0
        await stage.press("up", "ctrl+up")
        assert stage.pane.editor.text == "one\n| two"
        await stage.press("down", "down")
        assert stage.pane.editor.text == "three"
        await stage.press("alt+down", "alt+down")
        assert stage.pane.editor.text == "draft"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert History(path).entries == ["one\n| two", "three"]


def test_the_history_is_bounded_shared_and_survives_a_broken_file(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.write_bytes(b'"old"\n{"not": "text"}\nnonsense\xff\n""\n')
    ours, theirs = History(path), History(path)
    assert ours.entries == ["old"]
    theirs.add("theirs")
    for number in range(KEPT):
        ours.add(f"ours {number}")
    assert History(path).entries == [f"ours {number}" for number in range(KEPT)]
    assert os.listdir(tmp_path) == ["history.jsonl"]
    path.unlink()
    path.mkdir()
    with pytest.raises(SourceError, match="cannot be written"):
        ours.add("more")
    assert ours.entries[-1] == "more"


async def test_a_history_that_cannot_be_kept_is_said_and_the_query_runs(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    async with started(history=History(tmp_path / "file" / "history")) as stage:
        await stage.ask()
        assert "1,234 rows" in stage.text()
        assert any("cannot be written" in words for words in stage.notices())


# The list of queries


async def test_a_query_of_the_runbook_is_chosen_by_its_preview() -> None:
    async with started() as stage:
        await stage.press("ctrl+o")
        assert stage.shows(QueriesScreen)
        assert "queries/old.cwli is left out" in stage.text()
        assert "| limit 5" in stage.text()
        await stage.press("j")
        assert "ispresent(error)" in stage.text()
        await stage.press("enter")
        assert stage.pane.editor.text == RUNBOOK.queries[1].text
        assert stage.pane.editor.has_focus
        await stage.press("ctrl+o", "escape")
        assert stage.pane.editor.text == RUNBOOK.queries[1].text


async def test_what_stands_for_an_address_is_selected_to_be_written_over() -> None:
    text = f'fields x\n| filter user_email = "{PLACEHOLDER}"\n| limit 5'
    async with started() as stage:
        stage.pane._read = lambda: Library((Known("one-user", "of one user", text),))
        await stage.press("ctrl+o", "enter")
        assert stage.pane.editor.selected_text == PLACEHOLDER
        await stage.press(*"a@b.c")
        assert stage.pane.editor.text == text.replace(PLACEHOLDER, "a@b.c")


async def test_queries_that_cannot_be_read_are_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Library:
        raise UsageError("config.toml is not TOML: \x1b[2J")

    async with started() as stage:
        monkeypatch.setattr(stage.pane, "_read", fail)
        await stage.press("ctrl+o")
        assert "config.toml is not TOML: ␛[2J" in stage.text()


# Rows


async def test_enter_shows_a_row_in_full_and_y_copies_it() -> None:
    long = "x" * 300 + "\nsecond \x1b[2J\tline"
    answer = Answer(tuple(f"column {n}" for n in range(20)), ((*range(1_000, 1_019), long),))
    async with started(answer, SMALL) as stage:
        await stage.ask()
        headings = next(line for line in stage.lines() if "column 0" in line).count("column ")
        assert 0 < headings < 20
        assert f"{headings} of 20 columns: enter on a row shows all" in stage.text()
        await stage.press("escape", "y")
        assert stage.app.clipboard.split("\t") == [*map(str, range(1_000, 1_019)), clean(long, 1_000).text]
        await stage.press("enter")
        assert stage.shows(RowScreen)
        await stage.press("G")
        assert "second ␛[2J␉line" in stage.text()
        assert "column 19" in stage.text()
        await stage.press("y")
        assert stage.app.clipboard == clean(long, 1_000).text
        await stage.press("escape")
        assert not stage.shows(RowScreen)


async def test_times_are_not_cut_however_many_columns_there_are() -> None:
    long = tuple(f"column {n} of a long name" for n in range(9))
    answer = Answer(("@timestamp", *long), ((at(7), *long),))
    async with started(answer, SMALL) as stage:
        await stage.ask()
        assert at(7) in stage.text()


async def test_a_new_answer_is_seen_from_its_beginning() -> None:
    async with started() as stage:
        await stage.ask()
        await stage.press("escape", "G")
        assert "user1233@" in stage.text()
        await stage.press("ctrl+r")
        assert stage.pane.table.cursor == 0
        assert "user00@" in stage.text()
        await stage.ask("none", Answer(("a",), ()))
        assert "0 rows" in stage.text()
        assert "no rows" in stage.text()
        await stage.press("escape", "enter", "y", "t")
        assert stage.pane.title.text == "Query · 0"


def test_a_number_among_texts_is_as_short_as_elsewhere() -> None:
    mean = 3223.0714285714284
    made = shown(Answer(("a", "b"), ((mean, mean), (1_234_567, None), ("x", 1.0))), None, 0.0)
    assert [column.cell(made.rows[0], START).text.text for column in made.columns] == ["3,223.07", "3,223.07"]
    assert made.columns[0].cell(made.rows[1], START).text.text == "1,234,567"
    assert copied(made.rows[0].values) == f"{mean}\t{mean}"


async def test_a_prompt_gives_what_was_filled_in() -> None:
    found: list[str | None] = []
    async with started() as stage:
        prompt = PromptScreen[str](literal("A field"), "", literal("a key"), lambda name, _: Done(name))
        stage.app.push_screen(prompt, found.append)
        await stage.press(*" usage.x ", "enter")
        assert found == ["usage.x"]


def test_built_in_queries_are_told_apart_by_their_titles() -> None:
    titles = [query.title for query in BUILT_IN.values()]
    assert len({*titles}) == len(titles)
    assert PLACEHOLDER in BUILT_IN["one-user"].title


def test_figures_are_short_and_unknown_is_not_zero() -> None:
    answer = Answer(
        ("a", "b", "c"),
        (
            *((1234567, 0.1 + 0.2, None), (None, 1e6, None), (0, 1e-9, None), (5, float("nan"), None)),
            (10**20, 1e300, None),
        ),
    )
    made = shown(answer, None, 0.0)
    cells = [[column.cell(row, START).text.text for column in made.columns] for row in made.rows]
    assert cells == [
        ["1,234,567", "0.30", "–"],
        ["–", "1,000,000.00", "–"],
        ["0", "1.00e-09", "–"],
        ["5", "–", "–"],
        ["100,000,000,000,000,000,000", "1.00e+300", "–"],
    ]
    assert [column.right for column in made.columns] == [True, True, False]
    assert [column.width for column in made.columns] == [27, 12, 1]


# Elsewhere


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


async def test_rows_are_written_to_a_file_for_the_owner_alone(folder: Path) -> None:
    async with started() as stage:
        await stage.ask()
        await stage.press("escape", "x", "enter")
        (file,) = folder.iterdir()
        assert file.name.startswith("query-20")
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        with file.open(newline="") as text:
            header, *rows = csv.reader(text)
        assert header == list(ROWS.columns)
        assert len(rows) == 1_234
        assert stage.notices() == [f"Wrote 1,234 rows to {file}"]


async def test_nothing_is_written_before_a_name_is_agreed_on_and_the_folder_is_said(folder: Path) -> None:
    async with started() as stage:
        await stage.ask()
        await stage.press("escape", "x")
        assert stage.shows(PromptScreen)
        assert f"in {folder};" in stage.said()
        await stage.press("escape")
        assert list(folder.iterdir()) == []


async def test_a_file_is_replaced_only_when_that_is_said_twice(folder: Path) -> None:
    mine = folder / "mine.json"
    mine.write_text("mine")
    async with started(BY_TIME) as stage:
        await stage.ask()
        await stage.press("escape", "x", "ctrl+u", *"mine.json", "enter")
        assert "is there already: enter again replaces it" in stage.text()
        await stage.press("x", "backspace", "enter")
        assert "is there already" in stage.text()
        assert mine.read_text() == "mine"
        await stage.press("enter")
        assert not stage.shows(PromptScreen)
        document = json.loads(mine.read_text())
        assert document["columns"] == list(BY_TIME.columns)
        assert document["rows"][1]["count(*)"] == 323
        assert stat.S_IMODE(mine.stat().st_mode) == 0o600
        assert list(folder.iterdir()) == [mine]


async def test_what_cannot_be_written_is_a_sentence_and_the_name_stays(folder: Path) -> None:
    async with started() as stage:
        await stage.ask()
        await stage.press("escape", "x", "ctrl+u", *"rows.txt", "enter")
        assert "end it in one of .csv, .json, .jsonl, .parquet" in stage.said()
        await stage.press("ctrl+u", *"no/rows.csv", "enter")
        assert "cannot be written: No such file" in stage.said()
        await stage.press("escape")
        assert stage.notices() == []
        assert list(folder.iterdir()) == []


async def test_a_query_is_saved_under_a_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from llmwatch.config import load_config

    monkeypatch.setenv("LLMWATCH_CONFIG", str(folder / "config.toml"))
    async with started() as stage:
        await stage.press("escape", "w")
        assert stage.notices() == ["There is no query to save."]
        stage.pane.fill(QUERY)
        await stage.press("f2", *"a b", "enter")
        assert "cannot be a name" in stage.text()
        await stage.press("ctrl+u", *"mine", "enter")
        assert load_config().queries == {"mine": QUERY}
        stage.pane.fill("fields x")
        await stage.press("escape", "w", *"mine", "enter")
        assert "there is a query of that name" in stage.text()
        assert load_config().queries == {"mine": QUERY}
        await stage.press("enter")
        assert load_config().queries == {"mine": "fields x"}


# Hostile


@pytest.mark.parametrize(("size", "binned"), [(SMALL, False), (WIDE, True)])
async def test_hostile_names_and_values_are_only_text(size: tuple[int, int], binned: bool) -> None:
    texts = [text[:2_000] for text in HOSTILE]
    if binned:
        answer = Answer(
            (texts[0], texts[3], texts[5]),
            tuple((at(n % 9), text, n) for n, text in enumerate(texts * 3)),
            binned=texts[0],
            bin_seconds=60,
            remarks=tuple(texts),
        )
    else:
        answer = Answer(tuple(texts), tuple(tuple(texts[n:] + texts[:n]) for n in range(len(texts))))
    async with started(answer, size) as stage:
        for text in texts:
            stage.pane.fill("")
            stage.app.post_message(Paste(text))
            await stage.settle()
            assert stage.harmless()
        await stage.ask("\n".join(texts))
        assert stage.harmless()
        await stage.press("escape")
        for _ in range(3):
            await stage.press("t")
            assert stage.harmless()
        await stage.press("y")
        assert not [char for char in stage.app.clipboard if forbidden(char) and char != "\t"]
        stage.pane.table.action_open()
        await stage.settle()
        assert stage.shows(RowScreen)
        for _ in range(12):
            assert stage.harmless()
            await stage.press("pagedown")
        await stage.press("escape")
        for text in texts:
            await stage.ask(text, PlacedError(text, text, len(text) // 2))
            assert stage.harmless()


async def test_hostile_saved_queries_are_only_text(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Library(tuple(Known(text, text, text[:5_000]) for text in HOSTILE), HOSTILE[:3])
    async with started() as stage:
        monkeypatch.setattr(stage.pane, "_read", lambda: found)
        await stage.press("ctrl+o")
        for _ in HOSTILE:
            assert stage.harmless()
            await stage.press("j")
        await stage.press("enter")
        assert stage.harmless()
        assert literal(stage.pane.editor.text.replace("\n", " ")).text


async def test_a_long_paste_is_cut_and_that_is_said() -> None:
    async with started() as stage:
        stage.app.post_message(Paste("x" * 50_000 + "\r\n"))
        await stage.settle()
        assert len(stage.pane.editor.text) == 20_000
        assert stage.notices() == ["Only the first 20,000 characters are taken."]


async def test_ten_thousand_rows_cost_the_screen_what_ten_do() -> None:
    """Cells are made for the rows in view, whatever the number of rows."""
    rows = tuple((at(number % 500), f"user{number}", number, number / 7) for number in range(10_000))
    async with started(Answer(("t", "user", "n", "m"), rows, binned="t", bin_seconds=60), SMALL) as stage:
        await stage.ask()
        made = 0
        (first, *others) = stage.pane.table.columns

        def counted(row: Row, now: datetime) -> Cell:
            nonlocal made
            made += 1
            return first.cell(row, now)

        stage.pane.table.set_columns([replace(first, cell=counted), *others])
        await stage.press("escape", "G", "g", "pagedown")
        assert 0 < made < 300
