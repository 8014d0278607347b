"""The dashboard: all panels of a lab in one place.

Read next: `agentlab.panels.panel`, then one panel after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import ipywidgets as w

from .faults import FaultsPanel
from .logs import LogsPanel
from .panel import Panel, open_panel
from .reading import LabFacts
from .registering import RegisterPanel
from .sending import SendPanel
from .sessions import SessionsPanel
from .timeline import TimelinePanel
from .topology import TopologyPanel

if TYPE_CHECKING:
    from ..lab.lab import Lab


class Dashboard(Panel):
    """The dashboard: the processes above, and a tab for everything else. A lab has one; shown twice, it is the same."""

    title = "Dashboard"

    def build(self) -> Sequence[Any]:
        self.topology = TopologyPanel(self.lab, inside=True)
        self.register = RegisterPanel(self.lab, inside=True)
        self.send = SendPanel(self.lab, inside=True)
        self.sessions = SessionsPanel(self.lab, inside=True)
        self.faults = FaultsPanel(self.lab, inside=True)
        self.logs = LogsPanel(self.lab, inside=True)
        self.timeline = TimelinePanel(self.lab, inside=True)
        self.tabs = w.Tab(
            children=[panel.widget for panel in self.panels[1:]],
            titles=[panel.title for panel in self.panels[1:]],
            layout=w.Layout(width="calc(100% - 4px)"),
        )
        self.tabs.observe(lambda _: self._turn(), "selected_index")
        self._turn()
        return [self.topology.widget, self.tabs]

    @property
    def panels(self) -> list[Panel]:
        """All of them, the topology first."""
        return [self.topology, self.register, self.send, self.sessions, self.faults, self.logs, self.timeline]

    def _turn(self) -> None:
        """Another tab is in front."""
        for number, panel in enumerate(self.panels[1:]):
            in_front = number == self.tabs.selected_index
            if panel.in_front != in_front:
                panel.bring_to_front(in_front)

    def show(self, facts: LabFacts) -> None:
        """Each panel is told by itself."""

    def open(self, panel: Panel) -> None:
        """Bring a panel's tab to the front."""
        self.tabs.selected_index = self.panels.index(panel) - 1

    def close(self) -> None:
        if not self.closed:
            for panel in self.panels:
                panel.close()
        super().close()

    def still(self) -> tuple[str, str]:
        text, markup = self.topology.still()
        listed, picture = self.timeline.still()
        return f"{text}\n\n{listed}", markup + picture


def dashboard_of(lab: Lab) -> Dashboard:
    """The lab's dashboard: the one that is open, or a new one."""
    known = open_panel(lab, Dashboard)
    return known if isinstance(known, Dashboard) else Dashboard(lab)
