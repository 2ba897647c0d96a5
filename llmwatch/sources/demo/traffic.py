"""The demo's traffic: everybody's calls, interleaved as in life, and the story they tell."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from random import Random

from llmwatch.sources.demo.actor import Actor, new_id, person, service
from llmwatch.sources.demo.ask import Ask, routing, usage
from llmwatch.sources.demo.cast import DOMAIN, PEOPLE, RUNAWAY, SERVICES
from llmwatch.sources.demo.endings import drawn_ending
from llmwatch.sources.demo.statements import (
    CHAT,
    EPOCH,
    NOBODY,
    Caller,
    Request,
    Statement,
    info,
    process_started,
    process_warm,
    server_traceback,
    warning,
)
from llmwatch.sources.demo.timeline import SECOND, DemoLine, Process, Timeline

HISTORY = timedelta(minutes=15)
"""How much calm traffic lies before the story, so that a screen is not empty when it begins."""

TAKE_OFF = timedelta(minutes=1)
"""How long the story stays calm."""

_DOUBLING = 24.0
"""Seconds in which the runaway's calls double: from 4 a minute to the ceiling in under three minutes."""

_CEILING = 5.5
"""Calls a second at which the runaway stays: about 25 times what all others spend."""

_CYCLE = 900
"""Seconds after which the incidents come again."""

_DRAIN, _BOOT = 8, 2
"""Seconds a process has to end its calls, and until the next one begins."""


