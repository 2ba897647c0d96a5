"""Who asks: the connection, the credentials it will use, and what they may do."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmwatch.clean import clean
from llmwatch.sources.cloudwatch.api import CallFailed

if TYPE_CHECKING:
    from llmwatch.sources.cloudwatch.api import Group, LogsApi


@dataclass(frozen=True, slots=True)
class Connection:
    """The way to the service, as the command line names it. What is None is left to the AWS configuration."""

    region: str | None = None
    profile: str | None = None
    endpoint_url: str | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose credentials a connection uses, as far as the environment and the AWS files tell. Holds no secret."""

    region: str | None
    profile: str | None
    """The profile in use; None when none is named."""
    holder: str | None
    """The profile whose credentials are the first in the chain: the one to sign in to. Often `profile`."""
    method: str
    """A key of METHODS."""
    roles: tuple[str, ...]
    """The roles assumed with them, the last one first."""
    asks_mfa: bool
    profiles: tuple[str, ...]
    """All that the files have."""
    trouble: str = ""
    """Why the files cannot be read, else empty."""


METHODS = {
    "env": "keys from the environment",
    "web-identity": "a web identity token",
    "sso": "an SSO session (aws sso login)",
    "keys": "keys from the AWS files",
    "login": "a login session (aws login)",
    "process": "a credential_process",
    "container": "the role of this container",
    "instance": "the role of this machine, if it is an EC2 instance: no other credentials are found",
}
"""What Identity.method means."""

_PROFILE_METHODS = (
    ("web_identity_token_file", "web-identity"),
    ("sso_account_id", "sso"),
    ("aws_access_key_id", "keys"),
    ("login_session", "login"),
    ("credential_process", "process"),
)
"""The key of a profile that chooses a method, in the order of botocore.credentials."""

_ENVIRONMENT_METHODS = (
    ("AWS_WEB_IDENTITY_TOKEN_FILE", "web-identity"),
    ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "container"),
    ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "container"),
)

_SOURCE_METHODS = {"Environment": "env", "EcsContainer": "container", "Ec2InstanceMetadata": "instance"}
"""The values of credential_source."""


def identity(connection: Connection) -> Identity:
    """Whose credentials `connection` uses. Reads files, asks no network, never raises.

    botocore tells only when it has loaded them, which may ask the network, run a program or prompt.
    """
    import botocore.session
    from botocore.exceptions import BotoCoreError

    session = botocore.session.Session(profile=connection.profile)
    profile, region, trouble = connection.profile, connection.region, ""
    config: dict[str, Any] = {}
    try:
        config = session.full_config["profiles"]
        profile = session.get_config_variable("profile")
        if profile is None or profile in config:
            region = region or session.get_config_variable("region")
    except BotoCoreError as error:
        trouble = clean(error).text
    holder, method, roles, asks_mfa = _source(config, profile, named=connection.profile is not None)
    return Identity(region, profile, holder, method, roles, asks_mfa, tuple(config), trouble)


def asks_for_code(connection: Connection) -> bool:
    """Whether the credentials need a code that a person types. Quick where no profile does."""
    files = {"AWS_CONFIG_FILE": "~/.aws/config", "AWS_SHARED_CREDENTIALS_FILE": "~/.aws/credentials"}
    for variable, place in files.items():
        with suppress(OSError):
            if b"mfa_serial" in Path(os.environ.get(variable) or place).expanduser().read_bytes():
                return identity(connection).asks_mfa
    return False


def _source(
    config: Mapping[str, Mapping[str, Any]], profile: str | None, *, named: bool
) -> tuple[str | None, str, tuple[str, ...], bool]:
    """The holder of the first credentials, their method, the roles assumed with them, whether one asks MFA.

    A profile that is `named` on the command line goes before the environment's keys, AWS_PROFILE does not.
    """
    if not named and os.environ.get("AWS_ACCESS_KEY_ID"):
        return None, "env", (), False
    holder = profile or "default"
    seen: list[str] = []
    roles: list[str] = []
    asks_mfa = False
    while holder not in seen:
        seen.append(holder)
        settings = config.get(holder, {})
        source = settings.get("source_profile") or settings.get("credential_source")
        if "role_arn" not in settings or not source:
            break
        roles.append(str(settings["role_arn"]))
        asks_mfa = asks_mfa or "mfa_serial" in settings
        if "source_profile" not in settings:
            return holder, _SOURCE_METHODS.get(source, "instance"), tuple(roles), asks_mfa
        holder = source
    return (holder if holder in config else None), _method(config.get(holder, {})), tuple(roles), asks_mfa


def _method(settings: Mapping[str, Any]) -> str:
    for key, method in _PROFILE_METHODS:
        if settings.get(key):
            return method
    for variable, method in _ENVIRONMENT_METHODS:
        if os.environ.get(variable):
            return method
    return "instance"


def credentials_summary(connection: Connection) -> str:
    """Which credentials `connection` uses, in one line and without a secret. Asks no network."""
    who = identity(connection)
    if who.trouble:
        return f"the AWS configuration cannot be read: {who.trouble}"
    parts = [f"region {clean(who.region).text}" if who.region else "no region: add --region"]
    if who.profile is not None and who.profile not in who.profiles:
        return f"no profile {clean(who.profile).text} in the AWS files; {parts[0]}"
    if who.profile:
        parts.insert(0, f"profile {clean(who.profile).text}")
    method = METHODS[who.method]
    if who.holder and who.holder != (who.profile or "default"):
        method += f" of profile {clean(who.holder).text}"
    steps = [method, *(f"role {clean(role).text}" for role in reversed(who.roles))]
    return f"{', then '.join(steps)}{' with MFA' if who.asks_mfa else ''}; {'; '.join(parts)}"


def check_access(api: LogsApi, group: Group) -> Iterator[tuple[str, str]]:
    """Try the actions that reading `group` needs: each with `allowed`, or the sentence that says why not.

    logs:StartQuery and logs:StartLiveTail are not tried, for they cost money.
    """
    yield "logs:DescribeLogGroups", _verdict(lambda: api.describe_groups(prefix=group.name))
    moment = int((api.service_time() or 0) * 1000)
    yield "logs:FilterLogEvents", _verdict(lambda: api.filter_events(group, start=moment, end=moment))


def _verdict(call: Callable[[], object]) -> str:
    try:
        call()
    except CallFailed as failed:
        return str(failed)
    return "allowed"
