"""What goes wrong on the way to CloudWatch Logs, as a kind and a sentence with the remedy.

Exceptions are told apart by their names, so nothing of botocore is imported, and one that an older botocore
lacks needs no care. Texts of the service are not ours: they are cleaned.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cached_property

from llmwatch import units
from llmwatch.clean import clean
from llmwatch.sources.cloudwatch.access import Connection, Identity, identity
from llmwatch.sources.cloudwatch.api import CallFailed, FailureKind

_SKEW = 60.0
"""Seconds that a clock may be off unmentioned. The service refuses signatures that are 5 minutes off."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The call that failed."""

    operation: str
    """As AWS names it: `FilterLogEvents`."""
    subject: str
    """To what: `log group /ecs/router`. May hold anything the user wrote."""
    connection: Connection


class NeedsCode(Exception):  # noqa: N818
    """Only a person at the terminal could go on."""


class NotTheService(Exception):  # noqa: N818  reads as a clause, like CallFailed
    """A success without an answer in it."""


def failure(error: Exception, asked: Asked) -> CallFailed:
    """What `error` means for the user."""
    case = Case(error, asked)
    kind, sentence = _of_answer(case) if case.answered else _of_exception(case)
    text = sentence.format(case=case) if isinstance(sentence, str) else sentence(case)
    return CallFailed(kind, " ".join(text.split()).rstrip(". ") + ".", offset=case.offset)


def date_of(response: object) -> float | None:
    """The service's clock in its response, in seconds since 1970; None where it is not told."""
    try:
        return parsedate_to_datetime(_at(response, "ResponseMetadata", "HTTPHeaders", "date")).timestamp()
    except (TypeError, ValueError):
        return None


def _at(place: object, *path: str) -> str:
    """The text at the end of `path` through mappings; empty where there is none."""
    for step in path:
        place = place.get(step) if isinstance(place, Mapping) else None
    return "" if place is None else str(place)


def _words(raw: object) -> str:
    """Text that is not ours, to stand within a sentence."""
    return clean(" ".join(str(raw).split()) or "no reason given").text.rstrip(". ")


class Case:
    """A failed call in words that fit into a sentence. What is not ours is clean."""

    def __init__(self, error: Exception, asked: Asked) -> None:
        self.error = error
        self.asked = asked
        self.response: object = getattr(error, "response", None)
        self.answered = isinstance(self.response, Mapping) and "Error" in self.response
        self.code = _at(self.response, "Error", "Code")
        self.message = _at(self.response, "Error", "Message") or _at(self.response, "message")
        self.status = int(_at(self.response, "ResponseMetadata", "HTTPStatusCode") or 0)
        self.operation = clean(getattr(error, "operation_name", "") or asked.operation).text

    @property
    def offset(self) -> int | None:
        """Where a query is malformed."""
        offset = _at(self.response, "queryCompileError", "location", "startCharOffset")
        return int(offset) if offset.isdecimal() else None

    @property
    def words(self) -> str:
        """What the service says, or the exception."""
        if self.message.lstrip().startswith("<"):
            return "a web page"
        return _words((self.message or self.code) if self.answered else self.error)

    @property
    def name(self) -> str:
        """The error's code, or the exception's class."""
        return _words(self.code or type(self.error).__name__)

    @property
    def what(self) -> str:
        """To what was asked."""
        return clean(self.asked.subject).text

    def detail(self, key: str) -> str:
        """What botocore filled into its message at `key`, else the message."""
        return _words(_at(getattr(self.error, "kwargs", None), key) or self.error)

    @property
    def cause(self) -> str:
        """What is beneath an exception of the network."""
        return self.detail("error")

    @property
    def address(self) -> str:
        """Where was asked."""
        url = _at(getattr(self.error, "kwargs", None), "endpoint_url") or self.asked.connection.endpoint_url
        return clean(url.rstrip("/")).text if url else "CloudWatch Logs"

    @cached_property
    def who(self) -> Identity:
        """Whose credentials were used."""
        return identity(self.asked.connection)

    @property
    def region(self) -> str:
        """The region that was asked."""
        return clean(self.who.region or "an unknown region").text

    @property
    def option(self) -> str:
        """How the aws command is told the profile to sign in to."""
        holder = self.who.holder
        return f" --profile {clean(holder).text}" if holder and holder != "default" else ""

    @property
    def holder(self) -> str:
        """The profile that has the credentials."""
        return f"profile {clean(self.who.holder or 'default').text}"

    @property
    def renewal(self) -> str:
        """What to do for new credentials."""
        return _RENEWALS[self.who.method].format(case=self)

    @property
    def clock(self) -> str:
        """How far this machine's clock is off; empty when it is not, or when the service does not tell."""
        date = date_of(self.response)
        ahead = 0.0 if date is None else time.time() - date
        if abs(ahead) < _SKEW:
            return ""
        return f"{units.latency(abs(ahead) * 1000)} {'ahead of' if ahead > 0 else 'behind'} the service's"


