"""A service to read from, in a process of its own: `python -m benchmarks.cloudwatch.emulator moto|fake`.

It prints its address, and ends when its standard input does.
"""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks.processes import ROOT, cpu_seconds
from tests.cloudwatch.server import KEY, SECRET, FakeServer

REGION = "eu-central-1"
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": KEY,
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_EC2_METADATA_DISABLED": "true",
}
"""Nothing of the machine's own AWS configuration."""

Batch = tuple[str, list[dict[str, Any]]]
"""A stream, and events for it in order of time."""


@dataclass(frozen=True, slots=True)
class Emulator:
    """A service that answers."""

    url: str
    process: int

    def cpu_seconds(self) -> float:
        """What it has computed so far."""
        return cpu_seconds(self.process)

    def fill(self, group: str, batches: Iterator[Batch]) -> int:
        """Create a group with these events; returns how many. They are all taken, or an exception says why not."""
        import boto3

        session = boto3.Session(aws_access_key_id=KEY, aws_secret_access_key=SECRET, region_name=REGION)
        client = session.client("logs", endpoint_url=self.url)
        client.create_log_group(logGroupName=group)
        streams: set[str] = set()
        count = 0
        for stream, events in batches:
            if stream not in streams:
                client.create_log_stream(logGroupName=group, logStreamName=stream)
                streams.add(stream)
            answer = client.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)
            if "rejectedLogEventsInfo" in answer:
                raise ValueError(f"events were rejected: {answer['rejectedLogEventsInfo']}")
            count += len(events)
        client.close()
        return count


@contextmanager
def emulator(kind: str) -> Iterator[Emulator]:
    """A service of that kind, ended at the end."""
    words = (sys.executable, "-m", "benchmarks.cloudwatch.emulator", kind)
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True, cwd=ROOT) as process:
        assert process.stdin
        assert process.stdout
        url = process.stdout.readline().strip()
        try:
            yield Emulator(url, process.pid)
        finally:
            process.stdin.close()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()


def main(kind: str) -> None:
    if kind == "fake":
        with FakeServer() as fake:
            _serve(fake.url)
        return
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    _serve(f"http://{host}:{port}")
    server.stop()


def _serve(url: str) -> None:
    print(url, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1])
