"""Forms as widgets: one for every kind of field. What was typed is read as plain data by `Form.typed`."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import ipywidgets as w
from pydantic_core import to_json

from .fields import MISSING, Field
from .markup import short
from .panel import close_all

LABEL_PX: Final = 140
_WIDE: Final = "calc(100% - 4px)"


class Entry:
    """One field's widgets. `typed` returns what `agentlab.panels.fields` reads.

    A text is sent when it is left, as by a click on a button: letter by letter, a browser holds back all that is typed
    while the kernel has not answered to the letter before, and the click would overtake it.
    """

    def __init__(self, field: Field, start: Any = MISSING) -> None:
        self.field = field
        value = field.start() if start is MISSING else start
        self.typed: Callable[[], Any]
        self.widget: Any
        build: dict[str, Callable[[Any], Any]] = {
            "text": self._text,
            "integer": self._number,
            "number": self._number,
            "boolean": self._boolean,
            "choice": self._choice,
            "list": self._list,
            "record": self._record,
            "variant": self._variant,
            "json": self._json,
            "python": self._python,
        }
        self.widget = build[field.kind](value)

    def _simple(self, widget: Any) -> Any:
        self.typed = lambda: widget.value
        return widget

    def _text(self, value: Any) -> Any:
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        layout = w.Layout(width=_WIDE, max_width="520px")
        if "\n" in text:
            return self._simple(w.Textarea(value=text, layout=layout, rows=4, continuous_update=False))
        return self._simple(w.Text(value=text, layout=layout, continuous_update=False))

    def _number(self, value: Any) -> Any:
        layout = w.Layout(width="160px")
        kind = w.IntText if self.field.kind == "integer" else w.FloatText
        return self._simple(kind(value=value, layout=layout))

    def _boolean(self, value: Any) -> Any:
        return self._simple(w.Checkbox(value=bool(value), indent=False, layout=w.Layout(width="auto")))

    def _choice(self, value: Any) -> Any:
        return self._simple(w.Dropdown(options=self.field.choices, value=value, layout=w.Layout(width="220px")))

    def _json(self, value: Any) -> Any:
        text = to_json(value).decode()
        hint = f"JSON: {self.field.type_text}"
        layout = w.Layout(width=_WIDE)
        area = w.Textarea(value=text, placeholder=hint, layout=layout, rows=2, continuous_update=False)
        area.add_class("agentlab-code")
        return self._simple(area)

    def _python(self, value: Any) -> Any:
        hint = "an expression" if value is MISSING else f"an expression; without one: {short(repr(value), 40)}"
        layout = w.Layout(width=_WIDE, max_width="520px")
        field = w.Text(placeholder=hint, layout=layout, continuous_update=False)
        field.add_class("agentlab-code")
        return self._simple(field)

    def _record(self, value: Any) -> Any:
        names = [field.name for field in self.field.fields]
        given = {} if value is MISSING else {name: getattr(value, name) for name in names if hasattr(value, name)}
        form = Form(self.field.fields, given)
        form.widget.layout.border_left = "2px solid var(--jp-border-color2, #ddd)"
        form.widget.layout.padding = "0 0 0 8px"
        self.typed = form.typed
        return form.widget

    def _list(self, value: Any) -> Any:
        entries: list[tuple[Entry, Any]] = []
        rows = w.VBox([], layout=w.Layout(overflow="visible"))
        more = w.Button(icon="plus", tooltip="One more", layout=w.Layout(width="36px"))

        def show() -> None:
            rows.children = [row for _, row in entries]

        def add(start: Any = MISSING) -> None:
            entry = Entry(self.field.item, start)
            less = w.Button(icon="minus", tooltip="Without this one", layout=w.Layout(width="36px"))
            row = w.HBox([entry.widget, less], layout=w.Layout(overflow="visible"))
            entries.append((entry, row))
            less.on_click(lambda _: remove(row))
            show()

        def remove(row: Any) -> None:
            if row not in rows.children:  # clicked twice
                return
            entries[:] = [pair for pair in entries if pair[1] is not row]
            show()
            close_all(row)

        for item in value:
            add(item)
        more.on_click(lambda _: add())
        self.typed = lambda: [entry.typed() for entry, _ in entries]
        return w.VBox([rows, more], layout=w.Layout(overflow="visible"))

    def _variant(self, value: Any) -> Any:
        alternatives = self.field.alternatives
        number = self.field.alternative_for(value)
        options = [(field.name, index) for index, field in enumerate(alternatives)]
        which = w.Dropdown(options=options, value=number, layout=w.Layout(width="140px"))
        place = w.VBox([], layout=w.Layout(flex="1 1 auto", overflow="visible"))
        chosen: list[Entry | None] = []

        def show(start: Any = MISSING) -> None:
            before = place.children
            field = alternatives[which.value]
            chosen[:] = [None if field.annotation is types.NoneType else Entry(field, start)]
            place.children = [entry.widget for entry in chosen if entry is not None]
            for widget in before:
                close_all(widget)

        show(value)
        which.observe(lambda _: show(), "value")
        self.typed = lambda: (which.value, chosen[0].typed() if chosen[0] is not None else None)
        return w.HBox([which, place], layout=w.Layout(overflow="visible", flex_flow="row wrap"))


class Form:
    """A form: a labelled entry for every field. Without fields it says that there is nothing to fill in."""

    def __init__(self, fields: Sequence[Field], start: Mapping[str, Any] | None = None, nothing: str = "") -> None:
        self.entries = {field.name: Entry(field, (start or {}).get(field.name, MISSING)) for field in fields}
        rows = [labelled(name, entry.widget, entry.field.type_text) for name, entry in self.entries.items()]
        self.widget = w.VBox(
            rows or ([w.HTML(f'<span class="agentlab-quiet">{nothing}</span>')] if nothing else []),
            layout=w.Layout(overflow="visible", width="100%"),
        )

    def typed(self) -> dict[str, Any]:
        """What was typed, by field."""
        return {name: entry.typed() for name, entry in self.entries.items()}

    def close(self) -> None:
        """Let go of its widgets."""
        close_all(self.widget)


def labelled(name: str, widget: Any, tip: str = "") -> Any:
    """A widget with its name before it; without a name, the widget alone."""
    box = w.VBox([widget], layout=w.Layout(flex="1 1 200px", min_width="0", overflow="visible"))
    if not name:
        return box
    label = w.Label(name, tooltip=tip or None, layout=w.Layout(width=f"{LABEL_PX}px", flex="0 0 auto"))
    return w.HBox([label, box], layout=w.Layout(width="100%", overflow="visible"))


def side_by_side(left: Any, right: Any) -> Any:
    """Two boxes beside each other, or one below the other where the page is narrow."""
    # CSS calls it gap by now; under its first name, too, it counts for boxes that are no grid.
    layout = w.Layout(flex_flow="row wrap", overflow="visible", grid_gap="8px 12px")
    return w.HBox([left, right], layout=layout)
