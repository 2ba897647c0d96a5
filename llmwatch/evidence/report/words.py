"""A report's facts in words: what each section is called, what it lists, and what has to be said with it."""

from __future__ import annotations

from datetime import UTC, datetime

from llmwatch import units
from llmwatch.clean import literal
from llmwatch.evidence.report.chain_words import chain_line, chain_section, chain_tile
from llmwatch.evidence.report.document import (
    UNKNOWN,
    Cell,
    Document,
    Grid,
    Section,
    Tile,
    facts,
    grid,
    many,
    own,
    quoted,
    sentences,
)
from llmwatch.evidence.report.facts import Report
from llmwatch.evidence.report.usage_words import usage_grid
from llmwatch.query.snapshot import Usage

_ROWS = 20
_DAYS = 100
_SOURCES = 20
_MODELS_OF_AN_ERROR = 3
_TOKENS = {
    "input_tokens": "input, not from a cache",
    "cache_read_tokens": "read from a cache",
    "cache_write_tokens": "written to a cache",
    "output_tokens": "output",
}


def in_words(report: Report) -> Document:
    """The report as people read it."""
    return Document(
        title=literal("LLM usage report"),
        lead=literal(_asked(report)),
        tiles=_tiles(report),
        sections=(
            _period(report),
            _totals(report),
            _table(
                "models",
                "By model",
                usage_grid(report.models, "Model", _ROWS, "model"),
            ),
            _table("users", "By user", usage_grid(report.users, "User", _ROWS, "user")),
            _table("days", "By day", usage_grid(report.days, "Day (UTC)", _DAYS, "day", newest=True)),
            _errors(report),
            _security(report),
            _blind_spots(report),
            chain_section(report),
            _sources(report),
        ),
        imprint=literal(f"Made at {moment(report.made)} by llmwatch {report.version}"),
        verdict=chain_line(report),
    )


def moment(time: datetime | None) -> str:
    """A time for people, to the second; it is UTC and says so."""
    return UNKNOWN if time is None else f"{time.astimezone(UTC).replace(tzinfo=None):%Y-%m-%d %H:%M:%S} UTC"


def _asked(report: Report) -> str:
    period = report.period
    since, until = period.since, period.until
    if since is None and until is None:
        there = (
            "" if period.first is None else f": calls from {moment(period.first)} to {moment(period.last)}"
        )
        return f"All that was read{there}"
    begin = "From the beginning" if since is None else f"From {moment(since)}"
    return f"{begin} to {'the end' if until is None else moment(until)}"


def _tiles(report: Report) -> tuple[Tile, ...]:
    totals, outcomes = report.totals, report.outcomes
    known = [getattr(totals, name) for name in _TOKENS if getattr(totals, name) is not None]
    percent = units.percent(_percent(report), UNKNOWN)
    users = sum(row.key != (None,) for row in report.users.rows)
    return (
        _tile("Calls", units.count(totals.requests), many(users, "user")),
        _tile("Success rate", percent, f"of {units.count(outcomes.judged)} that succeeded or failed"),
        _tile("Cost", units.money(totals.cost_usd, UNKNOWN), f"{many(totals.unpriced, 'call')} unpriced"),
        _tile(
            "Tokens",
            units.tokens(sum(known) if known else None, UNKNOWN),
            f"{many(totals.unmetered, 'call')} unmetered",
        ),
        _tile(
            "Latency, 95 %",
            units.latency(totals.latency_p95_ms, UNKNOWN),
            f"median {units.latency(totals.latency_p50_ms, UNKNOWN)}",
        ),
        chain_tile(report),
    )


def _tile(label: str, value: str, remark: str) -> Tile:
    return Tile(literal(label), literal(value), literal(remark))


def _percent(report: Report) -> float | None:
    rate = report.outcomes.success_rate
    return None if rate is None else 100 * rate


