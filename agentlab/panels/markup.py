"""Text as HTML: escaped, in JupyterLab's own colours. What is shown may come from any process."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from ..core.printable import escaped as escaped

STYLE: Final = """<style>
.agentlab-panel { color: var(--jp-ui-font-color1, #222); font-size: var(--jp-ui-font-size1, 13px); }
.agentlab-panel .widget-html, .agentlab-panel .widget-html-content { line-height: 1.45; overflow: visible; }
.agentlab-title { font-weight: 600; font-size: var(--jp-ui-font-size2, 15px); }
.agentlab-quiet { color: var(--jp-ui-font-color2, #666); }
.agentlab-good { color: var(--jp-success-color1, #2e7d32); }
.agentlab-warn { color: var(--jp-warn-color0, #b35900); }
.agentlab-bad { color: var(--jp-error-color1, #c62828); }
.agentlab-facts { display: grid; column-gap: 10px; align-items: baseline; white-space: nowrap;
  grid-template-columns: 78px 84px 52px 56px 62px 42px minmax(60px, 1fr); }
.agentlab-facts > span { overflow: hidden; text-overflow: ellipsis; }
.agentlab-facts .agentlab-number { text-align: right; font-variant-numeric: tabular-nums; }
.agentlab-facts .agentlab-wide { white-space: normal; overflow-wrap: anywhere; }
.agentlab-row { border-top: 1px solid var(--jp-border-color2, #ddd); }
.agentlab-row button.jupyter-button { padding: 0 4px; }
.agentlab-note { min-height: 1.4em; white-space: pre-wrap; overflow-wrap: anywhere; }
.agentlab-panel pre.agentlab-text { margin: 0; padding: 6px 8px; white-space: pre-wrap; overflow-wrap: anywhere;
  word-break: normal; font-family: var(--jp-code-font-family, monospace); font-size: var(--jp-code-font-size, 13px);
  line-height: 1.35; color: var(--jp-content-font-color1, #222);
  background: var(--jp-layout-color2, #f4f4f4); border: 1px solid var(--jp-border-color2, #ddd); }
.agentlab-panel pre.agentlab-unwrapped { white-space: pre; overflow-x: auto; max-width: 100%; box-sizing: border-box; }
.agentlab-panel .widget-html-content { min-width: 0; }
.agentlab-panel .jupyter-widgets.jupyter-widget-tab > .lm-TabBar .lm-TabBar-tab { flex: 0 1 auto; }
.agentlab-tail { max-height: 320px; overflow-y: auto; display: flex; flex-direction: column-reverse; }
.agentlab-code textarea { font-family: var(--jp-code-font-family, monospace) !important;
  font-size: var(--jp-code-font-size, 13px) !important; line-height: 1.35; white-space: pre; tab-size: 4; }
.agentlab-panel table { border-collapse: collapse; }
.agentlab-panel th, .agentlab-panel td { text-align: left; vertical-align: top; padding: 2px 14px 2px 0;
  overflow-wrap: anywhere; }
.agentlab-panel th { font-weight: 600; white-space: nowrap; }
.agentlab-picture { background: #fff; max-width: 100%; }
.agentlab-picture img { max-width: 100%; height: auto; display: block; }
.agentlab-panel .widget-inline-hbox .widget-label { color: var(--jp-ui-font-color1, #222); }
.agentlab-panel input, .agentlab-panel textarea, .agentlab-panel select {
  color: var(--jp-ui-font-color0, #111) !important; }
[data-jp-theme-light="false"] .agentlab-panel { --jp-widgets-dropdown-arrow: url("data:image/svg+xml;utf8,\
<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 18 18'>\
<path fill='none' stroke='%23ccc' stroke-width='2' d='M5 7l4 4 4-4'/></svg>"); }
</style>"""
"""Only JupyterLab's CSS variables, each with a value for where there are none: so it follows the theme.
The arrow of a list is black in ipywidgets, whatever the theme."""


def span(text: object, *classes: str) -> str:
    """A piece of text. Each class goes by its last name: ``bad`` for ``agentlab-bad``."""
    names = " ".join(f"agentlab-{name}" for name in classes)
    return f'<span class="{names}">{escaped(text)}</span>'


def block(text: object, *, wrapped: bool = True) -> str:
    """Text as it is, line by line: a log, a traceback."""
    return f'<pre class="agentlab-text{"" if wrapped else " agentlab-unwrapped"}">{escaped(text)}</pre>'


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table of escaped texts."""
    head = "".join(f"<th>{escaped(name)}</th>" for name in columns)
    body = "".join("<tr>" + "".join(f"<td>{escaped(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table>{f'<thead><tr>{head}</tr></thead>' if head else ''}<tbody>{body}</tbody></table>"


def short(value: object, limit: int = 80) -> str:
    """Not more than `limit` characters, and one line."""
    text = " ".join(str(value).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def duration(seconds: float) -> str:
    """Two figures at most: ``850 ms``, ``3.2 s``, ``42 s``, ``5 min``, ``3 h``."""
    if seconds < 1:
        return f"{max(0.0, seconds) * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def size(number: int | None) -> str:
    """``57 MB``; a dash for None."""
    if number is None:
        return "–"
    return f"{number / 1e6:.0f} MB" if number >= 1e6 else f"{number / 1e3:.0f} kB"
