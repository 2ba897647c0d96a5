"""A service on loopback that gives the answers it is told to, and the AWS files of a made-up machine."""

from __future__ import annotations

import json
import os
import struct
import threading
from binascii import crc32
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

DATE = "Tue, 03 Mar 2026 10:00:00 GMT"
MOMENT = 1772532000.0
"""DATE, in seconds since 1970."""


@dataclass(frozen=True)
class Reply:
    """An answer. `chunks` are sent one by one, as Live Tail's are; `cut` ends the connection after the head."""

    body: object = b""
    status: int = 200
    date: str = DATE
    content_type: str = "application/x-amz-json-1.1"
    chunks: tuple[bytes, ...] = ()
    hold: bool = False
    """After the chunks, send nothing and keep the connection, until the service stops."""
    cut: bool = False
    foreign: bool = False
    """Not of the service, but of something on the way to it."""

    @property
    def data(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


def error(code: str, message: str = "", status: int = 400, **more: object) -> Reply:
    """An error as the JSON protocol has it."""
    return Reply({"__type": code, "message": message, **more}, status)


@dataclass
class Service:
    """What was asked of it, and what it still answers; the last answer is given again and again."""

    url: str
    replies: list[Reply]
    asked: list[dict[str, Any]] = field(default_factory=list)
    agents: list[str] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)


@contextmanager
def answering(*replies: Reply) -> Iterator[Service]:
    """A service with these answers, in their order."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            service.asked.append(json.loads(body))
            service.agents.append(self.headers["User-Agent"])
            reply = service.replies.pop(0) if len(service.replies) > 1 else service.replies[0]
            self.answer(reply)

        def answer(self, reply: Reply) -> None:
            self.send_response_only(reply.status)
            if reply.date:
                self.send_header("Date", reply.date)
            self.send_header("Content-Type", reply.content_type)
            if not reply.foreign:
                self.send_header("x-amzn-RequestId", "5b1c")
            if reply.chunks:
                self.send_header("Transfer-Encoding", "chunked")
            else:
                self.send_header("Content-Length", str(len(reply.data) + (10 if reply.cut else 0)))
            self.end_headers()
            for chunk in reply.chunks:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            if reply.hold:
                service.stopped.wait(20)
            if reply.cut:
                self.close_connection = True
            elif reply.chunks:
                self.wfile.write(b"0\r\n\r\n")
            else:
                self.wfile.write(reply.data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    service = Service(f"http://127.0.0.1:{server.server_port}", list(replies))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield service
    finally:
        service.stopped.set()
        server.shutdown()
        thread.join()
        server.server_close()


def frame(event: str, payload: object, kind: str = "event") -> bytes:
    """A message of an AWS event stream."""
    names = {":message-type": kind, ":content-type": "application/json", f":{kind}-type": event}
    headers = b"".join(
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", 7, len(value)) + value.encode()
        for name, value in names.items()
    )
    body = json.dumps(payload).encode()
    prelude = struct.pack("!II", len(headers) + len(body) + 16, len(headers))
    message = prelude + struct.pack("!I", crc32(prelude)) + headers + body
    return message + struct.pack("!I", crc32(message))


KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "hush",
    "AWS_DEFAULT_REGION": "us-east-1",
}


def machine(
    monkeypatch: pytest.MonkeyPatch, folder: Path, environment: Mapping[str, str] = KEYS, config: str = ""
) -> None:
    """Let botocore see this environment and configuration only."""
    for name in os.environ:
        if name.startswith(("AWS_", "BOTO_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    (folder / "config").write_text(config)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(folder / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "credentials"))
    monkeypatch.setenv("AWS_LOGIN_CACHE_DIRECTORY", str(folder / "login"))
    monkeypatch.setenv("BOTO_CONFIG", str(folder / "boto"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr("botocore.credentials.SSOProvider._SSO_TOKEN_CACHE_DIR", str(folder / "sso"))
    monkeypatch.setattr("botocore.tokens.SSOTokenProvider._SSO_TOKEN_CACHE_DIR", str(folder / "sso"))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