Sentence = str | Callable[[Case], str]
"""A template for `str.format` with `case`, or what makes the sentence."""

Outcome = tuple[FailureKind, Sentence]

_RENEWALS = {
    "env": "set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN anew and start again",
    "web-identity": "see that AWS_WEB_IDENTITY_TOKEN_FILE is kept fresh",
    "sso": "run `aws sso login{case.option}`",
    "keys": "renew the keys of {case.holder} in the AWS files",
    "login": "run `aws login{case.option}`",
    "process": "see what the credential_process of {case.holder} prints",
    "container": "see whether the container has its role",
    "instance": "sign in by `aws sso login` or `aws login`, or name another profile with --profile",
}
"""By access.METHODS."""


def _of_answer(case: Case) -> Outcome:
    for codes, outcome in _CODES:
        if re.fullmatch(codes, case.code.removesuffix("Exception")):
            return _of_parameter(case) if outcome is None else outcome
    if case.status == 429:
        return _THROTTLED
    if case.status >= 500:
        return _BROKEN
    if case.status in (401, 403):
        return _DENIED
    return _REFUSED


def _of_parameter(case: Case) -> Outcome:
    """CloudWatch has one code for all wrong parameters; its words say which one is meant."""
    if re.search(r"token", case.message, re.IGNORECASE):
        return _BAD_TOKEN
    if re.search(r"filter\s*pattern", case.message, re.IGNORECASE):
        return ("malformed", "CloudWatch refuses the filter pattern ({case.words}): mend it, or leave it out")
    return _REFUSED


_SERVICES = {
    "AssumeRole": "sts",
    "AssumeRoleWithWebIdentity": "sts",
    "GetRoleCredentials": "sso",
    "CreateOAuth2Token": "signin",
}
"""The service of an operation that fetches credentials, as policies name it; all others are of logs."""


def _denied(case: Case) -> str:
    """From what IAM says: `User: ARN is not authorized to perform: ACTION on resource: ARN because REASON`."""
    said = re.search(r"perform: ([a-z0-9-]{1,40}:[A-Za-z0-9]{1,80})", case.message)
    action = said[1] if said else f"{_SERVICES.get(case.operation, 'logs')}:{case.operation}"
    resource = re.search(r"on resource: (\S+)", case.message)
    user = re.search(r"User: (\S+)", case.message)
    what = f"{_words(user[1]) if user else 'these credentials'} may not do {action}"
    if resource:
        what += f" on {_words(resource[1].rstrip(':'))}"
    elif case.operation not in _SERVICES:
        what += f" on {case.what}"
    if "explicit deny" in case.message:
        return f"{what}, for a policy denies it explicitly: ask who keeps the policies of the account"
    return f"{what}: allow it, docs/cloudwatch.md has the policy"


def _expired(case: Case) -> str:
    return _CLOCK.format(case=case) if case.clock else f"The AWS credentials have expired: {case.renewal}"


def _bad_signature(case: Case) -> str:
    if case.clock:
        return _CLOCK.format(case=case)
    if re.search(r"expired|earlier|later|skew|too far|not yet", case.message, re.IGNORECASE):
        return f"This machine's clock is off ({case.words}): set it by NTP"
    return f"AWS refuses the signature ({case.words}), for the secret key does not fit its access key: {case.renewal}"


_CLOCK = "This machine's clock is {case.clock}, so AWS refuses what it signs: set it by NTP"

