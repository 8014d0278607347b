"""What all panels have in common: a widget, a line that says what happened, and an orderly end.

Read next: `agentlab.panels.topology`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import ipywidgets as w

from ..core.exceptions import RemoteHandlerError
from ..core.printable import NO_MATH
from .markup import STYLE, block, escaped, short
from .observing import Observer, observer_of
from .ordering import keep_order
from .reading import STOPPED, LabFacts

if TYPE_CHECKING:
    from ..lab.lab import Lab

logger = logging.getLogger("agentlab.panels")


class Panel:
    """A panel: one view of a lab with its controls. A cell shows it; `close` takes it away.

    Made once more for the same lab, it takes the place of the earlier one, so that a cell can be run again.
    A panel `inside` a dashboard belongs to that.
    """

    title: ClassVar[str] = ""
    """What its tab is called."""

    def __init__(self, lab: Lab, *, inside: bool = False) -> None:
        self.lab = lab
        self.closed = False
        self.in_front = not inside
        """Whether somebody may be looking: a dashboard brings one tab at a time to the front."""
        self.observer: Observer = observer_of(lab)
        self.facts = self.observer.facts()
        self.note = w.HTML()
        self.note.add_class("agentlab-note")
        self._busy: set[str] = set()
        if not inside:
            take_place(self)
        self.widget = w.VBox(
            [w.HTML(STYLE, layout=w.Layout(display="none")), *self.build(), self.note],
            layout=w.Layout(width="100%", overflow="visible"),
        )
        self.widget.add_class("agentlab-panel")
        keep_order(self.widget)
        self.observer.attach(self)

    # For each panel to say

    def build(self) -> Sequence[Any]:
        """Make its widgets."""
        raise NotImplementedError

    def show(self, facts: LabFacts) -> None:
        """Bring its widgets up to date. Widgets tell the browser only what really changed."""

    def still(self) -> tuple[str, str]:
        """What it shows, as plain text and as HTML: for where there are no widgets."""
        raise NotImplementedError

    # For all

    def update(self, facts: LabFacts) -> None:
        """Take up new facts. What goes wrong is said in the panel: nobody else would see it."""
        if self.closed:
            return
        self.facts = facts
        try:
            self.show(facts)
        except Exception as error:
            logger.debug("A panel could not be brought up to date.", exc_info=True)
            self.say_error(f"{self.title} could not be brought up to date ({type(error).__name__})", error)
        keep_order(self.widget)

    def bring_to_front(self, in_front: bool) -> None:
        """Somebody can see the panel from now on, or no longer can."""
        self.in_front = in_front
        with self.observer.lock:
            self.update(self.facts)

    def say(self, text: str, look: str = "quiet") -> None:
        """Tell the user something in the panel's last line. `look`: ``quiet``, ``good``, ``warn`` or ``bad``."""
        if not self.closed:
            self.note.value = f'<span class="agentlab-{look}">{escaped(text)}</span>' if text else ""

    def say_error(self, what: str, error: BaseException) -> None:
        """Tell the user that something failed, with the remote traceback if there is one."""
        if self.closed:
            return
        text = str(error.args[0]) if isinstance(error, RemoteHandlerError) else str(error)
        head, _, rest = text.strip().partition("\n\n")
        trace = getattr(error, "remote_traceback", "") or rest
        shown = f'<span class="agentlab-bad">{escaped(what)}: {escaped(head or type(error).__name__)}</span>'
        self.note.value = shown + (block(trace.strip()) if trace.strip() else "")

    def do(self, what: str, work: Callable[[], Coroutine[Any, Any, str | None]], key: str | None = None) -> bool:
        """Let something be done on the lab's loop, and return at once; what comes of it is said in the panel.

        `work` returns what to say. While something with the same `key` is being done, nothing is begun: False.
        """
        key = key or what
        if self.closed:
            return False
        if key in self._busy:
            self.say(f"{what}: this is being done already.", "warn")
            return False
        self._busy.add(key)
        self.say(f"{what} …")

        async def run() -> None:
            try:
                said = await work()
                self.say(f"{what}: done." if said is None else said, "good")
            except asyncio.CancelledError:
                self.say(f"{what}: given up.", "warn")
                raise
            except Exception as error:
                self.say_error(what, error)
            finally:
                self._busy.discard(key)
                self.observer.look_again()

        if not self.observer.spawn(run):
            self._busy.discard(key)
            self.say(self.observer.facts().problem or STOPPED, "bad")
            return False
        return True

    def is_busy(self, key: str) -> bool:
        """Whether something with this key is being done."""
        return key in self._busy

    def close(self) -> None:
        """Take the panel away: its widgets, and its part of the observer. Doing it twice does nothing."""
        if self.closed:
            return
        with self.observer.lock:
            self.closed = True
            self.observer.detach(self)
            close_all(self.widget)
        mine = _OPEN.get(self.lab, {})
        if mine.get(type(self)) is self:
            del mine[type(self)]
            if not mine:
                del _OPEN[self.lab]

    def __repr__(self) -> str:
        return f"<{type(self).__name__}{' closed' if self.closed else ''} of {short(repr(self.lab))}>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        self.observer.wake()
        text, markup = self.still()
        data: dict[str, Any] = {"text/plain": text, "text/html": f'<div class="{NO_MATH}">{markup}</div>'}
        if not self.closed:
            data["application/vnd.jupyter.widget-view+json"] = {
                "version_major": 2,
                "version_minor": 0,
                "model_id": self.widget.model_id,
            }
        return data


_OPEN: dict[Lab, dict[type, Panel]] = {}
"""The panels that stand by themselves, by lab and kind."""


def take_place(panel: Panel) -> None:
    """Close the earlier panel of this kind, and all panels of labs that are stopped: nobody can close them any more
    when the lab's own variable is gone."""
    for lab, panels in list(_OPEN.items()):
        for kind, earlier in list(panels.items()):
            if lab.state == "stopped" or (lab is panel.lab and kind is type(panel)):
                earlier.close()
    _OPEN.setdefault(panel.lab, {})[type(panel)] = panel


def open_panel(lab: Lab, kind: type[Panel]) -> Panel | None:
    """The panel of this kind that stands by itself, if it is open."""
    panel = _OPEN.get(lab, {}).get(kind)
    return None if panel is None or panel.closed else panel


def offer(widget: Any, options: Sequence[Any], value: Any) -> bool:
    """Let a list widget offer these options, with this one chosen. False when that is what it does already.

    On the way its value is something else for a moment: what observes it should look away.
    """
    if list(widget.options) == list(options) and widget.value == value:
        return False
    with widget.hold_sync():
        if list(widget.options) != list(options):
            widget.options = options
        widget.value = value
    return True


def close_all(widget: Any) -> None:
    """Close a widget with all that belongs to it: closing a box leaves its children, layouts and styles behind."""
    parts: list[Any] = []
    for name in widget.keys:
        value = getattr(widget, name)
        parts += [
            part for part in (value if isinstance(value, list | tuple) else [value]) if isinstance(part, w.Widget)
        ]
    widget.unobserve_all()
    widget.close()
    for part in parts:
        if part.comm is not None:
            close_all(part)
