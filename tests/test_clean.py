"""What reaches a terminal is visible, bounded, and cannot be mistaken for a command to it."""

from __future__ import annotations

import copy
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmwatch.clean import Clean, clean, join, literal

ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=())) | st.text(
    alphabet="a\u0301\u200d\x1b\ud800\ufe0f "
)


def visible(text: str) -> bool:
    return text.isprintable() and not any(
        unicodedata.category(char) in {"Cf", "Cc", "Cs", "Zl", "Zp"} for char in text
    )


@given(ANY_TEXT, st.integers(2, 300))
def test_any_text_becomes_visible_and_bounded(raw: str, limit: int) -> None:
    shown = clean(raw, limit).text
    assert visible(shown)
    assert len(shown) <= limit


@given(ANY_TEXT)
def test_cleaning_twice_changes_nothing(raw: str) -> None:
    once = clean(raw).text
    assert clean(once).text == once


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=256))
def test_plain_text_is_kept(raw: str) -> None:
    assert clean(raw).text == raw


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b]52;c;aGk=\x07", "␛]52;c;aGk=␇"),
        ("a\nb\r\tc\x7f\x00", "a␊b␍␉c␡␀"),
        ("\x9b31m", "‹9B›31m"),
        ("user\u202egpj.exe", "user‹202E›gpj.exe"),
        ("ad\u200bmin\u2066\u00ad", "ad‹200B›min‹2066›‹AD›"),
        ("\u2028\ud800\ue000\U000e0041\ufe0f\u3164", "‹2028›‹D800›‹E000›‹E0041›‹FE0F›‹3164›"),
        ("cafe\u0301 naïve 東京 สวัสดี", "cafe\u0301 naïve 東京 สวัสดี"),
        ("[@click=app.quit]x[/] [/oops]", "[@click=app.quit]x[/] [/oops]"),
        (b"ok \xff\x1b", "ok \\xff␛"),
        (None, ""),
        (429, "429"),
    ],
)
def test_marks(raw: object, shown: str) -> None:
    assert clean(raw).text == shown


def test_a_flood_of_combining_marks_is_cut_to_a_count() -> None:
    assert clean("z" + "\u0335" * 90 + "o").text == "z" + "\u0335" * 3 + "‹+87›o"


def test_a_mark_never_lands_on_the_text_before_it() -> None:
    assert join([literal("$5"), clean("\u0335x")]).text == "$5◌\u0335x"


def test_a_megabyte_costs_no_more_than_what_is_shown() -> None:
    lines = [f"{number}" + "\x1b\u0335é" * 350_000 for number in range(20)]
    start = time.perf_counter()
    shown = [clean(line).text for line in lines]
    assert time.perf_counter() - start < 0.2
    assert {len(text) for text in shown} == {256}


def test_cut_text_says_so() -> None:
    assert clean("x" * 300, 10).text == "xxxxxxxxx…"
    assert clean("x" * 10, 10).text == "x" * 10


def test_clean_text_cannot_be_made_by_hand() -> None:
    with pytest.raises(TypeError):
        Clean()
    with pytest.raises(AttributeError):
        clean("x").text = "\x1b"  # type: ignore[misc]
    with pytest.raises(ValueError, match="not plain text"):
        literal("\x1b[2J")
    assert copy.copy(clean("x")) == clean("x")
    assert not isinstance(clean("x"), str)
