"""The word after `--group`, and the log groups it means."""

from __future__ import annotations

import difflib
import re
import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

from llmwatch.clean import clean
from llmwatch.errors import SourceError, UsageError
from llmwatch.sources.cloudwatch.api import CallFailed, Group, GroupPage, LogsApi
from llmwatch.sources.cloudwatch.budget import Budget

_NAME = re.compile(r"[.\-_/#A-Za-z0-9]{1,512}")
"""What the service takes for a name."""

_ARN = re.compile(
    r"arn:[a-z-]+:logs:(?P<region>[a-z0-9-]+):\d{12}:log-group:(?P<name>[.\-_/#A-Za-z0-9]{1,512})"
)

_LISTED = 8
"""Groups that a message names at most."""

_PAGES_IN_ANY_CASE = 40
"""Pages of all groups that are read for a word that none has as it is written: 2,000 groups. The service looks for
parts of names in their own case only."""


class NoSuchGroup(SourceError):  # noqa: N818  reads as a clause
    """No group has such a name. There may be one later."""


class SeveralGroups(UsageError):  # noqa: N818
    """A short name that several groups contain."""


@dataclass(frozen=True, slots=True)
class GroupsAsked:
    """One page of groups that a search needs next."""

    prefix: str | None = None
    containing: str | None = None
    token: str | None = None
    region: str | None = None
    """That of an ARN: another region has not the group."""

    def run(self, api: LogsApi) -> GroupPage:
        """Ask for it. Raises CallFailed, and UsageError where the service is that of another region."""
        asked = getattr(api, "region", None)
        if self.region and isinstance(asked, str) and asked != self.region:
            raise UsageError(
                f"The log group {self.prefix} is in {self.region} and {clean(asked).text} is asked: "
                f"add --region {self.region}."
            )
        return api.describe_groups(prefix=self.prefix, containing=self.containing, token=self.token)


Found = TypeVar("Found")
Search = Generator[GroupsAsked, GroupPage, Found]
"""Says what to ask next, is sent the page or thrown the CallFailed, and returns what it found. So whoever asks keeps
budget and patience, and a refusal does not begin the search anew."""


def find_groups(
    api: LogsApi, name: str, *, patience: int = 0, sleep: Callable[[float], None] = time.sleep
) -> tuple[Group, ...]:
    """What `search_groups` finds, at once. Up to `patience` refusals in a row that time mends are waited for.

    Raises:
        CallFailed: the service does not answer.
        NoSuchGroup, UsageError: as `search_groups`.

    """
    search, budget = search_groups(name), Budget(1)
    try:
        asked = next(search)
        while True:
            try:
                page = asked.run(api)
            except CallFailed as failure:
                if failure.kind in ("throttled", "unreachable") and budget.refusals < patience:
                    sleep(budget.back_off(0))
                else:
                    asked = search.throw(failure)
                continue
            budget.succeeded()
            asked = search.send(page)
    except StopIteration as found:
        groups: tuple[Group, ...] = found.value
        return groups


def search_groups(name: str) -> Search[tuple[Group, ...]]:
    """The groups that `name` means: an ARN, `prefix*`, an exact name, else the only group that contains it.

    A group that contains it as it is written goes before one that does so in another case. `prefix*` may
    mean none.

    Raises:
        NoSuchGroup: no group is meant; the nearest names are offered.
        UsageError: SeveralGroups, an ARN of another region, or a word that no group can have.
        CallFailed: as thrown in. That groups may not be listed is worked around.

    """
    if name.startswith("arn:"):
        return ((yield from _by_arn(name)),)
    if name.endswith("*"):
        return (yield from _by_prefix(name.removesuffix("*")))
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{clean(name).text} is no log group's name: those have letters, digits and . - _ / # only."
        )
    try:
        return ((yield from _by_name(name)),)
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


def _by_arn(name: str) -> Search[Group]:
    arn = name.removesuffix(":*")
    parts = _ARN.fullmatch(arn)
    if parts is None:
        raise UsageError(
            f"{clean(name).text} is no ARN of a log group: write arn:aws:logs:REGION:ACCOUNT:log-group:NAME."
        )
    try:
        for group in (yield from _all(GroupsAsked(prefix=parts["name"], region=parts["region"]))):
            if group.arn == arn:
                return group
    except CallFailed as failed:
        if failed.kind != "denied":
            raise
    return Group(parts["name"], arn, arn)


def _by_prefix(prefix: str) -> Search[tuple[Group, ...]]:
    if prefix and not _NAME.fullmatch(prefix):
        raise UsageError(
            f"{clean(prefix).text}* begins no log group's name: a * stands at the end only, "
            "after letters, digits and . - _ / #."
        )
    return tuple((yield from _all(GroupsAsked(prefix=prefix or None))))


def _by_name(name: str) -> Search[Group]:
    for group in (yield from _all(GroupsAsked(prefix=name))):
        if group.name == name:
            return group
    having = yield from _all(GroupsAsked(containing=name))
    containing = [group for group in having if name in group.name]
    if containing:
        return _only(name, containing)
    listed, complete = yield from _pages(GroupsAsked(), _PAGES_IN_ANY_CASE)
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


def _all(asked: GroupsAsked) -> Search[list[Group]]:
    groups, _ = yield from _pages(asked)
    return groups


def _pages(asked: GroupsAsked, most: int = 1 << 62) -> Search[tuple[list[Group], bool]]:
    """The groups of at most so many pages, and whether they are all. A token that comes again leads nowhere."""
    groups: list[Group] = []
    seen: set[str] = set()
    for _ in range(most):
        page = yield asked
        groups.extend(page.groups)
        if page.token is None:
            return groups, True
        if page.token in seen:
            raise SourceError(
                "CloudWatch lists its log groups without end: name one by its ARN, or try again later."
            )
        seen.add(page.token)
        asked = replace(asked, token=page.token)
    return groups, False
