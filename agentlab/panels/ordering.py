"""What a student does first arrives first: the messages of a panel's widgets are kept in their order.

A browser sends what was typed and the click behind it one after the other. Since it has subshells, a kernel may handle
them on two threads: ipykernel 7.4 hands a widget's messages to the shell for which the widget last told the browser
something. A button that never tells anything and a text that does then part ways, and the click may overtake the text.
Here the browser's own word counts, which is one shell for all widgets.
"""

from __future__ import annotations

from typing import Any


def keep_order(widget: Any) -> None:
    """Let the messages of a widget and of all that is in it be handled in the order in which they were sent.

    To be called again when widgets have come in: that costs microseconds for each.
    """
    comm: Any = getattr(widget, "comm", None)
    # ipykernel has no public name for this, and its other versions have no need of it.
    if "_reply_subshell_for" in dir(type(comm)) and "_reply_subshell_for" not in vars(comm):
        comm._reply_subshell_for = _as_sent
    for child in getattr(widget, "children", ()):
        keep_order(child)


def _as_sent(data: Any, subshell_id: str | None) -> str | None:
    """To the shell that the browser named."""
    return subshell_id