def _period(report: Report) -> Section:
    period = report.period
    asked = [
        ("from", own(moment(period.since) if period.since else "the beginning")),
        ("until", own(moment(period.until) if period.until else "the end")),
        ("filter", quoted(period.filter, "none")),
    ]
    there = [
        ("first call of the period began", own(moment(period.first))),
        ("last one was last heard of", own(moment(period.last))),
        ("all that was read begins", own(moment(period.log_first))),
        ("all that was read ends", own(moment(period.log_last))),
    ]
    told = [
        "A call is of the period in which it began: from the first moment on, up to but not including the last."
    ]
    return Section(
        "period", literal("Period"), sentences(told), (facts(asked, "Asked for"), facts(there, "There"))
    )


def _totals(report: Report) -> Section:
    totals, outcomes, latency = report.totals, report.outcomes, report.latency
    calls = [
        ("calls", own(units.count(totals.requests))),
        ("succeeded", own(units.count(outcomes.ok))),
        ("failed", own(units.count(outcomes.errors))),
        ("aborted: the client hung up", own(units.count(outcomes.aborted))),
        ("unfinished: no end was logged", own(units.count(outcomes.unfinished))),
        ("still open", own(units.count(outcomes.open))),
        ("success rate", own(units.percent(_percent(report), UNKNOWN))),
    ]
    tokens = [(words, own(units.count(getattr(totals, name), UNKNOWN))) for name, words in _TOKENS.items()]
    cost = ("cost", own(units.money(totals.cost_usd, UNKNOWN)))
    times = {
        "median": latency.p50_ms,
        "95 % are faster than": latency.p95_ms,
        "mean": latency.mean_ms,
        "longest": latency.max_ms,
    }
    grids = (
        facts(calls, "Calls"),
        facts([*tokens, cost], "Tokens and cost"),
        facts([(name, own(units.latency(value, UNKNOWN))) for name, value in times.items()], "Latency"),
    )
    return Section("totals", literal("Totals"), sentences(_about_totals(report, totals)), grids)


def _about_totals(report: Report, totals: Usage) -> list[str]:
    outcomes = report.outcomes
    rate = f"{units.count(outcomes.ok)} of the {units.count(outcomes.judged)} calls that succeeded or failed"
    told = [
        f"The success rate is of calls that had an outcome: {rate}.",
        "Aborted, unfinished and open calls are no failures of the service and are in neither number.",
    ]
    if totals.unmetered:
        told.append(f"Tokens and cost lack {many(totals.unmetered, 'call')} whose answer told no tokens.")
    if totals.unpriced:
        told.append(f"The cost lacks {many(totals.unpriced, 'call')} with tokens and no price.")
    if report.latency.known < totals.requests:
        told.append(f"Latency is of the {many(report.latency.known, 'call')} that tell it.")
    return told


def _table(name: str, title: str, table: Grid) -> Section:
    if not table.rows:
        return Section(name, literal(title), sentences(["No call is in scope."]))
    return Section(name, literal(title), (), (table,))


def _errors(report: Report) -> Section:
    title = literal("Errors by type")
    if not report.errors:
        return Section("errors", title, sentences(["No call failed."]))
    failed = report.outcomes.errors
    rows = [
        (
            quoted(one.error),
            own(moment(one.last_seen)),
            own(units.count(one.requests)),
            own(units.percent(100 * one.requests / failed)),
        )
        for one in report.errors
    ]
    shares = [
        (quoted(one.error), quoted(share.model), own(units.count(share.requests)))
        for one in report.errors[:_ROWS]
        for share in one.models[:_MODELS_OF_AN_ERROR]
    ]
    rest = report.errors[_ROWS:]
    others = sum(one.requests for one in rest)
    foot = [
        (
            own(many(len(rest), "more type")),
            own(""),
            own(units.count(others)),
            own(units.percent(100 * others / failed)),
        )
    ]
    total = (own("Total"), own(""), own(units.count(failed)), own(units.percent(100)))
    return Section(
        "errors",
        title,
        (),
        (
            grid(
                ("Error", "Last seen", "Calls", "Share"),
                rows[:_ROWS],
                2,
                foot=[*(foot if rest else []), total],
                caption="Failed calls, each once, by what failed them",
            ),
            grid(
                ("Error", "Model", "Calls"),
                shares,
                2,
                caption=f"On which models, at most {_MODELS_OF_AN_ERROR} of each error",
            ),
        ),
    )


