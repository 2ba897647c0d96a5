"""The rows that CloudWatch answers a `CallsQuery` with, priced and put together to a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from functools import partial
from itertools import pairwise

from llmwatch.errors import SourceError
from llmwatch.pricing.price import KINDS, Price, PriceKey
from llmwatch.pricing.resolver import PriceResolver
from llmwatch.query.columns import MEASURES
from llmwatch.query.insights_calls import LATENCY_PERCENTILES, CallsQuery, class_tokens
from llmwatch.query.snapshot import Table, TableRow, Usage
from llmwatch.store.schema import TOKEN_COLUMNS

Row = Mapping[str, str]

_EXACT_BELOW = 2**53
"""Whole numbers below which a sum is exact whatever kind of number the service adds."""

_SAMPLES = 100
"""Of the latencies of one row, where rows are put together."""

_COUNTS = ("requests", "errors", "aborted", "unfinished", "unmetered")
_CACHE_COLUMNS = TOKEN_COLUMNS[1:3]


@dataclass(frozen=True, slots=True)
class Approximation:
    """Figures of a column that may differ from those of the local engine: why, and how many calls or rows."""

    column: str
    reason: str
    count: int | None = None


@dataclass(frozen=True, slots=True)
class InsightsTable:
    """A table, and what in it is not exact."""

    table: Table
    approximate: tuple[Approximation, ...]


@dataclass(frozen=True, slots=True)
class Pricing:
    """Where prices come from.

    The lines of a call do not name the region of the gateway, and the group's may be another. None is what the local
    engine has too, unless a start of the gateway is among the lines.
    """

    resolver: PriceResolver
    region: str | None = None


def insights_table(
    query: CallsQuery,
    rows: Iterable[Row],
    pricing: Pricing,
    *,
    sort: str = "cost_usd",
    descending: bool = True,
    limit: int = 0,
) -> InsightsTable:
    """The answer as a table, best first, in the order that `group_calls` has; `limit` 0 is all groups.

    Raises:
        SourceError: a row is not one of this query.

    """
    groups: dict[tuple[str | None, ...], _Sums] = {}
    total = _Sums()
    bill = _Bill(query, pricing)
    for row in rows:
        key = tuple(_key(query, row, name) for name in query.by)
        figures = _Sums.of_row(row)
        bill.price(row, figures)
        groups.setdefault(key, _Sums()).add(figures)
        total.add(figures)
    found = [TableRow(key, sums.usage()) for key, sums in groups.items() if sums.counts["requests"]]
    ordered = _ordered(found, query.by, sort, descending)
    table = Table(query.by, tuple(ordered[:limit] if limit else ordered), len(ordered), total.usage())
    return InsightsTable(table, tuple(_approximations(total, bill, ordered)))


@dataclass(frozen=True, slots=True)
class _Latencies:
    """How many, and their values at `LATENCY_PERCENTILES`."""

    count: int
    values: tuple[float, ...]

    def samples(self) -> Iterator[tuple[float, float]]:
        """Values and their weights with about these percentiles: those few that there were, or a hundred."""
        number = min(self.count, _SAMPLES)
        first, last = (0.5, number) if self.count > _SAMPLES else (0.0, max(number - 1, 1))
        places = [100 * (first + sample) / last for sample in range(number)]
        borders = list(pairwise(zip(LATENCY_PERCENTILES, self.values, strict=True)))
        border = 0
        for place in places:
            while place > borders[border][1][0]:
                border += 1
            (left, low), (right, high) = borders[border]
            yield low + (high - low) * (place - left) / (right - left), self.count / number


@dataclass(slots=True)
class _Sums:
    """Figures of some calls, which add up."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys((*_COUNTS, *_DOUBTS), 0))
    tokens: dict[str, int | None] = field(default_factory=lambda: dict.fromkeys(TOKEN_COLUMNS))
    cost: Decimal | None = None
    unpriced: int = 0
    first: datetime | None = None
    last: datetime | None = None
    latencies: list[_Latencies] = field(default_factory=list)

    @classmethod
    def of_row(cls, row: Row) -> _Sums:
        timed = _whole(row, "row_timed")
        values = [_number(row, f"row_latency{percent}") for percent in LATENCY_PERCENTILES] if timed else []
        known = [float(value) for value in values if value is not None]
        return cls(
            counts={name: _whole(row, f"row_{name}") for name in (*_COUNTS, *_DOUBTS)},
            tokens={
                name: _whole(row, f"row_{name}") if _whole(row, f"row_has_{name}") else None
                for name in TOKEN_COLUMNS
            },
            first=_moment(row.get("row_first")),
            last=_moment(row.get("row_last")),
            latencies=[_Latencies(timed, tuple(known))] if known and len(known) == len(values) else [],
        )

    def add(self, other: _Sums) -> None:
        for name, count in other.counts.items():
            self.counts[name] += count
        for name, tokens in other.tokens.items():
            if tokens is not None:
                self.tokens[name] = (self.tokens[name] or 0) + tokens
        if other.cost is not None:
            self.cost = (self.cost or Decimal(0)) + other.cost
        self.unpriced += other.unpriced
        self.first = min((moment for moment in (self.first, other.first) if moment), default=None)
        self.last = max((moment for moment in (self.last, other.last) if moment), default=None)
        self.latencies += other.latencies

    def usage(self) -> Usage:
        return Usage(
            **{name: self.counts[name] for name in _COUNTS},
            input_tokens=self.tokens["input_tokens"],
            cache_read_tokens=self.tokens["cache_read_tokens"],
            cache_write_tokens=self.tokens["cache_write_tokens"],
            output_tokens=self.tokens["output_tokens"],
            cost_usd=None if self.cost is None else float(self.cost),
            unpriced=self.unpriced,
            latency_p50_ms=_percentile(self.latencies, 50),
            latency_p95_ms=_percentile(self.latencies, 95),
            first_seen=self.first,
            last_seen=self.last,
        )


