"""Router traffic whose truth is known, because the requests that make it are played, not guessed.

A request is a small coroutine that logs what the router logs in the order the router logs it, and waits
only where the router awaits. Many of them run on one simulated event loop a process, so their lines mix just
as the router's would; nothing ever comes between two lines that the router prints without an await.
"""

import heapq
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from tests.oracle.hostile import TEXTS, corpus
from tests.oracle.request import CHAT_PATH, Person, Request, TrueCall, Waits

START = datetime(2026, 2, 27, 16, 47, tzinfo=UTC)
HOT_IDS = (
    "",
    "1",
    "test",
    "x" * 5_000,
    *(TEXTS[name] for name in ("markup action", "clipboard", "lone surrogate")),
)
ORDINARY = tuple(
    Person(f"user{n:02d}@example.com", f"sub-{n:02d}", f"user{n:02d}@example.com") for n in range(12)
)
ODD = (
    Person("", "sub-key", "sub-key"),
    Person("", "", None),
    Person(None, None, None),
    Person("   ", "sub-spaces", "sub-spaces"),
    Person(None, 12, "12"),
    Person(12, "sub-number", "12"),
    Person(True, "", "true"),
    Person(False, "sub-false", "false"),
    Person(float("nan"), "", "NaN"),
    Person({"a": 1}, "", '{"a":1}'),
    Person(["é", None], "", '["é",null]'),
    Person("User00@Example.com", "sub-00", "User00@Example.com"),
    Person("user00@example.com", "another sub", "user00@example.com"),
    *(
        Person(TEXTS[name], "", TEXTS[name])
        for name in ("bidi override", "forged line", "10 kB", "lone surrogate")
    ),
)


@dataclass
class Simulation:
    """Lines and their truth; `recipe` makes them again.

    `counters` has lines, events, malformed and unrecognised.
    """

    recipe: str
    now: datetime
    lines_by_stream: dict[str, list[bytes]] = field(default_factory=dict, repr=False)
    truth: list[TrueCall] = field(default_factory=list, repr=False)
    counters: Counter[str] = field(default_factory=Counter, repr=False)


def simulate(seed: int | Random, requests: int, hostility: float) -> Simulation:
    """Traffic of so many requests. `hostility` 0 is a quiet day, 1 everything that can go wrong, often."""
    random = Random(seed) if isinstance(seed, int) else seed
    streams = random.randint(1, 3)
    simulation = Simulation(f"simulate({seed}, {requests}, {hostility})", now=START)
    played: list[Request] = []
    for number in range(streams):
        share = requests // streams + (number < requests % streams)
        stream = Stream(f"router/{number}", random, hostility, simulation)
        played += stream.play(share)
    simulation.now += timedelta(seconds=random.choice((1, 300, 960)))
    mark_ambiguous(played)
    simulation.truth = [request.truth(simulation.now) for request in played]
    return simulation


