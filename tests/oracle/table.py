"""Calls to the rows of `top`."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.oracle.call import Call
    from tests.oracle.tokens import Tokens

Price = Callable[[str | None, "Tokens"], Decimal | None]
"""The cost in USD of a model's tokens; None where the model has no price."""


@dataclass(frozen=True)
class Row:
    """One row, named as in the JSON of `top`. Sums are over what is known; a cost of None is unknown."""

    requests: int
    errors: int
    aborted: int
    unfinished: int
    unmetered: int
    input_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    output_tokens: int
    cost_usd: Decimal | None
    unpriced: int
    latency_p50_ms: float | None
    latency_p95_ms: float | None
    first_seen: datetime | None
    last_seen: datetime | None


def group(
    calls: "Iterable[Call]", by: Sequence[str], price: Price | None = None
) -> dict[tuple[object, ...], Row]:
    """Rows by the values of these fields of `Call`; `by` empty gives the totals. Only LLM requests count."""
    groups: dict[tuple[object, ...], list[Call]] = {}
    for call in calls:
        if call.reached_model:
            groups.setdefault(tuple(getattr(call, name) for name in by), []).append(call)
    return {key: row_of(members, price or no_price) for key, members in groups.items()}


def no_price(model: str | None, tokens: "Tokens") -> Decimal | None:
    """The price where none is asked for."""
    return None


def row_of(calls: "Sequence[Call]", price: Price) -> Row:
    outcomes = [call.outcome for call in calls]
    latencies = [call.latency_ms for call in calls if call.latency_ms is not None]
    costs = [price(call.model, call.tokens) for call in calls if call.tokens.known]
    paid = [cost for cost in costs if cost is not None]
    return Row(
        requests=len(calls),
        errors=outcomes.count("error"),
        aborted=outcomes.count("aborted"),
        unfinished=outcomes.count("unfinished"),
        unmetered=sum(call.unmetered for call in calls),
        input_tokens=sum(call.tokens.input or 0 for call in calls),
        cache_read_tokens=sum(call.tokens.cache_read or 0 for call in calls),
        cache_write_tokens=sum(call.tokens.cache_write or 0 for call in calls),
        output_tokens=sum(call.tokens.output or 0 for call in calls),
        cost_usd=sum(paid, Decimal(0)) if paid else None,
        unpriced=len(costs) - len(paid),
        latency_p50_ms=quantile(latencies, 0.50),
        latency_p95_ms=quantile(latencies, 0.95),
        first_seen=min((call.first_seen for call in calls if call.first_seen is not None), default=None),
        last_seen=max((call.last_seen for call in calls if call.last_seen is not None), default=None),
    )


def quantile(values: Sequence[float], share: float) -> float | None:
    """The value below which `share` of the values lie, on the straight line between its two neighbours."""
    if not values:
        return None
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
