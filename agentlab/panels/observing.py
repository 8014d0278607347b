"""The observer of a lab: looks a few times a second, and tells the panels.

All panels of a lab share one observer, which is one task on the lab's own loop. It begins with the first panel and
ends with the last one, or with the lab.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import grpc

from ..core.exceptions import HostLostError
from ..wire.watching import Snapshot
from .reading import LabFacts, Rates, ask_host, event_loop, new_events, read_processes

if TYPE_CHECKING:
    from ..lab.lab import Lab

PERIOD_S: Final = 0.25
"""How often the observer looks: twice within the half second in which a panel promises to show the truth."""
ASK_S: Final = 2.0
"""How long the host may take to say what it knows; meanwhile the processes are looked at all the same."""

T = TypeVar("T")


class Shown(Protocol):
    """What an observer tells."""

    def update(self, facts: LabFacts) -> None:
        """Show this, and raise nothing. Called on the lab's loop, or on the caller's thread; never on two at once."""
        ...


class Observer:
    """An observer: the one that looks at a lab on behalf of all its panels."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.lock = threading.RLock()
        """Held while panels are changed by the observer, and by those who change many widgets in one go."""
        self._panels: list[Shown] = []
        self._task: asyncio.Task[None] | None = None
        self._work: set[asyncio.Task[None]] = set()
        self._rates = Rates()
        self._seq = 0
        self._snapshot: Snapshot | None = None
        self._asking: asyncio.Task[Snapshot | None] | None = None

    @property
    def busy(self) -> bool:
        """Whether anything of it runs on the lab's loop."""
        return self._task is not None or bool(self._work)

    def attach(self, panel: Shown) -> None:
        """From now on this panel is told, the first time at once."""
        with self.lock:
            self._panels.append(panel)
        self._tell(panel, self.facts())
        self.wake()

    def detach(self, panel: Shown) -> None:
        """This panel is no longer told. The last one ends the observer's task. Doing it twice does nothing."""
        with self.lock:
            if panel in self._panels:
                self._panels.remove(panel)
            task = None if self._panels else self._task
            if not self._panels and _OBSERVERS.get(self.lab) is self:
                del _OBSERVERS[self.lab]
        loop = event_loop(self.lab)
        if task is not None and loop is not None:
            _call(loop, task.cancel)

    def wake(self) -> None:
        """Begin to look, if the lab runs and nobody does. For a lab that was started after its panels."""
        loop = event_loop(self.lab)
        if loop is not None and self._task is None:
            _call(loop, self._begin)

    def spawn(self, work: Callable[[], Coroutine[Any, Any, None]]) -> bool:
        """Let a coroutine run on the lab's loop, and return at once. False when the lab does not run."""
        loop = event_loop(self.lab)

        def begin() -> None:
            if event_loop(self.lab) is None:  # it was stopped in between
                return
            task = asyncio.ensure_future(work())
            self._work.add(task)
            task.add_done_callback(self._work.discard)

        return loop is not None and _call(loop, begin)

    def facts(self) -> LabFacts:
        """What is known at this moment, without asking the host."""
        lab = self.lab
        snapshot = self._snapshot if lab.state == "running" else None
        processes = read_processes(lab, snapshot, self._rates.per_s() if lab.state == "running" else {})
        return LabFacts(lab.state, processes, snapshot, self._seq)

    def look_again(self) -> None:
        """Tell all panels what is known at this moment."""
        facts = self.facts()
        with self.lock:
            panels = list(self._panels)
        for panel in panels:
            self._tell(panel, facts)

    def _tell(self, panel: Shown, facts: LabFacts) -> None:
        with self.lock:
            panel.update(facts)

    def _begin(self) -> None:
        if self._task is None and self._panels and event_loop(self.lab) is not None:
            self._task = asyncio.ensure_future(self._watch())

    async def _watch(self) -> None:
        try:
            while True:
                self._seq, events = new_events(self.lab, self._seq)
                self._rates.add(events, time.monotonic())
                self._ask()
                self.look_again()
                await asyncio.sleep(PERIOD_S)
        finally:
            self._task = None
            if self._asking is not None:
                self._asking.cancel()
                self._asking = None
            if event_loop(self.lab) is None:
                self.look_again()  # for the last time: the lab is stopped
            elif self._panels:
                self.wake()  # a panel came while this ended

    def _ask(self) -> None:
        """Take up the host's last answer, and ask again."""
        if self._asking is not None:
            if not self._asking.done():
                return
            self._snapshot = self._asking.result()
        self._asking = asyncio.ensure_future(self._ask_host())

    async def _ask_host(self) -> Snapshot | None:
        try:
            return await ask_host(self.lab, ASK_S)
        except (TimeoutError, grpc.RpcError, HostLostError):
            return None


def _call(loop: asyncio.AbstractEventLoop, function: Callable[[], object]) -> bool:
    try:
        loop.call_soon_threadsafe(function)
    except RuntimeError:  # it was closed in between
        return False
    return True


_OBSERVERS: dict[Lab, Observer] = {}
"""The observers that have panels."""


def observer_of(lab: Lab) -> Observer:
    """The lab's observer: there is one."""
    observer = _OBSERVERS.get(lab)
    if observer is None:
        observer = _OBSERVERS.setdefault(lab, Observer(lab))
    return observer


async def in_a_thread(function: Callable[[], T]) -> T:
    """Run something slow in a thread of its own, which ends with it, and return its result.

    Not in the loop's pool: that keeps its threads for the next time.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def tell(setter: Callable[[Any], None], value: object) -> None:
        if not done.done():
            setter(value)

    def run() -> None:
        try:
            result = function()
        except BaseException as error:
            _call(loop, lambda error=error: tell(done.set_exception, error))  # type: ignore[misc]
        else:
            _call(loop, lambda: tell(done.set_result, result))

    threading.Thread(target=run, name="agentlab-panel", daemon=True).start()
    return await done
