"""What a word after --group means, and what is said when it means none or several."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmwatch.errors import SourceError, UsageError
from llmwatch.sources.cloudwatch.api import CallFailed, Group, GroupPage, LogsApi
from llmwatch.sources.cloudwatch.names import NoSuchGroup, SeveralGroups, find_groups, nearest

OWN = "arn:aws:logs:us-east-1:123456789012:log-group:"
LINKED = "arn:aws:logs:us-east-1:999999999999:log-group:"


@dataclass
class Account:
    """The one call that names need, over groups in the order of the service."""

    names: list[str]
    page: int = 50
    any_case: bool = False
    """Whether `containing` minds no case; the service does, its emulators do not."""
    fails: CallFailed | None = None
    endless: bool = False
    region: str = "us-east-1"
    calls: list[tuple[str | None, str | None]] = field(default_factory=list)

    def describe_groups(
        self, *, prefix: str | None = None, containing: str | None = None, token: str | None = None
    ) -> GroupPage:
        self.calls.append((prefix, containing))
        if self.fails:
            raise self.fails
        found = [
            name
            for name in sorted(self.names)
            if name.startswith(prefix or "") and self._has(name, containing)
        ]
        start = int(token or 0)
        end = start + self.page
        more = str(end) if end < len(found) else None
        groups = tuple(Group(name, name, OWN + name, 1, 2) for name in found[start:end])
        return GroupPage(groups, "0" if self.endless else more)

    def _has(self, name: str, containing: str | None) -> bool:
        if self.any_case:
            return (containing or "").lower() in name.lower()
        return (containing or "") in name


def found(word: str, account: Account) -> list[str]:
    return [group.name for group in find_groups(cast("LogsApi", account), word)]


def refused(word: str, account: Account) -> str:
    with pytest.raises((SourceError, UsageError)) as caught:
        found(word, account)
    text = str(caught.value)
    assert text.isprintable()
    assert text.endswith(".")
    return text


names = st.lists(st.text("ab/-Ab", min_size=1, max_size=6), unique=True, max_size=12)
pages = st.integers(1, 5)


@given(names, st.text("abA/", min_size=1, max_size=3), pages, st.booleans())
def test_a_word_is_the_exact_name_else_the_only_one_that_has_it(
    known: list[str], word: str, page: int, any_case: bool
) -> None:
    account = Account(known, page, any_case)
    same = [name for name in known if word in name]
    any_way = same or [name for name in known if word.lower() in name.lower()]
    if word in known:
        assert found(word, account) == [word]
    elif len(any_way) == 1:
        assert found(word, account) == any_way
    elif any_way:
        with pytest.raises(SeveralGroups):
            found(word, account)
    else:
        with pytest.raises(NoSuchGroup):
            found(word, account)


@given(names, st.text("abA/", max_size=3), pages)
def test_a_prefix_is_all_groups_that_begin_with_it(known: list[str], prefix: str, page: int) -> None:
    assert found(prefix + "*", Account(known, page)) == sorted(
        name for name in known if name.startswith(prefix)
    )


@given(names, st.text("abA/-", min_size=1, max_size=6))
def test_nearest_are_few_known_and_alike(known: list[str], word: str) -> None:
    near = nearest(word, known)
    assert len(near) <= 3
    assert set(near) <= set(known)
    first = nearest(word, [*known, word])[0].casefold()
    assert word.casefold() in (first, first.rpartition("/")[2])


def test_nearest_compares_the_last_part_too() -> None:
    known = ["/aws/lambda/billing", "/ecs/prod/opencode/router", "/aws/rds/primary"]
    assert nearest("ruoter", known) == ["/ecs/prod/opencode/router"]


def test_a_slip_is_answered_with_the_nearest_names() -> None:
    text = refused("ruoter", Account(["/ecs/router", "/ecs/route53", "/aws/rds"]))
    assert "/ecs/router" in text
    assert "/aws/rds" not in text


def test_no_group_at_all_points_to_region_and_profile() -> None:
    assert "--region" in refused("router", Account([]))


def test_a_hint_is_sought_in_forty_pages_and_says_so() -> None:
    account = Account([f"/group/{number:05}" for number in range(3000)])
    assert "first 2000" in refused("zzz", account)
    assert len(account.calls) == 42


def test_several_are_listed_up_to_eight() -> None:
    text = refused("router", Account([f"router-{number:02}" for number in range(11)]))
    assert text.count("router-") == 8
    assert "and 3 more" in text


def test_an_exact_name_costs_one_request() -> None:
    account = Account(["router", "router-2"])
    assert found("router", account) == ["router"]
    assert account.calls == [("router", None)]


@pytest.mark.parametrize("end", ["", ":*"])
def test_an_arn_of_the_own_account_is_asked_by_name(end: str) -> None:
    account = Account(["/ecs/router", "/ecs/router-2"])
    assert find_groups(cast("LogsApi", account), OWN + "/ecs/router" + end) == (
        Group("/ecs/router", "/ecs/router", OWN + "/ecs/router", 1, 2),
    )


@pytest.mark.parametrize("fails", [None, CallFailed("denied", "no")])
def test_an_arn_of_another_account_is_asked_by_arn(fails: CallFailed | None) -> None:
    account = Account(["/ecs/router"], fails=fails)
    arn = LINKED + "/ecs/router"
    assert find_groups(cast("LogsApi", account), arn + ":*") == (Group("/ecs/router", arn, arn),)


def test_an_arn_of_another_region_names_the_flag() -> None:
    text = refused(OWN + "/ecs/router", Account([], region="eu-west-1"))
    assert "--region us-east-1" in text


@pytest.mark.parametrize(
    "word", ["arn:aws:s3:::bucket", "arn:", OWN, "a b", "ro*er", "*router*", "\x1b[2Jx", "", "r\u202eouter*"]
)
def test_a_word_that_no_group_can_have_is_refused_unasked(word: str) -> None:
    account = Account(["router"])
    refused(word, account)
    assert account.calls == []


def test_who_may_not_list_groups_must_name_them_exactly() -> None:
    account = Account([], fails=CallFailed("denied", "no"))
    assert find_groups(cast("LogsApi", account), "/ecs/router") == (Group("/ecs/router", "/ecs/router", ""),)
    with pytest.raises(CallFailed):
        found("router*", account)


def test_other_failures_are_passed_on() -> None:
    for word in ("router", "router*", OWN + "router"):
        with pytest.raises(CallFailed):
            found(word, Account([], fails=CallFailed("throttled", "later")))


def test_a_listing_without_end_is_ended() -> None:
    for word in ("b", "b*", OWN + "b"):
        assert "without end" in refused(word, Account(["a", "bb"], endless=True))
