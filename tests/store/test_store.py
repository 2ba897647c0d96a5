"""What a store holds stays true: when it fails, is killed, is opened again, or learns something late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from llmwatch.errors import UsageError
from llmwatch.query.rates import kpis, rate_window
from llmwatch.query.scope import Scope
from llmwatch.query.tables import count_all, group_calls
from llmwatch.store.fold import Fold
from llmwatch.store.ingest import Ingest
from llmwatch.store.store import Store, StoreSettings
from tests.cli.traffic import call
from tests.store.helpers import as_slice, opened

NOW = datetime(2026, 2, 27, 18, tzinfo=UTC)
CALLS = [
    line for number in range(20) for line in call("ana@example.com", str(number)).splitlines(keepends=True)
]


def _spent(store: Store) -> tuple[int, float | None]:
    store.refresh()
    totals = group_calls(store, Scope(), ["user"], now=NOW).totals
    return totals.requests, totals.cost_usd


def _whole() -> tuple[int, float | None]:
    with opened() as store:
        store.ingest(as_slice(CALLS))
        return _spent(store)


@pytest.mark.parametrize("where", [(Ingest, "_second_chance"), (Ingest, "_bad_rows"), (Fold, "_row_to_fail")])
def test_a_slice_that_failed_can_be_given_again(
    where: tuple[type, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, name = where
    half = len(CALLS) // 2
    with opened() as store:
        store.ingest(as_slice([*CALLS[:half], b"not json"]))
        store.refresh()
        with monkeypatch.context() as patch:
            if owner is Ingest:
                patch.setattr(owner, name, _fail)
                with pytest.raises(duckdb.Error):
                    store.ingest(as_slice([*CALLS[half:], b"not json"], first_line=half + 2))
        store.ingest(as_slice([*CALLS[half:], b"not json"], first_line=half + 2))
        if owner is Fold:
            with monkeypatch.context() as patch:
                patch.setattr(store._fold._prices, "resolve", _fail)
                with pytest.raises(duckdb.Error):
                    store.refresh()
        assert _spent(store) == _whole()
        counters = count_all(store, Scope(), NOW)
        assert (counters.lines, counters.malformed) == (len(CALLS) + 2, 2)


def _fail(*_: object) -> None:
    raise duckdb.InternalException("no room")


def test_a_kept_store_that_was_never_folded_is_folded_when_opened(tmp_path: Path) -> None:
    settings = StoreSettings(database=tmp_path / "kept.duckdb")
    with opened(settings) as store:
        store.ingest(as_slice(CALLS))
    with opened(settings) as store:
        assert _spent(store) == _whole()


def test_a_region_that_is_learned_late_is_the_region_of_all_calls_of_its_stream() -> None:
    line = (
        b'{"timestamp": "2026-02-27T16:46:00Z", "level": "INFO", "logger": "bedrock-router", "message": '
        b'"Initialized Bedrock runtime client", "region": "eu-north-1"}\n'
    )
    answers = []
    for lines in ([*CALLS, line], [line, *CALLS]):
        with opened() as store:
            for place, one in enumerate(lines):
                store.ingest(as_slice([one], first_line=place + 1))
                if place % 20 == 0:
                    store.refresh()
            answers.append(_spent(store))
    with opened() as store:
        store.ingest(as_slice([*CALLS, line]))
        answers.append(_spent(store))
    assert answers[0] == answers[1] == answers[2]


def test_a_steady_rate_is_drawn_as_a_level_line() -> None:
    start = datetime(2026, 2, 27, 16, 47, tzinfo=UTC)
    lines = [
        line
        for second in range(400)
        for line in call(
            "ana@example.com", f"r{second}", started=start + timedelta(seconds=second)
        ).splitlines(keepends=True)
    ]
    with opened() as store:
        store.ingest(as_slice(lines))
        store.refresh()
        window = rate_window(store, NOW, live=False)
        points = kpis(store, Scope(), window, NOW).requests_per_second.points
    assert set(points) == {1.0}


def test_a_persons_query_reads_the_scope_and_nothing_else() -> None:
    with opened() as store:
        store.ingest(as_slice(CALLS))
        store.refresh()
        count = "SELECT count(*) FROM calls"
        for bounds, counted in (({}, 20), ({"since": NOW}, 0), ({"until": NOW}, 20)):
            assert [part.rows for part in store.ask(count, **bounds)] == [[(counted,)]]
        for attack in ("DELETE FROM lines", "SELECT * FROM read_text('/etc/passwd')", "SELECT 1; SELECT 2"):
            with pytest.raises(UsageError):
                list(store.ask(attack))