_DOUBTS: Mapping[str, tuple[str, str]] = {
    "shared": (
        "requests",
        "request ids with several calls, which are one call here: their tokens are added up, for one user and model",
    ),
    "unstarted": ("requests", "calls whose start was not read: it is before the range, or not in the log"),
    "open": (
        "unfinished",
        "calls without an end and younger than 15 minutes: whether their process was restarted is not looked for",
    ),
    "unreadable": (
        "requests",
        "lines that CloudWatch cannot read as JSON, as those with NaN in them: what they say is missing",
    ),
}
"""Column `row_…` of the answer → the column of the table that it casts a doubt on, and why."""


def _approximations(total: _Sums, bill: _Bill, rows: Sequence[TableRow]) -> Iterable[Approximation]:
    for name in ("latency_p50_ms", "latency_p95_ms"):
        if total.latencies:
            yield Approximation(
                name, "percentiles of CloudWatch are estimates, and put together from several rows"
            )
    for doubt, (column, reason) in _DOUBTS.items():
        count = total.counts[doubt]
        if doubt == "open":
            count -= total.counts["unfinished"]
        if count:
            yield Approximation(column, reason, count)
    large = sum(
        any((getattr(row.usage, name) or 0) >= _EXACT_BELOW for name in TOKEN_COLUMNS) for row in rows
    )
    for name in (*TOKEN_COLUMNS, "cost_usd") if large else ():
        yield Approximation(name, "rows with sums of 2^53 or more, which CloudWatch may have rounded", large)
    yield from bill.doubts()


