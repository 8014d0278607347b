"""The send panel: a direct message or a topic, its fields as a form, and what came of it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Final

import ipywidgets as w

from ..core.ids import AgentId
from ..lab.addresses import agent_id, topic_id
from .fields import FormError, fields_of, make
from .form import Form, labelled, side_by_side
from .markup import span
from .messages import Order, Sending, deadline_of, deadline_text, message_types, reached, recipients
from .ordering import keep_order
from .panel import Panel, offer
from .reading import LabFacts

REMEMBERED: Final = 50
"""So many sendings are in the history."""
DIRECT: Final = "direct message"
TOPIC: Final = "topic"
_FULL: Final = {"width": "calc(100% - 4px)", "max_width": "520px"}


class SendPanel(Panel):
    """The send panel: send what the agents' handlers accept, as often as you like, and see each reply or error."""

    title = "Send"

    def build(self) -> Sequence[Any]:
        self.kind = w.ToggleButtons(options=[DIRECT, TOPIC])
        self.kind.style.button_width = "130px"
        # Texts are sent when they are left: see `agentlab.panels.form.Entry`.
        # Two boxes, so that nothing is ever put where somebody may be typing already.
        self._agent = w.Combobox(placeholder="type/key, or type", layout=w.Layout(**_FULL), continuous_update=False)
        hidden = w.Layout(**_FULL, display="none")
        self._topic = w.Combobox(placeholder="type/source, or type", layout=hidden, continuous_update=False)
        self.type = w.Dropdown(options=[], layout=w.Layout(**_FULL))
        nobody = "an agent's type/key, or nobody"
        self.sender = w.Text(placeholder=nobody, layout=w.Layout(**_FULL), continuous_update=False)
        self.deadline = w.Text(placeholder="seconds, or none", layout=w.Layout(width="160px"), continuous_update=False)
        self.times = w.BoundedIntText(value=1, min=1, max=100_000, layout=w.Layout(width="72px"))
        self.per_s = w.BoundedFloatText(
            value=0, min=0, max=1000, tooltip="0: each when the one before is done", layout=w.Layout(width="72px")
        )
        self.form = Form([])
        self.place = w.VBox([self.form.widget], layout=w.Layout(overflow="visible"))
        self.send_button = w.Button(description="Send", button_style="primary", icon="paper-plane")
        self.send_button.add_class("agentlab-send")
        self.cancel_button = w.Button(description="Cancel", tooltip="Give up all that waits", disabled=True)
        self.progress = w.IntProgress(layout=w.Layout(width="120px", visibility="hidden"))
        self.result = w.HTML(span("Nothing was sent yet.", "quiet"))
        self.history = w.Select(options=[], rows=6, layout=w.Layout(width="calc(100% - 4px)"))
        self.again_button = w.Button(description="Send again", tooltip="Send the chosen one again", disabled=True)
        self.sendings: list[Sending] = []
        self._shown_type: type[Any] | None = None
        self._number = 0
        self._proposed = {self._agent: "", self._topic: ""}
        self._settling = False

        self.kind.observe(lambda _: self._choose_kind(), "value")
        for box in self._proposed:
            box.observe(lambda _: self._look(), "value")
        self.type.observe(lambda _: self._show_form(), "value")
        self.history.observe(lambda _: self._show_result(), "value")
        self.send_button.on_click(lambda _: self.send())
        self.cancel_button.on_click(lambda _: self.cancel())
        self.again_button.on_click(lambda _: self.send_again())

        often = w.HBox(
            [self.times, w.Label("times, at"), self.per_s, w.Label("a second")],
            layout=w.Layout(flex_flow="row wrap"),
        )
        left = w.VBox(
            [
                self.kind,
                labelled("to", w.VBox([self._agent, self._topic], layout=w.Layout(overflow="visible"))),
                labelled("message", self.type),
                self.place,
                labelled("sender", self.sender),
                labelled("deadline", self.deadline),
                labelled("send", often),
                w.HBox([self.send_button, self.cancel_button, self.progress], layout=w.Layout(flex_flow="row wrap")),
            ],
            layout=w.Layout(flex="1 1 420px", min_width="300px", overflow="visible"),
        )
        right = w.VBox(
            [self.result, w.HTML(span("History", "title")), self.history, self.again_button],
            layout=w.Layout(flex="1 1 320px", min_width="260px", overflow="visible"),
        )
        return [side_by_side(left, right)]

    @property
    def direct(self) -> bool:
        """Whether a direct message is to be sent, not a published one."""
        return bool(self.kind.value == DIRECT)

    @property
    def to(self) -> Any:
        """Where the address is typed: an agent's, or a topic's."""
        return self._agent if self.direct else self._topic

    # What can be sent

    def show(self, facts: LabFacts) -> None:
        for box in self._proposed:
            self._propose(box, tuple(recipients(facts.snapshot, box is self._agent)))
        types = [(cls.__name__, cls) for cls in self._types(facts)]
        chosen = self.type.label
        if list(self.type.options) != types:  # else it stays as it is: somebody may be choosing at this moment
            self._settling = True
            offer(
                self.type, types, next((cls for name, cls in types if name == chosen), types[0][1] if types else None)
            )
            self._settling = False
        self._show_form()
        self._show_progress()

    def _propose(self, box: Any, offered: tuple[str, ...]) -> None:
        """Offer addresses, and put one in where nothing was typed."""
        if tuple(box.options) != offered:
            box.options = offered
        if offered and box.value == self._proposed[box] and box.value not in offered:
            self._proposed[box] = offered[0]
            box.value = offered[0]

    def _types(self, facts: LabFacts) -> list[type[Any]]:
        wanted = reached(facts.snapshot, self.direct, self.to.value)
        return message_types(self.lab.registered, vars(sys.modules["__main__"]), wanted)

    def _look(self) -> None:
        with self.observer.lock:
            self.update(self.facts)

    def _choose_kind(self) -> None:
        for box in self._proposed:
            box.layout.display = None if box is self.to else "none"
        self.deadline.disabled = not self.direct
        self._look()

    def _show_form(self) -> None:
        cls = self.type.value
        if cls is self._shown_type or self._settling:
            return
        self._make_form(cls)

    def _make_form(self, cls: type[Any] | None, message: Any = None) -> None:
        """A form for a class of messages, filled in as a message of it."""
        with self.observer.lock:
            self._shown_type = cls
            before = self.form
            try:
                wanted = [] if cls is None else fields_of(cls)
                start = {field.name: getattr(message, field.name) for field in wanted if hasattr(message, field.name)}
                self.form = Form(wanted, start, nothing="This message has no fields.")
            except Exception as error:  # a class may be anything
                self.form = Form([], nothing="")
                self.say_error(f"{getattr(cls, '__name__', '')} has no form", error)
            self.place.children = [self.form.widget]
            before.close()

    # Sending

    def order(self) -> Order:
        """What the form says. Raises FormError, ValueError."""
        cls, address = self.type.value, self.to.value.strip()
        if cls is None:
            raise FormError("There is no message class yet: register an agent, or define a dataclass in a cell.")
        if not address:
            raise FormError(f"to: {'which agent' if self.direct else 'which topic'}?")
        if self.direct:
            agent_id(address)
        else:
            topic_id(address)
        sender: AgentId | None = agent_id(self.sender.value.strip()) if self.sender.value.strip() else None
        message = make(cls, self.form.typed())
        deadline_s = deadline_of(self.deadline.value)
        return Order(self.direct, address, message, sender, deadline_s, self.times.value, self.per_s.value)

    def send(self) -> None:
        """Send what the form says."""
        try:
            order = self.order()
        except ValueError as error:
            self.say(str(error), "bad")
        except Exception as error:  # the message's class is the student's, and may do anything
            self.say_error(f"The {self.type.label} cannot be made: {type(error).__name__}", error)
        else:
            self.begin(order)

    def send_again(self) -> None:
        """Send the chosen one of the history again, and fill the form in with it."""
        chosen = self._chosen()
        if chosen is not None:
            self.fill_in(chosen.order)
            self.begin(chosen.order)

    def fill_in(self, order: Order) -> None:
        """Let the form say what an order says."""
        with self.observer.lock:
            self.kind.value = DIRECT if order.direct else TOPIC
            self.to.value = order.address
            self.sender.value = "" if order.sender is None else str(order.sender)
            self.deadline.value = deadline_text(order.deadline_s)
            self.times.value, self.per_s.value = order.times, order.per_s
            cls = next((cls for name, cls in self.type.options if name == type(order.message).__name__), None)
            if cls is not None:  # else nobody takes such messages any more
                self.type.value = cls
                self._make_form(cls, order.message)
        keep_order(self.widget)

    def begin(self, order: Order) -> None:
        """Send an order, and return at once."""
        self._number += 1
        sending = Sending(order, self._number)

        async def run() -> None:
            try:
                await sending.run(self.lab)
            finally:
                with self.observer.lock:
                    if not self.closed:
                        self._show_progress()

        with self.observer.lock:
            if self.closed:
                return
            if not self.observer.spawn(run):
                self.say(self.observer.facts().problem, "bad")
                return
            self.say("")
            self.sendings.insert(0, sending)
            del self.sendings[REMEMBERED:]
            self._show_history(sending.number)
            self._show_progress()

    def cancel(self) -> None:
        """Give up all that waits."""
        waiting = [sending for sending in self.sendings if sending.state == "waiting"]
        for sending in waiting:
            sending.cancel()
        if not waiting:
            self.say("Nothing waits.")
        with self.observer.lock:
            self._show_progress()

    # What came of it

    def _chosen(self) -> Sending | None:
        return next((sending for sending in self.sendings if sending.number == self.history.value), None)

    def _show_history(self, number: int | None) -> None:
        """Take up the newest lines, and choose one."""
        options = [(sending.line, sending.number) for sending in self.sendings]
        self._settling = True
        offer(self.history, options, number if number in {one for _, one in options} else None)
        self._settling = False
        self._show_result()

    def _show_result(self) -> None:
        if self._settling:
            return
        chosen = self._chosen()
        self.again_button.disabled = chosen is None
        if chosen is not None:
            self.result.value = chosen.html()

    def _show_progress(self) -> None:
        waiting = [sending for sending in self.sendings if sending.state == "waiting"]
        self.cancel_button.disabled = not waiting
        self.progress.layout.visibility = "visible" if waiting else "hidden"
        if waiting:
            self.progress.max = sum(sending.order.times for sending in waiting)
            self.progress.value = sum(sending.ended for sending in waiting)
        self._show_history(self.history.value)

    def close(self) -> None:
        if not self.closed:
            for sending in self.sendings:
                sending.cancel()
        super().close()

    def still(self) -> tuple[str, str]:
        if not self.sendings:
            return "Nothing was sent yet.", "<p>Nothing was sent yet.</p>"
        shown = "".join(f"<p>{sending.html()}</p>" for sending in self.sendings)
        return "\n".join(sending.line for sending in self.sendings), shown
