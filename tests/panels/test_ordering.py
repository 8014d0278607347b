"""Messages of a panel's widgets are handled in the order in which the browser sent them."""

from __future__ import annotations

from typing import Any

import ipywidgets as w
from ipykernel.comm.comm import BaseComm

from agentlab.panels.ordering import keep_order


class KernelComm(BaseComm):  # type: ignore[misc]  # it has no types
    """A kernel's comm that has told the browser something in another shell than the browser now names."""

    def __init__(self) -> None:
        super().__init__(target_name="jupyter.widget", primary=False)
        self._reply_subshell_id = "another"

    def shell_for(self, data: Any) -> Any:
        """The shell on which ipykernel lets a message from the browser's shell be handled."""
        route = getattr(self, "_reply_subshell_for", None)
        return route(data, "the browser's") if route else "the browser's"


def test_all_widgets_of_a_tree_listen_in_the_shell_that_the_browser_names() -> None:
    inner, outer = w.Text(), w.Button()
    tree = w.VBox([w.HBox([inner]), outer])
    comms = [KernelComm() for _ in range(2)]
    inner.comm, outer.comm = comms
    keep_order(tree)
    keep_order(tree)
    assert [comm.shell_for({"method": "update"}) for comm in comms] == ["the browser's"] * 2


def test_a_widget_without_a_kernel_is_left_as_it_is() -> None:
    text = w.Text()
    text.close()
    keep_order(text)
