"""Figures keep their promises: a unit, a width, and no false zero."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmwatch import units


@pytest.mark.parametrize(
    ("figure", "value", "shown"),
    [
        (units.count, 1_234_567, "1,234,567"),
        (units.figure, 3223.0714285714284, "3,223.07"),
        (units.figure, 1_234_567, "1,234,567"),
        (units.figure, 12_345_678_901_234_567_890, "12,345,678,901,234,567,890"),
        (units.figure, 1e6, "1,000,000"),
        (units.figure, 99_999.97, "100,000"),
        (units.figure, 1_234_567.89, "1,234,568"),
        (units.figure, -0.5, "-0.5"),
        (units.figure, 0.1 + 0.2, "0.3"),
        (units.figure, 1.23456789e-9, "1.23457e-09"),
        (units.figure, 1e300, "1e+300"),
        (units.figure, 0.0, "0"),
        (units.tokens, 0, "0"),
        (units.tokens, 999, "999"),
        (units.tokens, 999.7, "1.00k"),
        (units.tokens, 45_610, "45.6k"),
        (units.tokens, 999_999, "1.00M"),
        (units.tokens, 1_234_567, "1.23M"),
        (units.tokens, 7_000_000_000_000_000, "7000T"),
        (units.rate, 0, "0"),
        (units.rate, 0.001, "<0.01"),
        (units.rate, 0.034, "0.03"),
        (units.rate, 42.14, "42.1"),
        (units.rate, 8_123.0, "8.12k"),
        (units.money, 0, "$0.00"),
        (units.money, 0.0049, "<$0.01"),
        (units.money, 1_234.56, "$1,234.56"),
        (units.money, 123_456.7, "$123,457"),
        (units.money, -2.5, "-$2.50"),
        (units.price, 0.0012, "$0.0012"),
        (units.price, 0.00001, "<$0.0001"),
        (units.price, 12.3, "$12.30"),
        (units.latency, 0.2, "<1 ms"),
        (units.latency, 812, "812 ms"),
        (units.latency, 999.7, "1.0 s"),
        (units.latency, 4_100, "4.1 s"),
        (units.latency, 59_960, "1m 00s"),
        (units.latency, 123_000, "2m 03s"),
        (units.latency, 3_720_000, "1h 02m"),
        (units.percent, 0, "0 %"),
        (units.percent, 0.01, "<0.1 %"),
        (units.percent, 3.214, "3.2 %"),
        (units.percent, 99.99, ">99.9 %"),
        (units.percent, 100, "100 %"),
        (units.age, 3.9, "3s"),
        (units.age, 240, "4m"),
        (units.age, 7_300, "2h"),
        (units.age, 200_000, "2d"),
        (units.age, -5, "-5s"),
        (units.size, 812, "812 B"),
        (units.size, 45_600, "45.6 kB"),
        (units.size, 1_230_000_000, "1.23 GB"),
    ],
)
def test_figures(figure: Callable[[float], str], value: float, shown: str) -> None:
    assert figure(value) == shown


FIGURES = [
    units.figure,
    units.tokens,
    units.rate,
    units.money,
    units.price,
    units.latency,
    units.percent,
    units.age,
]


@pytest.mark.parametrize("figure", [*FIGURES, units.count, units.size])
def test_unknown_is_not_zero(figure: Callable[..., str]) -> None:
    assert figure(None) == "–"
    assert figure(None, "unknown") == "unknown"


@pytest.mark.parametrize("figure", FIGURES)
def test_what_is_no_number_is_unknown(figure: Callable[[float], str]) -> None:
    assert figure(math.nan) == figure(math.inf) == "–"


@pytest.mark.parametrize(
    "figure", [units.figure, units.money, units.price, units.rate, units.percent, units.latency]
)
@given(value=st.floats(min_value=1e-300, max_value=1e9))
def test_something_is_never_shown_as_nothing(figure: Callable[[float], str], value: float) -> None:
    assert any(digit in figure(value) for digit in "123456789")
