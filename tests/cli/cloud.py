"""Log groups for the program to read, the shell it is run from, and runs that are watched while they go on."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.cli.running import SAMPLE, Ran, ended, environment, process
from tests.cli.traffic import call

PATIENCE = 30.0
REGION = "us-east-1"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "hush"}
QUICK = ("--max-tps", "25")
"""For runs that would spend their time waiting for the budget."""

Event = tuple[int, str]
"""Milliseconds since 1970, and a message."""

_BATCH = 500
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def shell(keys: Mapping[str, str] = KEYS, **changes: str) -> dict[str, str]:
    """An environment with these credentials and nothing else of AWS, neither the machine's nor the user's."""
    kept = {
        name: value
        for name, value in environment().items()
        if not name.startswith(("AWS_", "BOTO_")) and not name.lower().endswith("_proxy")
    }
    aws = {
        "HOME": "/nonexistent",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_DEFAULT_REGION": REGION,
    }
    return {**kept, **aws, **keys, **changes}


def run(*words: object, **changes: str) -> Ran:
    """The program in a shell with credentials, to its end."""
    return ended(process(*words, env=shell(KEYS, **changes)))


class Cloud:
    """A service on loopback that keeps log groups. It is asked without boto3, which would look at the machine."""

    def __init__(self, url: str) -> None:
        self.url = url

    def run(self, *words: object, **changes: str) -> Ran:
        """The program, reading from here."""
        return run(*words, "--endpoint-url", self.url, **changes)

    def runs(self, *commands: Iterable[object]) -> list[Ran]:
        """The program several times at once, reading from here."""
        started = [process(*words, "--endpoint-url", self.url, env=shell()) for words in commands]
        return [ended(one) for one in started]

    def create(self, group: str, *streams: str) -> str:
        """A new group with streams; returns its name."""
        self.ask("CreateLogGroup", logGroupName=group)
        for stream in streams or ("web/1",):
            self.ask("CreateLogStream", logGroupName=group, logStreamName=stream)
        return group

    def put(self, group: str, events: Iterable[Event], stream: str = "web/1") -> None:
        """Write events, in the order of their times."""
        wire = [{"timestamp": time, "message": text} for time, text in sorted(events, key=lambda e: e[0])]
        for first in range(0, len(wire), _BATCH):
            batch = wire[first : first + _BATCH]
            self.ask("PutLogEvents", logGroupName=group, logStreamName=stream, logEvents=batch)

    def ask(self, operation: str, **params: object) -> dict[str, Any]:
        """A call as the protocol has it."""
        headers = {
            "X-Amz-Target": f"Logs_20140328.{operation}",
            "Content-Type": "application/x-amz-json-1.1",
            "Authorization": f"AWS4-HMAC-SHA256 Credential=writer/20260101/{REGION}/logs/aws4_request",
        }
        request = urllib.request.Request(self.url, json.dumps(params).encode(), headers)
        with _DIRECT.open(request, timeout=PATIENCE) as answer:
            document: dict[str, Any] = json.loads(answer.read() or b"{}")
        return document


def lately(log: bytes, seconds_ago: float = 5.0) -> bytes:
    """The same lines, as if the last of them had been written so long ago."""
    lines = [json.loads(line) for line in log.splitlines()]
    times = [datetime.fromisoformat(line["timestamp"]) for line in lines]
    shift = datetime.now(UTC) - timedelta(seconds=seconds_ago) - max(times)
    for line, moment in zip(lines, times, strict=True):
        line["timestamp"] = (moment + shift).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def events_of(log: bytes) -> list[Event]:
    """Lines as events, each at its own time."""
    return [
        (int(datetime.fromisoformat(json.loads(line)["timestamp"]).timestamp() * 1000), line.decode())
        for line in log.splitlines()
    ]


def sample() -> bytes:
    """1,982 lines of 300 calls within 12 seconds, just now."""
    return lately(SAMPLE.read_bytes())


def calls_now(user: str, *request_ids: str, ago: float = 3.0) -> list[Event]:
    """The lines of calls that ended just now."""
    started = datetime.now(UTC) - timedelta(seconds=ago)
    logs = (call(user, request_id, started=started) for request_id in request_ids)
    return [event for log in logs for event in events_of(log)]


class Running:
    """A run that goes on. What it writes is read as it comes."""

    def __init__(self, *words: object, env: Mapping[str, str] | None = None) -> None:
        self.out: list[str] = []
        self.err: list[str] = []
        self.began = time.monotonic()
        self.program = process(*words, env=dict(env or shell()))
        self._readers = [
            threading.Thread(target=self._read, args=pair, daemon=True)
            for pair in ((self.program.stdout, self.out), (self.program.stderr, self.err))
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: Any, lines: list[str]) -> None:
        for line in stream:
            lines.append(line.decode())

    def wait_for(self, text: str, count: int = 1) -> None:
        """Until so many lines of stdout have a text."""
        self.wait_until(lambda: self.count(text) >= count)

    def wait_for_word(self, text: str) -> None:
        """Until stderr has a text."""
        self.wait_until(lambda: text in "".join(self.err))

    def wait_until(self, holds: Callable[[], bool]) -> None:
        """Look until something holds."""
        until = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < until, self
            assert self.program.poll() is None or holds(), self
            time.sleep(0.02)

    def count(self, text: str) -> int:
        """How many lines of stdout have it."""
        return sum(text in line for line in tuple(self.out))

    def stop(self, number: int) -> Ran:
        """Send a signal, and see the end."""
        self.program.send_signal(number)
        return self.ended()

    def ended(self, within: float = PATIENCE) -> Ran:
        """The end, and all it wrote."""
        self.program.wait(within)
        for reader in self._readers:
            reader.join(PATIENCE)
        return Ran(self.program.returncode, "".join(self.out).encode(), "".join(self.err).encode())

    def close(self) -> None:
        """End it if it has not."""
        self.program.kill()
        self.program.wait()
        for reader in self._readers:
            reader.join(PATIENCE)
        for stream in (self.program.stdout, self.program.stderr):
            if stream is not None:
                stream.close()

    def __repr__(self) -> str:
        head, tail = self.out[:3], self.out[-3:]
        return f"exit {self.program.poll()}, {len(self.out)} lines {head} … {tail}, stderr {self.err}"


@contextmanager
def running(*words: object, env: Mapping[str, str] | None = None) -> Iterator[Running]:
    """A run that has ended when the block ends."""
    started = Running(*words, env=env)
    try:
        yield started
    finally:
        started.close()
