"""Panels: a lab's dashboard, made of ipywidgets, and its parts one by one.

`lab.dashboard()` shows all of them; ``TopologyPanel(lab)`` and the others show one. What a panel shows and does is
decided by plain functions beside it, which know of no widgets. Read first: `agentlab.panels.reading`, `observing`,
`panel`; then the panels in the order of the tabs.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .dashboard import Dashboard
    from .faults import FaultsPanel
    from .live_timeline import LiveTimeline
    from .logs import LogsPanel
    from .registering import RegisterPanel
    from .sending import SendPanel
    from .sessions import SessionsPanel
    from .timeline import TimelinePanel
    from .topology import TopologyPanel

_MODULES = {
    "Dashboard": "dashboard",
    "FaultsPanel": "faults",
    "LiveTimeline": "live_timeline",
    "LogsPanel": "logs",
    "RegisterPanel": "registering",
    "SendPanel": "sending",
    "SessionsPanel": "sessions",
    "TimelinePanel": "timeline",
    "TopologyPanel": "topology",
}
"""Imported when first used: they need ipywidgets, and what is not a widget here does not."""

__all__ = [
    "Dashboard",
    "FaultsPanel",
    "LiveTimeline",
    "LogsPanel",
    "RegisterPanel",
    "SendPanel",
    "SessionsPanel",
    "TimelinePanel",
    "TopologyPanel",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(f".{_MODULES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
