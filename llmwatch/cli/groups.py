"""Log groups on the command line: the arguments that name them, and the way to them."""

from __future__ import annotations

import argparse
import os
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from llmwatch.errors import SourceError, UsageError

if TYPE_CHECKING:
    from llmwatch.query.scope import Scope
    from llmwatch.sources.cloudwatch.access import Connection
    from llmwatch.sources.cloudwatch.api import Group, LogsApi
    from llmwatch.sources.cloudwatch.poller import Patience
    from llmwatch.sources.source import Source

_MOST_TPS = 25
"""FilterLogEvents requests a second that the service grants at most, in us-east-1 (CloudWatch Logs quotas)."""

_PATIENCE = 8
"""Refusals in a row that are waited for before a command gives up."""
_FOLLOWED_PAST = timedelta(hours=1)
"""What a follower shows of the past when nobody says how much."""
_ROUNDING = timedelta(milliseconds=1)


def add_group_arguments(parser: argparse.ArgumentParser) -> None:
    """Which log groups, and how they are reached and read."""
    group = parser.add_argument_group("CloudWatch", "docs/cloudwatch.md: names, permissions, what each costs")
    group.add_argument(
        "--group",
        action="append",
        default=[],
        metavar="NAME",
        help="a log group: its name, ARN, prefix*, or a part that one group has; repeatable",
    )
    group.add_argument("--stream", metavar="PREFIX", help="only streams whose name begins with this")
    group.add_argument("--region", metavar="NAME", help="the AWS region, if not the profile's")
    group.add_argument("--profile", metavar="NAME", help="the AWS profile, if not the environment's")
    group.add_argument("--endpoint-url", metavar="URL", help="another address of the service, of an emulator")
    group.add_argument(
        "--max-tps", type=float, default=2.0, metavar="N", help="requests a second at most; default 2"
    )
    group.add_argument(
        "--filter-pattern",
        metavar="PATTERN",
        help="a CloudWatch filter pattern: the service leaves out all other lines, uncounted",
    )


def add_follow_arguments(parser: argparse.ArgumentParser) -> None:
    """How log groups are followed."""
    group = parser.add_argument_group("following a log group")
    group.add_argument("--wait", action="store_true", help="wait for a group that is not there yet")
    group.add_argument(
        "--live", action="store_true", help="Live Tail too: lines within a second, at a price a minute"
    )


def check_groups(arguments: argparse.Namespace) -> None:
    """Refuse what goes with no group, and impossible values. Raises UsageError."""
    if not 0 < arguments.max_tps <= _MOST_TPS:
        raise UsageError(f"--max-tps {arguments.max_tps:g} is not possible: more than 0, up to {_MOST_TPS}")
    for name in ("stream", "filter_pattern", "endpoint_url", "profile", "region", "wait", "live"):
        if getattr(arguments, name, None) and not arguments.group:
            raise UsageError(f"--{name.replace('_', '-')} goes with --group: name a log group")
    if getattr(arguments, "no_follow", False):
        for name in ("wait", "live"):
            if getattr(arguments, name):
                raise UsageError(f"--{name} is for following: leave --no-follow out")
    for word in arguments.group:
        if not word.strip():
            raise UsageError("--group is empty: give the name of a log group, or a part of it")


def connect(arguments: argparse.Namespace) -> LogsApi:
    """The service, as the arguments reach it. Makes no request.

    A role that asks for a code asks for it now: in the monitor nobody could answer.
    """
    from llmwatch.sources.cloudwatch.access import asks_for_code
    from llmwatch.sources.cloudwatch.client import CloudWatch

    api = CloudWatch(connection(arguments))
    if asks_for_code(connection(arguments)):
        with suppress(SourceError):
            api.describe_groups()
    return api


def connection(arguments: argparse.Namespace) -> Connection:
    """The way that the arguments name. AWS_REGION counts, as for the AWS CLI; boto3 does not read it."""
    from llmwatch.sources.cloudwatch.access import Connection

    region = arguments.region or os.environ.get("AWS_REGION") or None
    return Connection(region, arguments.profile, arguments.endpoint_url)


def named_groups(arguments: argparse.Namespace, api: LogsApi) -> tuple[Group, ...]:
    """The groups that the arguments name, each once, in their order.

    Raises:
        SourceError: a name has no group, or the service does not answer.
        UsageError: a short name has several.

    """
    from llmwatch.sources.cloudwatch.names import find_groups

    found = [group for word in arguments.group for group in find_groups(api, word, patience=_PATIENCE)]
    return tuple({group.identifier: group for group in found}.values())


def open_groups(
    arguments: argparse.Namespace, scope: Scope, *, follow: bool, calls: bool, patience: Patience
) -> Source:
    """The source that --group names. Makes no request before it is read.

    `calls`: whole calls are wanted, in any order; else lines, in order of time.
    """
    from llmwatch.query.scope import LONGEST_CALL
    from llmwatch.sources.cloudwatch.poller import Settings
    from llmwatch.sources.cloudwatch.source import CloudWatchSource
    from llmwatch.sources.cloudwatch.tail import Range
    from llmwatch.sources.envelope import UnwrappedSource

    since = scope.since
    if since is None and follow:
        since = datetime.now(UTC) - _FOLLOWED_PAST
    margin = LONGEST_CALL if calls else _ROUNDING
    wanted = Range(
        since=None if since is None else _milliseconds(since - margin),
        until=None if scope.until is None else _milliseconds(scope.until + margin),
        stop_at=0 if not follow else None if scope.until is None else _milliseconds(scope.until),
        newest_first=calls,
    )
    settings = Settings(
        names=tuple(arguments.group),
        wanted=wanted,
        stream_prefix=arguments.stream,
        pattern=arguments.filter_pattern,
        per_second=arguments.max_tps,
        patience=patience,
        wait=getattr(arguments, "wait", False),
        live=getattr(arguments, "live", False),
    )
    keep_records = getattr(arguments, "record", None) is not None
    source = CloudWatchSource(connect(arguments), settings, follow=follow, keep_records=keep_records)
    return UnwrappedSource(source)


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
