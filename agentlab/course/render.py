"""A rendered copy of the course: every notebook executed, with its pictures, as pages to read without running anything.

``python -m agentlab.course.render site`` writes them into the folder ``site``; ``--only 03`` renders one, and
``--solutions`` the solved notebooks in their place. The pages need no network.
"""

from __future__ import annotations

import argparse
import html
import logging
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from ..lab.jupyter import notebooks_folder
from .verdict import MIME

CELL_LIMIT_S: Final = 120
_NO_WORDS: Final = 'alt="No description has been provided for this image"'
"""What nbconvert writes for each picture, and warns about."""
_QUIET: Final = logging.Logger("agentlab.course.render", logging.ERROR)
_WIDGET: Final = "application/vnd.jupyter.widget-view+json"
_EMPTY_SCRIPT: Final = re.compile(r'<script src="">\s*</script>')
_LINK: Final = re.compile(r'href="([\w./-]+)\.ipynb(#[^"]*)?"')


def notebooks_of(only: Sequence[str] = (), *, solutions: bool = False) -> list[Path]:
    """The course's notebooks, in their order: all, or those whose names begin so."""
    folder = notebooks_folder() / "solutions" if solutions else notebooks_folder()
    paths = sorted(folder.glob("[0-9][0-9]_*.ipynb"))
    return [path for path in paths if not only or path.name.startswith(tuple(only))]


def render(path: Path, target: Path) -> Path:
    """Execute a notebook in a copy of its folder, and write it as an HTML page into the folder `target`."""
    import nbformat
    from nbclient import NotebookClient

    course = notebooks_folder()
    with tempfile.TemporaryDirectory() as temporary:
        copied = shutil.copytree(course, Path(temporary) / "notebooks") / path.relative_to(course)
        notebook = nbformat.read(copied, as_version=4)  # type: ignore[no-untyped-call]
        resources = {"metadata": {"path": str(copied.parent)}}
        NotebookClient(notebook, timeout=CELL_LIMIT_S, kernel_name="python3", resources=resources).execute()
    target.mkdir(parents=True, exist_ok=True)
    page = target / f"{path.stem}.html"
    page.write_text(as_page(notebook, title=path.stem), encoding="utf-8")
    return page


def as_page(notebook: Any, title: str) -> str:
    """An executed notebook as HTML: what a page cannot show (widgets, data) leaves its picture or text behind."""
    from nbconvert import HTMLExporter

    described: list[str] = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            data.pop(MIME, None)
            if len(data) > 1:
                data.pop(_WIDGET, None)
            if "image/png" in data:
                described.append(str(data.get("text/plain", "a picture")).partition("\n")[0])
    notebook.metadata.pop("widgets", None)
    # Without addresses of other machines: a page that is read without a network should not wait for one.
    nowhere = dict.fromkeys(("mathjax_url", "require_js_url", "jquery_url", "mermaid_js_url"), "")
    exporter = HTMLExporter(log=_QUIET, **nowhere)  # type: ignore[no-untyped-call]
    body: str = exporter.from_notebook_node(notebook, resources={"metadata": {"name": title}})[0]
    body = _EMPTY_SCRIPT.sub("", body)
    for words in described:
        body = body.replace(_NO_WORDS, f'alt="{html.escape(words)}"', 1)
    return _LINK.sub(lambda link: f'href="{Path(link[1]).name}.html{link[2] or ""}"', body)


def index(pages: Sequence[Path]) -> str:
    """A page that leads to the others."""
    links = "\n".join(f'<li><a href="{html.escape(page.name)}">{html.escape(page.stem)}</a></li>' for page in pages)
    return f'<!doctype html><meta charset="utf-8"><title>agentlab</title><h1>agentlab</h1>\n<ul>\n{links}\n</ul>\n'


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="Execute the course's notebooks and write them as HTML pages.")
    parser.add_argument("folder", type=Path, help="where the pages go")
    parser.add_argument(
        "--only", action="append", default=[], metavar="03", help="a notebook's number; may be repeated"
    )
    parser.add_argument("--solutions", action="store_true", help="the solved notebooks")
    wanted = parser.parse_args()
    paths = notebooks_of(wanted.only, solutions=wanted.solutions)
    if not paths:
        parser.error(
            f"There is no notebook {', '.join(wanted.only)}: they are called {notebooks_of()[0].stem} and so on."
        )
    pages = []
    for path in paths:
        pages.append(render(path, wanted.folder))
        print(pages[-1], flush=True)
    (wanted.folder / "index.html").write_text(index(pages), encoding="utf-8")


if __name__ == "__main__":
    main()
