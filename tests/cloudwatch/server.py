"""The face of the fake that speaks the Logs JSON protocol over HTTP, for boto3 clients and the shell."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import sys
import threading
from collections import Counter, deque
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from types import TracebackType
from typing import Any, Self

from tests.cloudwatch import frames
from tests.cloudwatch.clock import RealClock
from tests.cloudwatch.errors import ServiceError
from tests.cloudwatch.faults import FaultPlan
from tests.cloudwatch.insights import Insights
from tests.cloudwatch.model import Model
from tests.cloudwatch.service import Request, Service
from tests.cloudwatch.tail import Tail

JSON = "application/x-amz-json-1.1"
STREAM = "application/vnd.amazon.eventstream"
KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


class FakeServer:
    """The service on a free port of 127.0.0.1, from `with` to the end of its block.

    An exception of the fake itself is raised at the end.
    """

    def __init__(
        self, model: Model | None = None, faults: FaultPlan | None = None, insights: Insights | None = None
    ) -> None:
        self.model = model or Model()
        self.clock = RealClock()
        self.service = Service(self.model, self.clock, faults, insights)
        self.expired_keys: set[str] = set()
        """Access keys whose calls find their credentials expired."""
        self.stopping = threading.Event()
        self.failures: list[BaseException] = []
        self._http = _Http(self)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), name="fake-logs")

    @property
    def url(self) -> str:
        """For `--endpoint-url`."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    @property
    def requests(self) -> deque[Request]:
        """All calls."""
        return self.service.requests

    @property
    def injected(self) -> Counter[str]:
        """Faults that happened."""
        return self.service.injected

    def set_faults(self, faults: FaultPlan) -> None:
        """Change what goes wrong from now on; `Window()` is always."""
        self.service.faults = faults

    def environment(self, *, key: str = KEY) -> dict[str, str]:
        """Variables for a process in the shell: credentials, region, and nothing of the machine's own."""
        return {
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": self.model.region,
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    @contextlib.contextmanager
    def client(self, *, key: str = KEY, attempts: int = 1) -> Iterator[Any]:
        """A boto3 client of this server, closed at the end."""
        session = import_module("boto3.session").Session(
            aws_access_key_id=key, aws_secret_access_key=SECRET, region_name=self.model.region
        )
        config = import_module("botocore.config").Config(
            inject_host_prefix=False,
            retries={"mode": "standard", "total_max_attempts": attempts},
            read_timeout=20,
            proxies={},
        )
        client = session.client("logs", endpoint_url=self.url, config=config)
        try:
            yield client
        finally:
            client.close()

    def start(self) -> None:
        """Answer calls."""
        self._thread.start()

    def stop(self) -> None:
        """Close all connections and wait for all threads."""
        self.stopping.set()
        self._http.shutdown()
        self._http.close_connections()
        self._http.server_close()
        self._thread.join()
        if self.failures:
            raise self.failures[0]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Http(ThreadingHTTPServer):
    """One thread a connection; the end waits for all of them."""

    daemon_threads = False

    def __init__(self, fake: FakeServer) -> None:
        self.fake = fake
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._guard:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._guard:
            self._open.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """Wake the threads that wait for a next request."""
        with self._guard:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone is none of the fake's errors."""
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, ConnectionError):
            self.fake.failures.append(error)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Http

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The service's time."""
        return formatdate(self.server.fake.service.now(), usegmt=True)

    def do_POST(self) -> None:
        """One call."""
        fake = self.server.fake
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        operation = self.headers.get("X-Amz-Target", "").removeprefix("Logs_20140328.")
        signer = re.search(r"Credential=([^/]+)/", self.headers.get("Authorization", ""))
        expired = signer is not None and signer[1] in fake.expired_keys
        try:
            answer = fake.service.call(operation, json.loads(body or b"{}"), expired=expired)
        except ServiceError as error:
            if error.kind == "unreachable":
                self.close_connection = True
            else:
                self._send(400, {"__type": error.code, "message": error.message, **error.fields})
            return
        if operation == "StartLiveTail":
            self._stream(fake.service.tails[answer["sessionId"]])
        else:
            self._send(200, answer)

    def _head(self, status: int, content: str, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content)
        self.send_header("x-amzn-RequestId", f"{len(self.server.fake.requests):036d}")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def _send(self, status: int, answer: dict[str, Any]) -> None:
        body = json.dumps(answer).encode()
        self._head(status, JSON, Content_Length=str(len(body)))
        self.wfile.write(body)

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def _stream(self, tail: Tail) -> None:
        """A Live Tail session, until it ends or the client has gone."""
        fake = self.server.fake
        self.close_connection = True
        try:
            self._head(200, STREAM, Transfer_Encoding="chunked")
            self._chunk(frames.event("initial-response", b"{}"))
            self._chunk(frames.event("sessionStart", json.dumps(tail.started).encode()))
            while not fake.stopping.wait(tail.plan.interval / 10):
                for update in fake.service.poll(tail):
                    self._chunk(frames.event("sessionUpdate", json.dumps(update).encode()))
                if tail.end != "open":
                    break
            self._last_words(tail)
        finally:
            fake.service.close_tail(tail)

    def _last_words(self, tail: Tail) -> None:
        plan = tail.plan
        if tail.end == "timeout":
            self._chunk(frames.exception("SessionTimeoutException", b'{"message": "Session has timed out"}'))
        elif tail.end == "broken" and plan.breaks_by == "exception" and not tail.unreachable:
            self._chunk(frames.exception("SessionStreamingException", b'{"message": "Unknown error"}'))
        else:
            return
        self._chunk(b"")
