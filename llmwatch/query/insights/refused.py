"""What Logs Insights has and the local engine has not, with what to do instead. Nothing of it is ever skipped."""

from __future__ import annotations

from collections.abc import Mapping

_CLOUDWATCH = "run the query on CloudWatch with `--group NAME --engine insights`"

_LEARNED = f"finds its patterns in ways that CloudWatch does not publish: {_CLOUDWATCH}"
_OTHER_DATA = f"reads data that is in CloudWatch alone: {_CLOUDWATCH}"
_WINDOW = f"is a window aggregate, which the local engine does not have: {_CLOUDWATCH}"

REFUSED_COMMANDS: Mapping[str, str] = {
    "pattern": _LEARNED,
    "anomaly": _LEARNED,
    "diff": f"compares with an earlier interval, which the files may not hold: {_CLOUDWATCH}",
    "unmask": _OTHER_DATA,
    "lookup": _OTHER_DATA,
    "join": _OTHER_DATA,
    "source": "names log groups: leave it out and name files, or log groups with `--group`",
    "addtotals": f"is not documented: leave it out, or {_CLOUDWATCH}",
    "estimate": f"is not documented: leave it out, or {_CLOUDWATCH}",
    "head": "is an old name: write `limit`",
    "tail": "is an old name: write `sort @timestamp desc | limit …`",
    "search": 'is an old name: write `filter @message like "…"`',
    "select": "is SQL: `llmwatch sql` takes it, and here it is `fields … | filter …`",
    "order": "is called `sort` here: write `sort … desc`",
    "group": "stands in `stats` here: write `stats count(*) by …`",
}
"""Name in small letters → the end of a sentence that begins with the name."""

REFUSED_FUNCTIONS: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "rate",
            "histogram",
            "count_over_time",
            "sum_over_time",
            "avg_over_time",
            "min_over_time",
            "max_over_time",
        ),
        _WINDOW,
    ),
    **dict.fromkeys(("values", "topk"), f"is not documented: write `stats count(*) by …`, or {_CLOUDWATCH}"),
    "variance": "is not documented: write `stddev(x) ^ 2`",
}

REFUSED_PATTERNS: Mapping[str, str] = dict.fromkeys(
    ("logfmt", "csv", "json", "xml", "kv"),
    f"of `parse` is not read here: write a glob or a regular expression, or {_CLOUDWATCH}",
)
"""What may stand for the pattern of `parse`."""

SUBQUERY = f"a subquery {_OTHER_DATA}"
OFFSET = f"`offset` moves the bins, which the local engine does not do: {_CLOUDWATCH}"

MEANT_FUNCTIONS: Mapping[str, str] = {
    "average": "avg",
    "contains": "strcontains",
    "dc": "count_distinct",
    "distinct": "count_distinct",
    "first": "earliest",
    "ifnull": "coalesce",
    "isnull": "ispresent",
    "isnotnull": "ispresent",
    "last": "latest",
    "len": "strlen",
    "length": "strlen",
    "lower": "tolower",
    "mean": "avg",
    "nvl": "coalesce",
    "percentile": "pct",
    "substring": "substr",
    "upper": "toupper",
}
"""Names from other languages → ours."""
