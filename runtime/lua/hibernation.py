"""Hibernation: a run that waits may give its interpreter up, and gets another, told the same again, when something comes.

A `HibernatingSession` is a session with a log of what it was told (`eventlog`). Its host says when it waits (`rest`); its
`HibernationPool`, which all runs of a worker share, then decides who sleeps: those that have waited the longest, as soon as more
wait than may be awake. A script notices nothing: it is told the same events at the same times, and what it answers is compared with
what it answered before.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

from runtime.errors import INTERNAL, Error, internal
from runtime.lua import protocol
from runtime.lua.eventlog import Answer, Digest, EventLog
from runtime.lua.program import Program
from runtime.lua.session import Questions, Session
from runtime.lua.shadow import ShadowSession
from runtime.payload import Payload

#: What Lua holds for all runs of a worker that wait awake, where nobody says how many may: bytes.
MAX_BYTES = 256 * 1024 * 1024

#: By how much an event may take longer when it is told again, on a machine that has more to do now.
_PATIENCE = 4


class WokenDiffers(Exception):
    """The error of a run that was told the same again and answered differently. It is no error of the script, so it fails the task and never the run."""


@dataclass(frozen=True, slots=True)
class HibernationCounts:
    """The counts of one pool: runs with and without an interpreter, how often one woke, how many steps that repeated, and how often
    something came out differently."""

    live: int = 0
    asleep: int = 0
    wakes: int = 0
    replayed: int = 0
    differed: int = 0


class HibernationPool:
    """The pool that decides which runs of a worker are awake. It is thread-safe.

    `most` is how many may wait with an interpreter, 0 for none at all; None for as many as Lua needs 256 MiB for. A run that
    is being stepped does not wait; one that cannot sleep, since its log is too long, does not count. Where a run comes out
    differently its task fails, and those of the same bundle sleep no more: what goes on after its history must not fail again.
    """

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self._waiting: OrderedDict[HibernatingSession, int] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        self._numbers = {number.name: 0 for number in fields(HibernationCounts)}
        self._unfit: set[str] = set()

    @property
    def counts(self) -> HibernationCounts:
        return HibernationCounts(**self._numbers)

    def count(self, **more: int) -> None:
        """Adds to what is counted."""
        with self._lock:
            for name, by in more.items():
                self._numbers[name] += by

    def may_sleep(self, bundle: str) -> bool:
        return bundle not in self._unfit

    def differed(self, bundle: str) -> None:
        """A run of this bundle came out differently."""
        self.count(differed=1)
        self._unfit.add(bundle)

    def waits(self, session: HibernatingSession, size: int) -> None:
        """From now on the session waits, with `size` bytes. Puts others to sleep, or this one."""
        with self._lock:
            if session.is_closed:  # by a worker that ended meanwhile
                return
            self._forget(session)
            self._waiting[session] = size
            self._bytes += size
            surplus = list(self._surplus())
        for each in surplus:
            each.sleep()

    def goes_on(self, session: HibernatingSession) -> None:
        """The session does not wait any more, or sleeps."""
        with self._lock:
            self._forget(session)

    def _forget(self, session: HibernatingSession) -> None:
        self._bytes -= self._waiting.pop(session, 0)

    def _surplus(self) -> Iterator[HibernatingSession]:
        while self._waiting and self._is_full():
            session, size = self._waiting.popitem(last=False)
            self._bytes -= size
            yield session

    def _is_full(self) -> bool:
        return self._bytes > MAX_BYTES if self._most is None else len(self._waiting) > self._most


class HibernatingSession:
    """A `Session` (with `shadow`, a `ShadowSession`) that its pool may put to sleep between `rest` and what comes next.

    Whoever steps it is its owner, as with any session. But the pool may take the interpreter meanwhile, from the thread of
    another run. Whoever has the lock has the interpreter, and the pool does not wait for it.
    `spent` is not asked while the run is told again: that is nobody's event.
    """

    __slots__ = (
        "__weakref__", "_answers", "_astray", "_closed", "_heard", "_lock", "_log", "_pool", "_program", "_questions", "_session",
        "_shadow", "_spent", "_waits",
    )  # fmt: skip

    def __init__(
        self,
        program: Program,
        boot: Mapping[str, Any],
        *,
        pool: HibernationPool,
        questions: Questions | None = None,
        spent: Callable[[], float] | None = None,
        shadow: bool = False,
    ) -> None:
        self._program, self._questions, self._spent, self._shadow = program, questions or {}, spent, shadow
        self._pool = pool
        self._lock = threading.Lock()
        self._closed = self._waits = False
        self._answers: list[Answer] = []
        self._heard: deque[Answer] | None = None
        self._astray: str | None = None
        self._log = EventLog(boot)
        self._session: Session | None = self._begun(boot)
        pool.count(live=1)

    @property
    def is_closed(self) -> bool:
        return self._closed

    @property
    def is_asleep(self) -> bool:
        return self._session is None and not self._closed

    def memory_used(self) -> int:
        """Bytes that Lua holds for it."""
        return self._session.memory_used() if self._session is not None else 0

    def step(self, events: Sequence[protocol.Event], clock: protocol.Clock, *, patience: float = 1) -> protocol.Batch:
        """As `Session.step`; raises `WokenDiffers` as well. The step may take `patience` times as long as others."""
        with self._lock:
            session = self._awake()
            session.patience = patience
            self._answers = []
            try:
                batch = session.step(events, clock)
            except BaseException:
                self._log.give_up()  # nobody knows what the interpreter has done of it
                raise
            if batch.spent is not None:
                self._log.give_up()  # time and memory end a step elsewhere the next time; it was the last one in any case
            elif self._log.kept:
                self._log.add(events, clock, self._answers, batch, session.taken())
            return batch

    def taken(self) -> float:
        """Seconds of processor time that the last step took, at most."""
        return self._session.taken() if self._session is not None else 0.0

    def query(self, name: str, args: Sequence[Payload]) -> Payload:
        """As `Session.query`; raises `WokenDiffers` as well."""
        with self._lock:
            return self._awake().query(name, args)

    def validate(self, name: str, args: Sequence[Payload]) -> None:
        """As `Session.validate`; raises `WokenDiffers` as well."""
        with self._lock:
            self._awake().validate(name, args)

    def rest(self) -> None:
        """To be called when all that came was taken: the run waits, and its pool may put it to sleep until it is needed."""
        with self._lock:
            if self._session is None or not self._log.kept or not self._pool.may_sleep(self._program.bundle):
                return
            self._waits = True
            size = self.memory_used()
        self._pool.waits(self, size)

    def sleep(self) -> None:
        """Gives the interpreter up, unless something has come meanwhile. For the pool, on any thread."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            if self._waits and self._session is not None:
                self._give_up_interpreter(self._session)
        finally:
            self._lock.release()

    def _give_up_interpreter(self, session: Session) -> None:
        self._log.pack()
        self._pool.goes_on(self)
        if self._log.kept:
            self._session = None
            session.close()
            self._pool.count(live=-1, asleep=1)

    def close(self) -> None:
        """Frees the interpreter, if there is one. Idempotent."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._pool.goes_on(self)
            session, self._session = self._session, None
            self._log.give_up()
            if session is not None:
                session.close()
                self._pool.count(live=-1)
            else:
                self._pool.count(asleep=-1)

    # Waking -------------------------------------------------------------------------------------------------------------

    def _awake(self) -> Session:
        if self._closed:
            raise internal("the session is closed")
        if self._waits:
            self._waits = False
            self._pool.goes_on(self)
        if self._session is None:
            self._session = self._woken()
            self._pool.count(live=1, asleep=-1, wakes=1, replayed=self._log.steps)
        return self._session

    def _woken(self) -> Session:
        """A new interpreter that was told all that the last one was. Raises `WokenDiffers`."""
        self._heard = deque()
        try:
            session = self._begun(self._log.boot())
            try:
                self._tell_again(session)
            except BaseException:
                session.close()
                raise
        finally:
            self._heard = self._astray = None
        return session

    def _tell_again(self, session: Session) -> None:
        """With the budget of a replay, which is twice the usual one: what passed passes. Raises `WokenDiffers`."""
        digest = Digest()
        session.patience = _PATIENCE
        for told in self._log.told():
            self._heard = deque(told.answers)
            batch = session.step(told.events, told.clock)
            if self._heard and self._astray is None:
                self._astray = f"It did not ask {self._heard[0].name} again."
            digest.add(batch)
        session.patience = 1
        if self._astray is not None or digest.value() != self._log.digest.value():
            self._pool.differed(self._program.bundle)
            raise WokenDiffers(self._difference())

    def _difference(self) -> str:
        why = self._astray or "Look for what Lua leaves open, with shadow execution: see evermoon docs determinism."
        steps = f"the {self._log.steps} steps" if self._log.steps != 1 else "the one step"
        return f"{self._program.entry} differs after hibernation: {steps} of the run came out differently. Runs of this bundle do not sleep any more. {why}"

    def _begun(self, boot: Mapping[str, Any]) -> Session:
        kind = ShadowSession if self._shadow else Session
        questions = {name: partial(self._ask, name) for name in self._questions}
        return kind(self._program, boot, questions=questions, spent=self._spent_now if self._spent else None)

    def _spent_now(self) -> float:
        return self._spent() if self._spent is not None and self._heard is None else 0.0

    def _ask(self, name: str, *args: Any) -> Any:
        """A question of the step under way: for the host; while waking, for the record of what the host said then."""
        if self._heard is not None:
            return self._answer(name, args)
        try:
            value = self._questions[name](*args)
        except Exception as error:
            told = (error.kind, error.message) if isinstance(error, Error) else (INTERNAL, f"{name} failed in the host")
            self._answers.append(Answer(name, args, error=told))
            raise
        self._answers.append(Answer(name, args, value))
        return value

    def _answer(self, name: str, args: tuple[Any, ...]) -> Any:
        known = self._heard.popleft() if self._heard else None
        if known is None or (known.name, known.args) != (name, args):
            self._astray = self._astray or f"It asked {name}({', '.join(map(str, args))}), which it had not."
            raise internal(self._astray, retryable=None)
        if known.error is not None:
            raise Error(*known.error)
        return known.value
