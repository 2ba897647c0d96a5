"""How the Query pane looks. `pytest --snapshot-update` takes new pictures."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from llmwatch.query.insights.answer import Answer
from llmwatch.query.insights.faults import QueryError
from tests.tui.asking import BY_MODEL, BY_TIME, FAULT, QUERY, ROWS, Alone, Asked
from tests.tui.conftest import SMALL, WIDE


class Posed(Alone):
    """Has asked when the picture is taken."""

    def __init__(self, text: str, answer: Answer | Exception) -> None:
        super().__init__(Asked(answer))
        self._text = text

    async def on_ready(self) -> None:
        self.pane.fill(self._text)
        self.pane.action_ask()


_FAULT = QueryError(FAULT, FAULT.index("filtre"), "there is no command `filtre`: did you mean `filter`?")


@pytest.mark.parametrize("size", [SMALL, WIDE], ids=["small", "wide"])
@pytest.mark.parametrize(
    ("text", "answer"),
    [
        pytest.param("fields @message", ROWS, id="rows"),
        pytest.param(QUERY, BY_MODEL, id="series"),
        pytest.param("stats count(*), avg(latency), sum(cost) by bin(1m)", BY_TIME, id="columns"),
        pytest.param(FAULT, _FAULT, id="fault"),
    ],
)
def test_look_of_query(
    snap_compare: Callable[..., bool], size: tuple[int, int], text: str, answer: Answer | Exception
) -> None:
    assert snap_compare(Posed(text, answer), terminal_size=size, press=["wait:300"])


@pytest.mark.parametrize(
    ("keys", "size"),
    [
        pytest.param(["ctrl+o", "wait:200", "j"], SMALL, id="queries"),
        pytest.param(["wait:300", "escape", "enter"], SMALL, id="row"),
        pytest.param(["wait:300", "escape", "t", "t"], WIDE, id="chart"),
    ],
)
def test_look_of_query_screens(
    snap_compare: Callable[..., bool], keys: list[str], size: tuple[int, int]
) -> None:
    answer = BY_MODEL if size == WIDE else ROWS
    assert snap_compare(Posed(QUERY, answer), terminal_size=size, press=keys)
