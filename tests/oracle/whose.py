"""Which request each line is of, where several use one id at the same time."""

from collections.abc import Sequence

from tests.oracle.bursts import ENDS, FORWARDING, Burst, bursts
from tests.oracle.call import OpenCall
from tests.oracle.lines import Line
from tests.oracle.tokens import USAGE


def walk(pile: Sequence[Line]) -> tuple[list[OpenCall], int]:
    """All requests that used one id in one process, and how many lines could be of any of several."""
    calls: list[OpenCall] = []
    unowned = 0
    for burst in bursts(pile):
        owner = find_owner(burst, calls)
        if owner is None:
            unowned += len(burst.lines)
            continue
        if owner not in calls:
            calls.append(owner)
        owner.take(burst)
        if owner.end is not None:
            doubt_end(owner, [call for call in calls if call.is_of(owner.user)])
        if burst.has(FORWARDING):
            doubt_models(owner, calls)
    return calls, unowned


def find_owner(burst: Burst, calls: Sequence[OpenCall]) -> OpenCall | None:
    """The request these lines are of, a new one where no open one fits; None where several do."""
    new = OpenCall(burst.lines[0].request_id or "")
    if burst.has("Request started"):
        return new
    able = [call for call in calls if call.is_open and call.may_own(burst)]
    if burst.user_known:
        same = [call for call in able if call.is_of(burst.user)]
        able = same or [call for call in able if not call.user_known]
        return likeliest(burst, able) if able else undo_end(burst, calls) or new
    if burst.is_error and burst.next_end:
        # An error is logged just before its request ends: between are small writes, which rarely wait.
        theirs = [call for call in calls if call.is_of(burst.next_end.user)]
        ending = [call for call in theirs if call in able]
        owner = likeliest(burst, ending) if ending else undo_end(burst, theirs)
        if owner is not None:
            return owner
    if not able:
        return undo_end(burst, calls) or new
    if len(able) == 1:
        return able[0]
    if burst.has("Converse API response"):
        new.alone = True  # its tokens must not be lost, nor go to anybody
        return new
    return None


def likeliest(burst: Burst, able: Sequence[OpenCall]) -> OpenCall:
    """The oldest fitting one of a person's simultaneous calls under one id.

    The log does not say which it is. Sums by user and model do not depend on it, as long as each call gets
    one usage and one end: an end goes to a call that has had its error, else to one that has had its usage,
    and all else to one that has had neither.
    """
    ends_only = burst.lines[0].message in ENDS and not burst.is_error
    return min(
        able,
        key=lambda call: (
            burst.model is not None and call.model != burst.model,
            burst.route is not None and call.route != burst.route,
            bool(call.errors) != ends_only,
            call.usage_seen != ends_only,
        ),
    )


def doubt_end(ended: OpenCall, of_same_person: Sequence[OpenCall]) -> None:
    """An end is in doubt as long as another call of the person runs; once none does, all have one of their own."""
    ended.end_doubted = True
    if not any(call.is_open for call in of_same_person):
        for call in of_same_person:
            call.end_doubted = False


def undo_end(burst: Burst, calls: Sequence[OpenCall]) -> OpenCall | None:
    """The call of lines that fit no open one, but one whose end was in doubt: that end was an open call's."""
    if burst.lines[0].message in ENDS:
        return None
    for call in calls:
        running = [other for other in calls if other.is_open and other.is_of(call.user)]
        twice = call.usage_seen and burst.has(*USAGE)
        of_another = burst.user_known and not call.is_of(burst.user)
        if call.end_doubted and running and not twice and not of_another and call.may_own(burst):
            call.hand_end_to(running[0])
            return call
    return None


def doubt_models(owner: OpenCall, calls: Sequence[OpenCall]) -> None:
    """Unsettle the models of a person's simultaneous Mantle calls that differ: their usage names none."""
    rivals = [
        call
        for call in calls
        if call is not owner
        and call.is_of(owner.user)
        and (call.is_open or call.end_doubted)
        and call.forwarded
        and not call.usage_seen
    ]
    if any(call.model_ambiguous or call.model != owner.model for call in rivals):
        for call in [owner, *rivals]:
            call.model_ambiguous = True
