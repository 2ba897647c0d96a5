"""The word after `--group`, and the log groups it means."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator

from llmwatch.clean import clean
from llmwatch.errors import SourceError, UsageError
from llmwatch.sources.cloudwatch.api import CallFailed, Group, GroupPage, LogsApi

_NAME = re.compile(r"[.\-_/#A-Za-z0-9]{1,512}")
"""What the service takes for a name."""

_ARN = re.compile(
    r"arn:[a-z-]+:logs:(?P<region>[a-z0-9-]+):\d{12}:log-group:(?P<name>[.\-_/#A-Za-z0-9]{1,512})"
)

_LISTED = 8
"""Groups that a message names at most."""

_PAGES_FOR_A_HINT = 10
"""Pages of all groups that are read to help with a word that means none: 500 groups, 10 requests."""


class NoSuchGroup(SourceError):  # noqa: N818  reads as a clause
    """No group has such a name. There may be one later."""


class SeveralGroups(UsageError):  # noqa: N818
    """A short name that several groups contain."""


def find_groups(api: LogsApi, name: str) -> tuple[Group, ...]:
    """The groups that `name` means: an ARN, `prefix*`, an exact name, else the only group that contains it.

    A group that contains it as it is written goes before one that does so in another case. `prefix*` may
    mean none.

    Raises:
        NoSuchGroup: no group is meant; the nearest names are offered.
        UsageError: SeveralGroups, an ARN of another region, or a word that no group can have.
        CallFailed: the service does not answer. One that refuses to list groups is worked around.

    """
    if name.startswith("arn:"):
        return (_by_arn(api, name),)
    if name.endswith("*"):
        return _by_prefix(api, name.removesuffix("*"))
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{clean(name).text} is no log group's name: those have letters, digits and . - _ / # only."
        )
    try:
        return (_by_name(api, name),)
    except CallFailed as failed:
        if failed.kind != "denied":
            raise
        return (Group(name, name, ""),)


def nearest(name: str, names: Iterable[str], count: int = 3) -> list[str]:
    """At most `count` of `names` that `name` may be a slip of: by the whole of it, or by the part after the last /."""
    wanted = name.casefold()
    scores: dict[str, float] = {}
    for known in names:
        whole = known.casefold()
        matcher = difflib.SequenceMatcher(b=wanted, autojunk=False)
        for part in (whole, whole.rpartition("/")[2]):
            matcher.set_seq1(part)
            if matcher.real_quick_ratio() >= _ALIKE and matcher.quick_ratio() >= _ALIKE:
                scores[known] = max(scores.get(known, 0), matcher.ratio())
    alike = [known for known, score in scores.items() if score >= _ALIKE]
    return sorted(alike, key=lambda known: (-scores[known], known))[:count]


_ALIKE = 0.6
"""How like two names are, from 0 to 1, for one to be offered for the other: the default of difflib."""


def _by_arn(api: LogsApi, name: str) -> Group:
    arn = name.removesuffix(":*")
    parts = _ARN.fullmatch(arn)
    if parts is None:
        raise UsageError(
            f"{clean(name).text} is no ARN of a log group: write arn:aws:logs:REGION:ACCOUNT:log-group:NAME."
        )
    region = getattr(api, "region", None)
    if isinstance(region, str) and region != parts["region"]:
        raise UsageError(
            f"The log group {parts['name']} is in {parts['region']} and {clean(region).text} is asked: "
            f"add --region {parts['region']}."
        )
    try:
        for group in _all(api, prefix=parts["name"]):
            if group.arn == arn:
                return group
    except CallFailed as failed:
        if failed.kind != "denied":
            raise
    return Group(parts["name"], arn, arn)


def _by_prefix(api: LogsApi, prefix: str) -> tuple[Group, ...]:
    if prefix and not _NAME.fullmatch(prefix):
        raise UsageError(
            f"{clean(prefix).text}* begins no log group's name: a * stands at the end only, "
            "after letters, digits and . - _ / #."
        )
    return tuple(_all(api, prefix=prefix or None))


def _by_name(api: LogsApi, name: str) -> Group:
    for group in _all(api, prefix=name):
        if group.name == name:
            return group
    containing = [group for group in _all(api, containing=name) if name in group.name]
    if containing:
        return _only(name, containing)
    listed, complete = _some(api)
    containing = [group for group in listed if name.casefold() in group.name.casefold()]
    if containing:
        return _only(name, containing)
    raise NoSuchGroup(_nothing(name, [group.name for group in listed], complete=complete))


def _only(name: str, groups: list[Group]) -> Group:
    names = sorted({group.name for group in groups})
    if len(names) == 1:
        return groups[0]
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    shown = ", ".join(clean(name).text for name in names[:_LISTED])
    raise SeveralGroups(f"{len(names)} log groups contain {name}: {shown}{more}; write one in full.")


def _nothing(name: str, known: list[str], *, complete: bool) -> str:
    if complete and not known:
        return f"No log group is named {name}, and there is none at all: check --region and --profile."
    near = ", ".join(clean(other).text for other in nearest(name, known))
    if near:
        return f"No log group is named {name} or contains it; near it: {near}."
    extent = "" if complete else f" (of the first {len(known)})"
    return f"No log group is named {name} or contains it, and none{extent} is like it: check --region and --profile."


def _some(api: LogsApi) -> tuple[list[Group], bool]:
    """The first groups of all, and whether they are all."""
    groups: list[Group] = []
    token = None
    for number, page in enumerate(_pages(api), 1):
        groups.extend(page.groups)
        token = page.token
        if number == _PAGES_FOR_A_HINT:
            break
    return groups, token is None


def _all(api: LogsApi, *, prefix: str | None = None, containing: str | None = None) -> Iterator[Group]:
    for page in _pages(api, prefix=prefix, containing=containing):
        yield from page.groups


def _pages(api: LogsApi, *, prefix: str | None = None, containing: str | None = None) -> Iterator[GroupPage]:
    """All pages. A token that comes again would lead around for ever."""
    seen: set[str] = set()
    page = api.describe_groups(prefix=prefix, containing=containing)
    yield page
    while page.token is not None:
        if page.token in seen:
            raise SourceError(
                "CloudWatch lists its log groups without end: name one by its ARN, or try again later."
            )
        seen.add(page.token)
        page = api.describe_groups(prefix=prefix, containing=containing, token=page.token)
        yield page