def _security(report: Report) -> Section:
    found, title = report.security, literal("Security events")
    if not found.total:
        told = "None was logged in the period. A gateway logs few of them: that none is here proves little."
        return Section("security", title, sentences([told]))
    counts = [
        (quoted(one.event), quoted(one.dialect), own(moment(one.last_seen)), own(units.count(one.count)))
        for one in found.by_event[:_ROWS]
    ]
    hidden = len(found.by_event) - len(counts)
    rest = sum(one.count for one in found.by_event[_ROWS:])
    foot = [(own(f"{units.count(hidden)} more"), own(""), own(""), own(units.count(rest)))] if hidden else []
    newest = [
        (own(moment(one.time)), quoted(one.event), quoted(one.user), quoted(one.source))
        for one in found.newest
    ]
    return Section(
        "security",
        title,
        (),
        (
            grid(("Event", "Log format", "Last seen", "Count"), counts, 3, foot=foot, caption="How often"),
            grid(("Time", "Event", "User", "Source"), newest, 4, caption="The newest, newest first"),
        ),
    )


def _blind_spots(report: Report) -> Section:
    spots, outcomes = report.blind_spots, report.outcomes
    windowed = report.period.since is not None or report.period.until is not None
    untimed = "left out: nobody knows if they are of the period" if windowed else "of no day"
    rows: list[tuple[str, int | None, str]] = [
        ("unmetered calls", spots.unmetered, "were answered, and nobody knows their tokens and cost"),
        ("unpriced calls", spots.unpriced, "have tokens and no price"),
        ("calls without a user", spots.without_user, "under (unknown) by user"),
        ("calls without a model", spots.without_model, "under (unknown) by model"),
        ("calls without a time", spots.without_time, untimed),
        ("unfinished calls", outcomes.unfinished, "no end was logged, and none is expected any more"),
        ("open calls", outcomes.open, "without an end when the report was made"),
        ("malformed lines", spots.malformed, "no JSON object; of all that was read"),
        ("unrecognised lines", spots.unrecognised, "of no format that is known; of all that was read"),
        ("late events", spots.late, "came after their time had been read; they are counted"),
        ("sampled updates", spots.sampled, "of Live Tail, with events left out by the service"),
    ]
    told = [f"NOT READ: {sentence}" for sentence in spots.unread]
    if spots.late is None:
        told.append("Nobody kept count of what came late from the log groups.")
    grids = [
        grid(
            ("What", "Meaning", "Count"),
            [(own(what), own(meaning), own(units.count(count, UNKNOWN))) for what, count, meaning in rows],
            2,
        )
    ]
    if spots.unpriced_models:
        grids.append(_unpriced(report))
    return Section("blind-spots", literal("Blind spots"), sentences(told), tuple(grids))


def _unpriced(report: Report) -> Grid:
    models = report.blind_spots.unpriced_models
    rest = sum(one.requests for one in models[_ROWS:])
    more = own(many(len(models) - _ROWS, "more model"))
    return grid(
        ("Provider", "Model", "Calls"),
        [(quoted(one.provider), quoted(one.model), own(units.count(one.requests))) for one in models[:_ROWS]],
        2,
        foot=[(more, own(""), own(units.count(rest)))] if rest else (),
        caption="Models without a price",
    )


def _sources(report: Report) -> Section:
    listed = report.sources[:_SOURCES]
    hidden = report.sources[_SOURCES:]
    more: tuple[Cell, ...] = (
        own(many(len(hidden), "more source")),
        own(units.count(sum(one.lines for one in hidden))),
    )
    counters = report.counters
    told = (
        f"{many(counters.lines, 'line')} were read, not counting blank ones: {many(counters.events, 'event')}, "
        f"and {units.count(counters.lines - counters.events)} that were not understood. In scope: "
        f"{many(counters.calls, 'call')} and {many(counters.other_requests, 'other request')} that never got as far "
        "as a model."
    )
    rows = [(quoted(one.source), own(units.count(one.lines))) for one in listed]
    table = grid(("Source", "Lines"), rows, foot=[more] if hidden else ())
    return Section("sources", literal("Sources"), sentences([told]), (table,) if rows else ())
