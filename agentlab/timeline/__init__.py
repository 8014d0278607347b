"""The timeline: a picture of who sent what to whom, and when.

`plot` draws a run or a journal with matplotlib, `save` writes that picture into a file, `text` lists the same as
plain text, and `layout` gives it as data. Read in this order: `axis`, `shapes`, `lanes`, `hops`, `layout` (all
pure: no matplotlib), then `style`, `labels`, `picture`, `draw`, `listing`.
"""

from .draw import plot, save
from .layout import layout
from .listing import text

__all__ = ["layout", "plot", "save", "text"]