class Stream:
    """One task's log: processes one after the other, each an event loop on a simulated clock."""

    def __init__(self, name: str, random: Random, hostility: float, simulation: Simulation) -> None:
        self.name = name
        self.random = random
        self.hostility = hostility
        self.simulation = simulation
        self.clock = START + timedelta(microseconds=random.randrange(10**6))
        self.lines: list[bytes] = simulation.lines_by_stream.setdefault(name, [])
        self.process = 0

    def chance(self, share: float) -> bool:
        """Whether something nasty happens: more often on a hostile day."""
        return self.random.random() < share * self.hostility

    def log(self, message: str, level: object = "INFO", **fields: object) -> None:
        """One line, as the router's formatter writes it."""
        self.clock += timedelta(microseconds=self.random.choice((0, 1, 40, 300)))
        head = {
            "timestamp": self.clock.replace(tzinfo=None).isoformat() + "Z",
            "level": level,
            "logger": "bedrock-router",
            "message": message,
        }
        self.write(json.dumps({**head, **fields}).encode(), "events")

    def write(self, raw: bytes, counter: str) -> None:
        self.lines.append(raw)
        if counter != "blank":
            self.simulation.counters.update(("lines", counter))

    def play(self, requests: int) -> list[Request]:
        """Let so many requests arrive; some may run still when the log ends."""
        arrivals = list(self.arrivals(requests))
        played: list[Request] = []
        stops_early = self.chance(0.5)
        self.start_process()
        running: list[tuple[datetime, int, Request, Waits]] = []
        turn = 0
        while arrivals or running:
            if arrivals and (not running or arrivals[0][0] <= running[0][0]):
                time, request = arrivals.pop(0)
                played.append(request)
                request.process = self.process
                coroutine = request.run()
            else:
                time, _, request, coroutine = heapq.heappop(running)
            self.clock = max(self.clock, time)
            try:
                delay = next(coroutine)
            except StopIteration:
                request.last_line = len(self.lines)
            else:
                turn += 1
                wake = self.clock + timedelta(seconds=delay)
                heapq.heappush(running, (wake, turn, request, coroutine))
            self.disturb()
            if running and self.chance(0.01):
                self.kill()
                running = []
            if stops_early and not arrivals and self.random.random() < 0.2:
                break
        self.simulation.now = max(self.simulation.now, self.clock)
        return played

    def arrivals(self, requests: int) -> Iterator[tuple[datetime, Request]]:
        """Who asks when, under which id; ids and people come back."""
        time = self.clock
        person, request_id = ORDINARY[0], ""
        for _ in range(requests):
            time += timedelta(seconds=self.random.choice((0.0, 0.001, 0.2, 2.0, 20.0)) * self.random.random())
            retried, shared = self.chance(0.15), self.chance(0.25)
            if not retried:
                person = self.random.choice(ODD if self.chance(0.3) else ORDINARY)
                if not shared:
                    hot = self.random.choice(HOT_IDS)
                    request_id = hot if self.chance(0.3) else f"{self.random.getrandbits(64):x}"
            elif self.chance(0.5):
                time += timedelta(seconds=120)
            yield time, Request(self, person, request_id)

    def start_process(self) -> None:
        self.log(
            "Starting Bedrock router", port=8080, mantle_url="https://mantle.example.com", version="1.0.0"
        )

    def kill(self) -> None:
        """End the process in the middle of everything and start the next."""
        if self.chance(0.5):
            self.log("Received signal SIGTERM")
            self.log("Shutting down gracefully...")
        if self.chance(0.5):
            self.write(b'{"timestamp": "2026-02-27T16:47:00Z", "level": "INFO", "logger": "bedr', "malformed")
        self.process += 1
        self.start_process()

    def disturb(self) -> None:
        """What else comes by: lines that are of no request."""
        if self.chance(0.05):
            line = self.random.choice(NOISE)
            self.write(line.raw, "events" if line.kind == "event" else line.kind)
        if self.chance(0.02):
            self.log("Client version rejected", "WARNING", client_version=TEXTS["clipboard"], path=CHAT_PATH)
        if self.chance(0.02):
            self.log("DynamoDB lookup failed", "ERROR", error="timeout")
        if self.chance(0.02):
            self.log("Shutting down gracefully...")


NOISE = [line for line in corpus() if line.kind != "event" and len(line.raw) < 20_000]


def mark_ambiguous(requests: list[Request]) -> None:
    """Say of each request what its lines cannot tell, for others with its id ran at the same time."""
    for together in overlapping(requests):
        waited = any(request.waited_after_error for request in together)
        for request in together:
            own = [other for other in together if other.person.name == request.person.name]
            request.crowded = len(own) > 1
            if not request.ended:
                request.ambiguous.add("last_seen")
            if waited:
                request.ambiguous |= {"outcome", "unmetered", "reached_model", "first_seen", "last_seen"}
            if request.route == "converse":
                # Nothing on the lines of routing to Converse says whose they are.
                request.ambiguous.add("requested_model")
                if not request.usage_logged:
                    request.ambiguous |= {"model", "reached_model", "unmetered"}
            if (
                len({other.model for other in own if other.route == "mantle"}) > 1
                and request.route == "mantle"
            ):
                request.ambiguous |= {"model", "requested_model"}


def overlapping(requests: list[Request]) -> Iterator[list[Request]]:
    """Requests of one id and process whose lives touch, directly or through others; only of two and more."""
    piles: dict[tuple[str, int, str], list[Request]] = {}
    for request in requests:
        piles.setdefault((request.stream.name, request.process, request.request_id), []).append(request)
    for pile in piles.values():
        together: list[Request] = []
        end: float = -1
        for request in sorted(pile, key=lambda request: request.first_line):
            if request.first_line >= end and together:
                if len(together) > 1:
                    yield together
                together, end = [], -1
            together.append(request)
            end = max(end, float("inf") if request.last_line is None else request.last_line)
        if len(together) > 1:
            yield together