_THROTTLED: Outcome = (
    "throttled",
    "AWS takes no more {case.operation} requests of this account now ({case.words}): wait, or lower --max-tps",
)
_BAD_TOKEN: Outcome = (
    "bad_token",
    "The page token of {case.operation} on {case.what} is no longer valid ({case.words}): read from the start again",
)
_BROKEN: Outcome = (
    "unreachable",
    "The service failed at {case.operation} ({case.name}: {case.words}): try again later",
)
_DENIED: Outcome = ("denied", _denied)
_REFUSED: Outcome = ("refused", "AWS refuses {case.operation} on {case.what} ({case.name}): {case.words}")
_SIGNATURE: Outcome = ("credentials", _bad_signature)
_UNKNOWN_KEY: Outcome = (
    "credentials",
    "AWS does not know these credentials, or the region {case.region} is not enabled ({case.words}): {case.renewal}",
)


def _missing(case: Case) -> str:
    if case.operation in ("GetQueryResults", "StopQuery"):
        return f"CloudWatch knows no {case.what} ({case.words}): results are kept for 7 days"
    if case.operation in _SERVICES:
        return f"AWS refuses {case.operation} ({case.words}): check the account and role of {case.holder}"
    return f"There is no {case.what} in {case.region} ({case.words}): check --group, --region and --profile"


_CODES: tuple[tuple[str, Outcome | None], ...] = (
    (r"InvalidParameter(Value)?|Validation(Error)?", None),
    (r"Session(Streaming|Timeout)|InternalStreaming", (
        "unreachable", "Live Tail of {case.what} broke off ({case.words}): it is opened again",
    )),
    (r"(Request)?Throttl(ing|ed|ingError)|TooManyRequests|SlowDown|RequestLimitExceeded", _THROTTLED),
    (r"LimitExceeded|ServiceQuotaExceeded", (
        "throttled",
        "A quota is used up at {case.operation} ({case.words}): wait for other queries or Live Tail sessions to end",
    )),
    (r".*NextToken", _BAD_TOKEN),
    (r"MalformedQuery", ("malformed", "CloudWatch cannot read the query: {case.words}")),
    (r"ResourceNotFound", ("missing", _missing)),
    (r"AccessDenied|UnauthorizedOperation|NotAuthorized|Forbidden", _DENIED),
    (r"ExpiredToken|TokenRefreshRequired|RequestExpired", ("credentials", _expired)),
    (r"UnrecognizedClient|InvalidClientTokenId|InvalidAccessKeyId|OptInRequired", _UNKNOWN_KEY),
    (r"MissingAuthenticationToken|AuthFailure|InvalidToken", _UNKNOWN_KEY),
    (r"InvalidSignature|SignatureDoesNotMatch|IncompleteSignature", _SIGNATURE),
    (r"RequestTimeTooSkewed|RequestInTheFuture|SignatureExpired", _SIGNATURE),
    (r"ServiceUnavailable|Internal(Failure|Error|Server\w*|Service\w*)|RequestTimeout", _BROKEN),
)  # fmt: skip
"""By the error's code without `Exception`; None where the code alone does not tell."""


def _of_exception(case: Case) -> Outcome:
    for ancestor in type(case.error).__mro__:
        if outcome := _EXCEPTIONS.get(ancestor.__name__):
            return outcome
    return ("refused", "{case.operation} failed ({case.name}): {case.words}")


