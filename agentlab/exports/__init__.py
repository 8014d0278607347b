"""Taking a run away: traces, logs, diagrams and tables that other programs read, and what differs between two runs.

Everything here is a pure function of the journal's events. `save` writes a file, and its suffix says what:
a trace for Perfetto (`to_perfetto`), a log for ShiViz (`to_shiviz`), a Mermaid diagram (`to_mermaid`), a table
(`to_dataframe`, `rows`). `compare` tells two runs apart. Read in this order: `copies`, `table`, `comparing`, `report`,
`mermaid`, `clocks`, `shiviz`, `perfetto`, `saving`.
"""

from __future__ import annotations

from .clocks import Stamped, vector_clocks
from .comparing import Comparison, MessageName, Pair, compare
from .copies import MessageCopy, message_copies
from .mermaid import MermaidDiagram, to_mermaid
from .perfetto import to_perfetto
from .saving import FORMATS, save
from .shiviz import to_shiviz
from .table import COLUMNS, rows, to_dataframe

__all__ = [
    "COLUMNS",
    "FORMATS",
    "Comparison",
    "MermaidDiagram",
    "MessageCopy",
    "MessageName",
    "Pair",
    "Stamped",
    "compare",
    "message_copies",
    "rows",
    "save",
    "to_dataframe",
    "to_mermaid",
    "to_perfetto",
    "to_shiviz",
    "vector_clocks",
]
