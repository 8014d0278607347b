"""The live timeline: every message from sender to receiver while it travels, to be stopped, searched and replayed.

What is shown is decided in `agentlab.timeline` (read `viewer` and `lens` there), and drawn there too; here are the
widgets around it and the thread in which it happens.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final

import ipywidgets as w

from ..core.journal import JournalEvent
from ..lab.cells import MadeByCells
from ..timeline.chronicle import Chronicle
from ..timeline.frame import WIDTH, Frame, render
from ..timeline.lens import EVERYTHING, Lens, Scene, View
from ..timeline.listing import listing
from ..timeline.picture import LISTED
from ..timeline.ruler import duration
from ..timeline.shapes import NOTHING
from ..timeline.sheet import Sheets
from ..timeline.viewer import Viewer
from .ordering import keep_order
from .panel import close_all
from .timeline_canvas import TimelineCanvas, details_state, frame_state
from .timeline_controls import TimelineControls, replay, toggle
from .timeline_feed import feed, is_live, lanes_of
from .timeline_thread import DRAWING

logger = logging.getLogger("agentlab.panels")

PERIOD_S: Final = 0.2
"""At most five frames a second: the eye follows, and the kernel has time for other things."""
SOON_S: Final = 0.04
"""What the reader does is shown sooner than what the run does."""
FIRST_FRAME_S: Final = 10.0
"""How long showing a timeline waits for its first picture: 200,000 messages take 4 s to open."""
WIDEST: Final = 4000


class LiveTimeline:
    """A live timeline is an interactive picture of a journal, while it grows or as it was.

    `source` is a `Lab` or a `Journal`, which are followed, or a `Run` (or any events). A cell shows it, as a widget
    and, where there are none, as a picture and text. It draws in a thread of its own, so a cell that blocks does not
    stop it. `close` takes it away; a timeline that is made again by the same cell takes the place of the earlier one.
    """

    def __init__(self, source: Any, *, lanes: str | None = None, span: str | None = None) -> None:
        follows = is_live(source)
        if not follows and not isinstance(source, Iterable):
            raise TypeError(f"A timeline shows a Lab, a Journal, a Run or events, not {source!r}.")
        view = View(span=span or (View().span if follows else EVERYTHING), lanes=lanes)  # type: ignore[arg-type]
        self.viewer = Viewer(Lens(Chronicle(), lanes_of(source)), view, is_live=follows)
        self.frames = 0
        """How many frames were drawn."""
        self.frame_s = 0.0
        """How long the last one took, in seconds."""
        self.closed = False
        self._source = source
        self._is_fed = False
        self._frame: Frame | None = None
        self._sheets = Sheets()
        self._scene: Scene | None = None
        self._size = (WIDTH, 1.0)
        self._window = 0
        self._types: dict[str, None] = {}
        self._lock = threading.RLock()
        self._orders: deque[Callable[[Viewer], None]] = deque()
        self._is_running = False
        self._has_drawn = threading.Event()
        self._changed: asyncio.Event | None = None
        self._hurry: asyncio.Event | None = None
        self.canvas = TimelineCanvas()
        self.canvas.on_msg(self._on_message)
        self.controls = TimelineControls(self.do, self.viewer)
        self.widget = w.VBox([*self.controls.rows, self.canvas], layout=w.Layout(width="100%", overflow="visible"))
        self.widget.add_class("agentlab-viewer")
        keep_order(self.widget)
        for old in _MADE.take_place(self):
            old.close()
        self.do(lambda viewer: None)

    def do(self, order: Callable[[Viewer], None]) -> None:
        """Let something be done with the viewer, in the thread that draws; returns at once. After `close`, nothing
        happens."""
        with self._lock:
            if self.closed:
                return
            self._orders.append(order)
            self._has_drawn.clear()
            if not self._is_running:
                self._is_running = True
                DRAWING.run(self._work)
            elif self._hurry is not None:
                DRAWING.call(self._hurry.set)

    def wait(self, timeout_s: float = FIRST_FRAME_S) -> bool:
        """Wait until all that was asked for so far is drawn; False when that takes longer. Not for the thread that
        draws, nor for a lab's own loop."""
        return self._has_drawn.wait(timeout_s)

    def close(self) -> None:
        """Take it away. Doing it twice does nothing."""
        with self._lock:
            if self.closed:
                return
            self.closed = True
            self._orders.clear()
            if self._hurry is not None:
                DRAWING.call(self._hurry.set)
            self._has_drawn.set()
            close_all(self.widget)

    # In the drawing thread

    async def _work(self) -> None:
        self._changed, self._hurry = asyncio.Event(), asyncio.Event()
        feeding = None if self._is_fed else asyncio.create_task(self._feed())
        if feeding is not None:  # what there is already belongs into the first picture
            await asyncio.wait([feeding], timeout=SOON_S if self.viewer.is_live else None)
        drawn_at = time.monotonic()
        is_over = False
        try:
            while not (is_over := not self._goes_on()):
                self._hurry.clear()
                self._changed.clear()
                now = time.monotonic()
                self.viewer.advance(now - drawn_at)
                drawn_at = now
                self._draw()
                await self._pause(now)
        finally:
            if feeding is not None:
                feeding.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await feeding
            if not is_over:  # else it has been said already, and the next order may have begun anew
                with self._lock:
                    self._is_running = False

    def _goes_on(self) -> bool:
        """Whether there is, or will be, something to do. When not, the next order begins anew."""
        with self._lock:
            orders, self._orders = self._orders, deque()
            if self.closed:
                self._is_running = False
                return False
            ends = not orders and self._is_fed and not self.viewer.is_playing and not self._is_changed()
            if ends:
                self._is_running = False
                return False
        for order in orders:
            try:
                order(self.viewer)
            except Exception:  # a button that fails must not end the picture
                logger.exception("The timeline could not do what it was asked for")
        return True

    def _is_changed(self) -> bool:
        return self._changed is not None and self._changed.is_set()

    async def _pause(self, began_s: float) -> None:
        """Wait until there is something new to draw, and then until it may be drawn."""
        assert self._changed is not None
        assert self._hurry is not None
        await asyncio.sleep(SOON_S)
        if not self.viewer.is_playing and not self._orders and not (self._is_fed and not self._is_changed()):
            waits = [asyncio.create_task(event.wait()) for event in (self._changed, self._hurry)]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
        left_s = began_s + max(PERIOD_S, 2 * self.frame_s) - time.monotonic()
        if left_s > 0 and not self._orders:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), left_s)

    async def _feed(self) -> None:
        lens = self.viewer.lens

        def take(events: list[JournalEvent]) -> None:
            self.viewer.chronicle.extend(events)
            for event in events:
                if event.message_id and event.type not in self._types:
                    self._types[event.type] = None
            if self._changed is not None:
                self._changed.set()

        def missed(events: int) -> None:
            lens.let_go += events

        lens.note = getattr(self._source, "note", "")
        try:
            await feed(self._source, take, missed)
        except Exception as error:
            lens.note = f"the journal cannot be read any more: {error}"
            logger.exception("The timeline's journal cannot be read any more")
        self._is_fed, self.viewer.is_live = True, False
        if self._changed is not None:
            self._changed.set()

    def _draw(self) -> None:
        began = time.perf_counter()
        try:
            scene = self.viewer.lens.look(self.viewer.view)
            frame = render(scene, self.viewer.chronicle, self._size[0], ratio=self._size[1], sheets=self._sheets)
        except Exception:
            logger.exception("The timeline could not be drawn")
            self._push({"status": "This view could not be drawn: see the kernel's log. Press Now."})
            return
        self._scene, self._frame = scene, frame
        self.frame_s = time.perf_counter() - began
        self.frames += 1
        viewer = self.viewer
        details = details_state(viewer.life())
        self._push(
            {
                "frame": frame_state(frame, self._window, viewer.selected),
                "details": details,
                "status": status_of(viewer, scene),
            }
        )

    def _push(self, state: dict[str, Any]) -> None:
        with self._lock:
            if self.closed:
                return
            for name, value in state.items():
                if getattr(self.canvas, name) != value:
                    setattr(self.canvas, name, value)
            self.controls.show(self.viewer)
            chronicle = self.viewer.chronicle
            self.controls.suggest(chronicle.agents, chronicle.processes, self._types)
            if not self._orders:
                self._has_drawn.set()

    # From the browser

    def _on_message(self, _: Any, content: Any, __: Any) -> None:
        order = self.order_of(content) if isinstance(content, dict) else None
        if order is not None:
            self.do(order)

    def order_of(self, content: dict[str, Any]) -> Callable[[Viewer], None] | None:
        """What a message from the browser asks for; None when it makes no sense."""
        match content:
            case {"do": "window", "first": int() | float() as first, "last": int() | float() as last, "window": int(n)}:

                def show(viewer: Viewer) -> None:
                    self._window = max(self._window, n)
                    viewer.show(float(first), float(last))

                return show
            case {"do": "select", "number": int(number)}:
                return lambda viewer: viewer.select(number)
            case {"do": "message", "id": str(message_id)}:
                return lambda viewer: viewer.select_message(message_id)
            case {"do": "step", "by": int(by)}:
                return lambda viewer: viewer.step(1 if by > 0 else -1)
            case {"do": "size", "width": int(width), "ratio": int() | float() as ratio}:

                def resize(_: Viewer) -> None:
                    self._size = (min(width, WIDEST), min(2.0, max(1.0, float(ratio))))

                return resize
            case {"do": "pause"}:
                return toggle
            case {"do": "replay"}:
                return replay
            case {"do": "now"}:
                return Viewer.follow
            case {"do": "everything"}:
                return Viewer.show_everything
        return None

    # Where there is no browser

    def __repr__(self) -> str:
        if self.closed:
            return "<LiveTimeline, closed>"
        known = len(self.viewer.chronicle.copies)
        return f"<LiveTimeline of {known} messages{', live' if self.viewer.is_live else ''}>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        self.wait()
        layout = NOTHING if self._scene is None else self._scene.layout
        bundle: dict[str, Any] = {"text/plain": f"{self!r}\n{listing(layout, limit=LISTED)}".rstrip("\n")}
        if self._frame is not None:
            bundle["image/png"] = self._frame.png
        if not self.closed:
            bundle = (self.widget._repr_mimebundle_() or {}) | bundle
        return bundle


def status_of(viewer: Viewer, scene: Scene) -> str:
    """How things stand, in a few words."""
    words = "follows" if viewer.is_live else "all of the run"
    if viewer.is_playing:
        words = "replays"
    elif viewer.view.window is not None:
        words = "stands on a window"
    elif viewer.view.until is not None:
        words = "stands still"
    at = f", at {duration(max(0, viewer.position))} of {duration(viewer.end)}" if viewer.view.until is not None else ""
    return f"{scene.shown:,} of {scene.known:,} messages; {words}{at}"


_MADE: Final = MadeByCells[LiveTimeline]()