def _some(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return ", ".join(clean(name, 64).text for name in names[:8]) + more


def _no_credentials(case: Case) -> str:
    who = case.who
    lack = (
        f"Profile {clean(who.profile).text} has no AWS credentials"
        if who.profile
        else "There are no AWS credentials"
    )
    others = f" (there are {_some(who.profiles)})" if who.profiles else ""
    return (
        f"{lack}: run `aws sso login{case.option}` or `aws login{case.option}`, name a profile with --profile{others}, "
        "or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    )


def _no_profile(case: Case) -> str:
    names = case.who.profiles
    remedy = f"name one of {_some(names)}" if names else "there is none yet, run `aws configure`"
    origin = "" if case.asked.connection.profile else ", which AWS_PROFILE names"
    return f"The AWS files have no profile {case.detail('profile')}{origin}: {remedy}"


def _no_region(_: Case) -> str:
    ignored = "; boto3 does not read AWS_REGION" if os.environ.get("AWS_REGION") else ""
    return f"No AWS region is known: add --region, or set AWS_DEFAULT_REGION{ignored}"


def _no_connection(case: Case) -> str:
    """Also of a region that does not exist, whose host has no address."""
    if case.asked.connection.endpoint_url:
        return f"Nothing answers at {case.address}: see whether it runs, and check --endpoint-url"
    if case.who.region and not _known(case.who.region):
        return f"{case.address} is not reached: check --region, for {case.region} is none known here; or the network"
    return f"{case.address} is not reached: check the network and any proxy"


def _known(region: str) -> bool:
    import botocore.session

    session = botocore.session.Session()
    partitions = session.get_available_partitions()
    return any(region in session.get_available_regions("logs", partition) for partition in partitions)


def _bad_value(case: Case) -> str:
    if case.asked.connection.endpoint_url and re.search("endpoint|url", case.words, re.IGNORECASE):
        return f"{case.address} is no address: write --endpoint-url http://host:port"
    return f"{case.operation} on {case.what} cannot be asked ({case.name}): {case.words}"


_FILES: Outcome = (
    "credentials",
    "The AWS configuration cannot be used ({case.words}): mend ~/.aws/config or ~/.aws/credentials",
)
_RETRIEVAL: Outcome = ("credentials", "The AWS credentials cannot be had ({case.words}): {case.renewal}")
_REGION: Outcome = ("refused", "{case.region} is no AWS region ({case.words}): check --region")
_MFA: Outcome = (
    "credentials",
    "The AWS role asks for a new MFA code, which can be typed only at the start: start again",
)
_UNREACHED: Outcome = ("unreachable", _no_connection)
_SLOW: Outcome = (
    "unreachable",
    "{case.address} is too slow to answer {case.operation} ({case.words}): check the network",
)
_CUT: Outcome = (
    "unreachable",
    "The connection to {case.address} broke during {case.operation} ({case.cause}): check the network",
)
_STRANGER: Outcome = (
    "unreachable",
    "The answer to {case.operation} is cut off or not of CloudWatch Logs ({case.words}): check network and endpoint",
)

_EXCEPTIONS: dict[str, Outcome] = {
    "NoCredentialsError": ("credentials", _no_credentials),
    "PartialCredentialsError": (
        "credentials",
        "The AWS credentials are half there ({case.words}): set the rest",
    ),
    "ProfileNotFound": ("credentials", _no_profile),
    "ConfigParseError": _FILES,
    "ConfigNotFound": _FILES,
    "InvalidConfigError": _FILES,
    "UnknownCredentialError": _FILES,
    "CredentialRetrievalError": _RETRIEVAL,
    "MetadataRetrievalError": _RETRIEVAL,
    "SSOError": ("credentials", "The SSO session is over or not begun: run `aws sso login{case.option}`"),
    "TokenRetrievalError": (
        "credentials",
        "The SSO session is over ({case.words}): run `aws sso login{case.option}`",
    ),
    "LoginError": ("credentials", "The login session is over or not begun: run `aws login{case.option}`"),
    "LoginInsufficientPermissions": (
        "denied",
        "The login session of {case.holder} may not do signin:CreateOAuth2Token: ask who keeps its policies",
    ),
    "NeedsCode": _MFA,
    "RefreshWithMFAUnsupportedError": _MFA,
    "MissingDependencyException": ("credentials", "The credentials of {case.holder} need more: {case.words}"),
    "ModuleNotFoundError": ("refused", "A package is not installed ({case.words}): run `pip install boto3`"),
    "NoRegionError": ("refused", _no_region),
    "InvalidRegionError": _REGION,
    "UnknownRegionError": _REGION,
    "UnknownEndpointError": _REGION,
    "EndpointConnectionError": _UNREACHED,
    "ConnectTimeoutError": _UNREACHED,
    "SSLError": (
        "unreachable",
        "There is no secure connection to {case.address} ({case.cause}): check AWS_CA_BUNDLE, any proxy and the clock",
    ),
    "ProxyConnectionError": (
        "unreachable",
        "The proxy does not answer or does not let llmwatch through ({case.words}): check HTTPS_PROXY and NO_PROXY",
    ),
    "ReadTimeoutError": _SLOW,
    "TimeoutError": _SLOW,
    "ConnectionClosedError": _CUT,
    "HTTPClientError": _CUT,
    "IncompleteReadError": _CUT,
    "HTTPError": _CUT,
    "ConnectionError": _CUT,
    "ResponseParserError": _STRANGER,
    "ParserError": _STRANGER,
    "NotTheService": _STRANGER,
    "AttributeError": _STRANGER,
    "ValueError": ("refused", _bad_value),
}
"""By the name of an exception or of an ancestor, nearest first: botocore's, urllib3's and Python's."""