@dataclass(slots=True)
class _Bill:
    """Prices rows, and counts the calls whose price is not certain."""

    query: CallsQuery
    pricing: Pricing
    changed: int = 0
    torn: int = 0
    """Calls of a class of which some have a price and some have not, or some a long one: which, is not known."""

    def price(self, row: Row, figures: _Sums) -> None:
        """Say what a row costs."""
        price, certain = self._price(row)
        for number in range(1, self.query.classes + 1):
            calls = _whole(row, f"class{number}_calls")
            if not calls:
                continue
            self.changed += 0 if certain else calls
            tokens = {name: _whole(row, f"class{number}_{name}") for name in class_tokens(number)}
            cost = None if price is None else self._cost(number, calls, tokens, price)
            if cost is None:
                figures.unpriced += calls
            else:
                figures.cost = (figures.cost or Decimal(0)) + cost

    def doubts(self) -> Iterable[Approximation]:
        """What is not certain about the costs."""
        if self.changed:
            yield Approximation(
                "cost_usd",
                "calls whose model changes its price in the range: --by with day is exact",
                self.changed,
            )
        if self.torn:
            reason = "calls of models whose price is for a part of them only, or changes with other numbers of tokens"
            yield Approximation("cost_usd", reason, self.torn)
            yield Approximation("unpriced", reason, self.torn)

    def _price(self, row: Row) -> tuple[Price | None, bool]:
        """The price of a row's calls, and whether it was the same all the time."""
        model, provider = row.get("call_model"), self.query.constant("provider")
        if not model or not provider:
            return None, True
        day = _day(row.get("row_day") or row.get("row_hour"))
        first, last = _day(row.get("row_first")), _day(row.get("row_last"))
        days = [day or first or self.query.now.date(), day or last or self.query.now.date()]
        prices = [
            self.pricing.resolver.resolve(PriceKey(provider, model, self.pricing.region, day)) for day in days
        ]
        return prices[-1], prices[0] == prices[-1]

    def _cost(self, number: int, calls: int, tokens: Mapping[str, int], price: Price) -> Decimal | None:
        """The cost of the calls of a class; None where they have no price."""
        thresholds = (0, *self.query.long_above)
        level = (number - 1) // 2
        above, below = thresholds[level], (*thresholds, None)[level + 1]
        long = price.threshold is not None and above >= price.threshold
        if price.threshold is not None and not long and (below is None or price.threshold < below):
            self.torn += calls
        kinds = {f"{kind}_tokens": getattr(price, f"long_{kind}" if long else kind) for kind in KINDS}
        missing = [name for name, count in tokens.items() if count and kinds[name] is None]
        if not missing:
            return sum((count * kinds[name] for name, count in tokens.items() if count), Decimal(0))
        if any(tokens.get(name) for name in _CACHE_COLUMNS if name not in missing) or not set(missing) & set(
            _CACHE_COLUMNS
        ):
            self.torn += calls
        return None


def _key(query: CallsQuery, row: Row, name: str) -> str | None:
    names = query.keys()
    return (row.get(names[name]) or None) if name in names else query.constant(name)


def _ordered(rows: Iterable[TableRow], by: Sequence[str], sort: str, descending: bool) -> list[TableRow]:
    """As `tables` orders: unknown last either way, then the most requests, then from A to Z."""

    def name(row: TableRow, place: int) -> tuple[bool, str]:
        return row.key[place] is None, row.key[place] or ""

    def figure(row: TableRow) -> float:
        value = getattr(row.usage, sort)
        return value.timestamp() if isinstance(value, datetime) else float(value or 0)

    ordered = sorted(rows, key=lambda row: [name(row, place) for place in range(len(by))])
    ordered.sort(key=lambda row: -row.usage.requests)
    if sort in MEASURES:
        ordered.sort(key=figure, reverse=descending)
        ordered.sort(key=lambda row: getattr(row.usage, sort) is None)
    for place in [list(by).index(sort)] if sort in by else reversed(range(len(by))) if sort == "key" else ():
        ordered.sort(key=partial(name, place=place), reverse=descending)
        ordered.sort(key=lambda row, place=place: row.key[place] is None)  # type: ignore[misc]
    return ordered


def _percentile(parts: Sequence[_Latencies], percent: int) -> float | None:
    """Of one part what CloudWatch says; of several the quantile of values that could have made their percentiles."""
    if not parts:
        return None
    if len(parts) == 1:
        return parts[0].values[LATENCY_PERCENTILES.index(percent)]
    wanted = percent / 100 * (sum(part.count for part in parts) - 1)
    passed, before, low = 0.0, 0.0, 0.0
    for value, weight in sorted(sample for part in parts for sample in part.samples()):
        place = passed + (weight - 1) / 2
        if place >= wanted:
            share = (wanted - before) / (place - before) if place > before else 1.0
            return round(value if passed == 0 else low + (value - low) * share, 3)
        passed, before, low = passed + weight, place, value
    return round(low, 3)


def _whole(row: Row, name: str) -> int:
    """A count of the answer; a sum over nothing is none."""
    number = _number(row, name)
    return 0 if number is None else int(number)


def _number(row: Row, name: str) -> Decimal | None:
    text = row.get(name)
    if not text:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise SourceError(f"CloudWatch answered {text!r} for {name}, which is no number: try again") from None
    return number if number.is_finite() else None


def _moment(text: str | None) -> datetime | None:
    """A time of the log; what is none is unknown."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat((text or "")[:10])
    except ValueError:
        return None