class DemoTraffic:
    """The lines of a router that 40 people and some service accounts use; one account's Kimi spend takes off.

    `start` is when the story begins: `history` of calm traffic lies before it, and a minute of calm follows.
    The same arguments give the same bytes, however often and at whatever moments they are asked for.

    `processes` is how many router processes the calls spread over. The lines of several are no log of one: a
    process that starts ends the calls of the one before it, and not those of others. Ask `lines_until` then.
    """

    def __init__(
        self, seed: int, start: datetime, *, history: timedelta = HISTORY, processes: int = 1
    ) -> None:
        self.start = start
        self.history = history
        self._random = Random(seed)  # noqa: S311
        self._processes = [Process(number) for number in range(processes)]
        self._timeline = Timeline()
        self._take_off = _moment(start + TAKE_OFF)
        self._cast(_moment(start - history))

    @property
    def processes(self) -> int:
        """How many router processes the calls spread over."""
        return len(self._processes)

    def until(self, moment: datetime) -> list[bytes]:
        """All lines up to and with `moment` not given yet, in the order of time, each with its newline."""
        return [line.data for line in self.lines_until(moment)]

    def lines_until(self, moment: datetime) -> list[DemoLine]:
        """As `until`, with the process of each line."""
        return self._timeline.until(_moment(moment))

    def _cast(self, begin: int) -> None:
        """Everybody's first appearance."""
        random = self._random
        people = [person(name, habit, random, DOMAIN) for name, habit in PEOPLE.items()]
        services = {name: service(name, habit, random, DOMAIN) for name, habit in SERVICES.items()}
        nameless = service("", "script", random, DOMAIN)
        for process in self._processes:
            self._timeline.at(begin, partial(self._boot, process))
        for actor in (*people, *services.values(), nameless):
            actor.pause(random)
            wait = random.uniform(0.2, 90 / actor.calls_a_minute)
            self._timeline.at(begin + int(wait * SECOND), partial(self._calls, actor))
        self._timeline.at(self._take_off, partial(self._runs_away, services[RUNAWAY]))
        self._timeline.at(begin + 7 * SECOND, self._probe)
        for second, incident in self._incidents(people[7], people[13]):
            self._timeline.at(begin + second * SECOND, partial(self._every_cycle, incident))

    def _incidents(self, owner: Actor, tester: Actor) -> list[tuple[int, Callable[[int], None]]]:
        """What happens now and then: seconds into the cycle and what."""
        key = f"oc_{self._random.getrandbits(42):011x}"[:10]
        return [
            (205, partial(self._manages_keys, owner.caller, "POST", "", key)),
            (260, self._old_client),
            (268, self._old_client),
            (430, partial(self._restarts, self._processes[-1])),
            (610, partial(self._sends_a_list, tester)),
            (700, partial(self._manages_keys, owner.caller, "GET", "", key)),
            (705, partial(self._manages_keys, owner.caller, "DELETE", f"/{key}", key)),
        ]

    def _every_cycle(self, incident: Callable[[int], None], moment: int) -> None:
        incident(moment)
        self._timeline.at(moment + _CYCLE * SECOND, partial(self._every_cycle, incident))

    def _calls(self, actor: Actor, moment: int) -> None:
        """`actor` makes its next call and plans the one after."""
        if self._random.random() < 0.01:
            self._lists_models(actor, moment)
        self._begin(actor, actor.ask(self._random), 0, moment)
        self._timeline.at(moment + int(actor.pause(self._random) * SECOND), partial(self._calls, actor))

    def _runs_away(self, actor: Actor, moment: int) -> None:
        """The story: large prompts, one after the other, more and more at once."""
        random = self._random
        since = (moment - self._take_off) / SECOND
        prompt = int(random.triangular(100_000, 250_000, 180_000))
        answer = int(actor.habit.answer * random.lognormvariate(0.6, 0.5))
        self._begin(actor, actor.asking(random, "kimi-k25", (prompt, 0, 0, answer)), 0, moment)
        rate = min(actor.calls_a_minute / 60 * 2 ** min(since / _DOUBLING, 64), _CEILING)
        gap = min(random.expovariate(rate), 6.0)
        self._timeline.at(moment + int(gap * SECOND), partial(self._runs_away, actor))

    def _begin(self, actor: Actor, ask: Ask, tries: int, moment: int) -> None:
        """One call, from its first line to its last."""
        random = self._random
        process = self._accepting()
        if process is None:
            later = moment + random.randrange(2 * SECOND, 5 * SECOND)
            self._timeline.at(later, partial(self._begin, actor, ask, tries))
            return
        ending = drawn_ending(ask, random.random())
        seconds = ask.seconds
        if ending:
            drawn = random.uniform(*ending.seconds)
            seconds = min(drawn, seconds) if ending.partial else drawn
        body = random.randrange(300, 4_000)
        took = body + int(seconds * SECOND)
        last = ending.statements(ask, took) if ending else [usage(ask)]
        status = ending.status if ending else 200
        if status is not None:
            last.append(ask.request.completed(status, took))
        self._timeline.say(process, moment, [ask.request.started()])
        self._timeline.say(process, moment + body, routing(ask))
        self._timeline.say(process, moment + took, last)
        if ending and ending.retried and actor.retries and tries < 2:
            again = moment + took + random.randrange(SECOND, 3 * SECOND)
            self._timeline.at(again, partial(self._begin, actor, ask, tries + 1))

    def _accepting(self) -> Process | None:
        up = [process for process in self._processes if process.accepts]
        return self._random.choice(up) if up else None

    def _answers(
        self, request: Request, status: int, microseconds: int, moment: int, *between: Statement
    ) -> None:
        """A request that calls no model."""
        process = self._accepting()
        if process is None:
            return
        self._timeline.say(process, moment, [request.started()])
        self._timeline.say(
            process, moment + microseconds, [*between, request.completed(status, microseconds)]
        )

    def _boot(self, process: Process, moment: int) -> None:
        process.accepts = True
        self._timeline.say(process, moment, process_started())
        self._timeline.say(process, moment + 600_000, process_warm())

    def _restarts(self, process: Process, moment: int) -> None:
        """A new deployment: calls that take longer than the drain never end."""
        process.accepts = False
        self._timeline.say(
            process, moment, [info("Received signal SIGTERM"), info("Shutting down gracefully...")]
        )
        self._timeline.at(moment + _DRAIN * SECOND, partial(self._killed, process))

    def _killed(self, process: Process, moment: int) -> None:
        process.generation += 1
        self._timeline.at(moment + _BOOT * SECOND, partial(self._boot, process))

    def _lists_models(self, actor: Actor, moment: int) -> None:
        request = Request(new_id(self._random), actor.caller, actor.user_agent, "GET", "/v1/models")
        self._answers(request, 200, self._random.randrange(200, 1_500), moment)

    def _probe(self, moment: int) -> None:
        """A monitor whose bearer token says nothing of who it is."""
        request = Request(new_id(self._random), NOBODY, "uptime-probe/1.3", "GET", "/v1/models")
        self._answers(request, 200, self._random.randrange(200, 900), moment)
        self._timeline.at(moment + 20 * SECOND, self._probe)

    def _manages_keys(self, caller: Caller, method: str, below: str, key: str, moment: int) -> None:
        """The router authenticates these paths elsewhere: only the security event names the owner."""
        request = Request(new_id(self._random), NOBODY, "opencode-auth/1.2.0", method, f"/v1/api-keys{below}")
        messages = {"POST": ["API key created"], "DELETE": ["API key revoked"]}.get(method, [])
        events = [
            info(message, request_id=request.request_id, user_sub=caller.sub, key_prefix=key)
            for message in messages
        ]
        status = 201 if method == "POST" else 200
        self._answers(request, status, self._random.randrange(18_000, 90_000), moment, *events)

    def _old_client(self, moment: int) -> None:
        if process := self._accepting():
            policy = info("Refreshed version policy", minimum="1.1.0")
            rejected = warning(
                "Client version rejected", client_version="1.0.9", minimum_version="1.1.0", path=CHAT
            )
            self._timeline.say(process, moment, [policy, rejected])

    def _sends_a_list(self, actor: Actor, moment: int) -> None:
        """A body the router did not expect: it fails, and so says the server below it, not in JSON."""
        if process := self._accepting():
            error = "'list' object has no attribute 'get'"
            request = Request(new_id(self._random), actor.caller, "curl/8.7.1")
            self._timeline.say(process, moment, [request.started()])
            trace = server_traceback(f"AttributeError: {error}")
            self._timeline.say(process, moment + 1_300, [request.failed(error, 1_300), *trace])


def _moment(time: datetime) -> int:
    """Microseconds since 1970."""
    return (time - EPOCH) // timedelta(microseconds=1)
