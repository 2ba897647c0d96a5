"""Insights queries: scripted answers, or an evaluator's, given out in the steps of the real service."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from llmwatch.sources.cloudwatch.api import QueryStatus
from tests.cloudwatch.errors import MalformedQueryError, ServiceError, invalid, missing
from tests.cloudwatch.groups import find, find_named

if TYPE_CHECKING:
    from tests.cloudwatch.service import Answer, Params, Service

Row = dict[str, str]
Evaluate = Callable[[str, tuple[str, ...], int, int], Sequence[Row]]
"""From a query's text, its groups' names and its times in seconds (both inclusive) to the rows."""

MOST_ROWS = 100_000
USUAL_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a query has read, when it is complete."""

    records_matched: float = 0.0
    records_scanned: float = 0.0
    bytes_scanned: float = 0.0


@dataclass(frozen=True, slots=True)
class Step:
    """What one GetQueryResults finds before the end."""

    status: QueryStatus
    rows: Sequence[Row] = ()


USUAL_STEPS = (Step("Scheduled"), Step("Running"))


@dataclass(frozen=True, slots=True)
class Script:
    """How a query goes whose text contains `text` (or for which it holds)."""

    text: str | Callable[[str], bool] = ""
    rows: Sequence[Row] = ()
    statistics: Statistics = Statistics()
    steps: tuple[Step, ...] = USUAL_STEPS
    """One a call, before the final status."""
    final: QueryStatus = "Complete"
    malformed: MalformedQueryError | None = None
    """StartQuery refuses the text."""

    def fits(self, text: str) -> bool:
        """Whether this is the script of a text."""
        return self.text in text if isinstance(self.text, str) else self.text(text)


@dataclass(slots=True)
class _Query:
    script: Script
    limit: int
    step: int = 0
    cancelled: bool = False

    @property
    def running(self) -> bool:
        return not self.cancelled and self.step < len(self.script.steps)

    @property
    def found(self) -> tuple[QueryStatus, Sequence[Row]]:
        """The status and the rows so far."""
        steps = self.script.steps
        if self.cancelled:
            return "Cancelled", steps[self.step - 1].rows if self.step else ()
        if self.running:
            return steps[self.step].status, steps[self.step].rows
        done = self.script.final == "Complete"
        return self.script.final, self.script.rows[: self.limit] if done else ()


@dataclass
class Insights:
    """The queries of a service: the first script that fits a text counts, else the evaluator."""

    scripts: Sequence[Script] = ()
    evaluate: Evaluate | None = None
    """Raises MalformedQueryError for a text it cannot read. Half of its rows are shown while the query runs."""
    page_rows: int = 10_000
    concurrent: int = 100
    stopped: list[str] = field(default_factory=list)
    """Ids of the queries that StopQuery was called for, ended ones too."""
    _queries: dict[str, _Query] = field(default_factory=dict)
    _ids: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def running(self) -> list[str]:
        """Ids of the queries that have not ended."""
        return [identity for identity, query in self._queries.items() if query.running]

    def start(self, service: Service, params: Params) -> Answer:
        """StartQuery."""
        groups = _groups(service, params)
        text, since, until = params["queryString"], params["startTime"], params["endTime"]
        limit = params.get("limit")
        if len(text) > 10_000:
            raise invalid("queryString must have length less than or equal to 10000")
        if until < since:
            raise invalid("endTime must not be before startTime")
        if limit is not None and not 1 <= limit <= MOST_ROWS:
            raise invalid(f"limit must have value between 1 and {MOST_ROWS}")
        if len(self.running) >= self.concurrent:
            raise ServiceError("throttled", "LimitExceededException", "Too many concurrent queries.")
        identity = f"00000000-0000-4000-8000-{next(self._ids):012d}"
        in_text = re.findall(r"\|\s*limit\s+(?:any\s+)?(\d+)", text, re.IGNORECASE)
        most = limit or (int(in_text[-1]) if in_text else USUAL_ROWS)
        self._queries[identity] = _Query(self._script(text, groups, since, until), min(MOST_ROWS, most))
        return {"queryId": identity}

    def _script(self, text: str, groups: tuple[str, ...], since: int, until: int) -> Script:
        script = next((script for script in self.scripts if script.fits(text)), None)
        if script and script.malformed:
            raise script.malformed.as_refusal()
        if script:
            return script
        if self.evaluate is None:
            raise MalformedQueryError("the fake has no script for this query", 0, len(text)).as_refusal()
        try:
            rows = tuple(self.evaluate(text, groups, since, until))
        except MalformedQueryError as error:
            raise error.as_refusal() from error
        steps = (Step("Scheduled"), Step("Running", rows[: len(rows) // 2]))
        size = float(sum(len(value) for row in rows for value in row.values()))
        return Script(rows=rows, statistics=Statistics(float(len(rows)), float(len(rows)), size), steps=steps)

    def _query(self, params: Params) -> _Query:
        query = self._queries.get(params["queryId"])
        if query is None:
            raise missing("query")
        return query

    def results(self, params: Params) -> Answer:
        """GetQueryResults; each call without a token is a step of the query."""
        query = self._query(params)
        status, rows = query.found
        token, most = params.get("nextToken"), params.get("maxItems") or self.page_rows
        if token is not None and (query.running or not token.isdecimal()):
            raise ServiceError(
                "bad_token", "InvalidParameterException", "The specified nextToken is invalid."
            )
        if token is None and query.running:
            query.step += 1
        first = int(token or 0)
        most = min(most, self.page_rows)
        page = rows[first : first + most]
        answer: Answer = {
            "queryLanguage": "CWLI",
            "status": status,
            "results": [[{"field": name, "value": value} for name, value in row.items()] for row in page],
            "statistics": _statistics(query.script, status, len(rows)),
        }
        if status == "Complete" and first + most < len(rows):
            answer["nextToken"] = str(first + most)
        return answer

    def stop(self, params: Params) -> Answer:
        """StopQuery."""
        query = self._query(params)
        self.stopped.append(params["queryId"])
        if not query.running:
            raise invalid("Query is not in a state that can be cancelled, such as Scheduled or Running.")
        query.cancelled = True
        return {"success": True}


def _statistics(script: Script, status: QueryStatus, rows: int) -> dict[str, Any]:
    full = script.statistics
    share = {"Complete": 1.0, "Scheduled": 0.0}.get(status, 0.5)
    return {
        "recordsMatched": float(int(full.records_matched * share)),
        "recordsScanned": float(int(full.records_scanned * share)),
        "estimatedRecordsSkipped": 0.0,
        "bytesScanned": float(int(full.bytes_scanned * share)),
        "estimatedBytesSkipped": 0.0,
        "logGroupsScanned": 1.0,
        "resultCount": float(rows),
    }


def _groups(service: Service, params: Params) -> tuple[str, ...]:
    names = ("logGroupName", "logGroupNames", "logGroupIdentifiers")
    given = [name for name in names if params.get(name)]
    if len(given) != 1:
        raise invalid("Exactly one of logGroupName, logGroupNames and logGroupIdentifiers is needed.")
    if given == ["logGroupName"]:
        return (find(service, {"logGroupName": params["logGroupName"]}).name,)
    identifiers = params[given[0]]
    if len(identifiers) > 50:
        raise invalid("A query takes at most 50 log groups.")
    return tuple(find_named(service, identifier).name for identifier in identifiers)
