"""What other processes wrote stays text wherever it is shown: agents' names, messages' types, errors, in every view."""

from __future__ import annotations

import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from agentlab import Journal, Run, exports
from agentlab import timeline as view
from agentlab.core import journal as j
from agentlab.lab.overview import directory_table, sessions_table
from agentlab.panels import markup
from agentlab.wire.watching import SessionInfo, Snapshot, WorkerInfo

HOSTILE = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "</title></svg><script>alert(1)</script>",
    "]]><script>alert(1)</script>", '" onload="alert(1)', "' onmouseover='alert(1)", "</style><script>x()</script>",
    "&lt;script&gt;", "[click](javascript:alert(1))", "![x](http://x/y.png)", "# heading | a | b",
    r"$\frac{1}{0$", r"$x^{$", "$$", r"\input{/etc/passwd}", r"\(x\)", "```", "%%{init: {}}%%; end",
    "\x1b[31mred\x1b[0m", "\u202egnirts", "a\nb\r\nc", "\x00\x07\x7f", "{{7*7}} ${7*7} %s {0.__class__}", "🦀" * 20,
    "x" * 500, "y" * 10_000, "\u2067rtl\u202c", "\r\x1b]0;title\x07",
]  # fmt: skip
TAGS = "table caption b thead tbody tr th td p span div pre style li ul br"
ALLOWED = set(TAGS.split())
STEERING = set("\x1b\x00\x07\x7f\u202e\u2067\u202c\r")
"""What would steer a terminal, or turn a line around."""


class Page(HTMLParser):
    """What a browser would make of some HTML: its elements, the handlers on them, and the text between."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def check_page(html: str, text: str) -> None:
    """The HTML has only elements of ours, no handlers, and the text in it as text."""
    page = Page(html)
    assert page.elements <= ALLOWED
    assert not [name for name in page.attributes if name.startswith("on") or name in {"href", "src"}]
    assert not STEERING & set(page.text)
    seen = "".join("\N{REPLACEMENT CHARACTER}" if char in STEERING - {"\r"} else char for char in text)
    assert "".join(seen.split()) in "".join(page.text.split())


def hostile_run(text: str) -> Run:
    """A request that failed, and a published message, in which every text is this one."""
    journal = Journal()
    now = time.time_ns()
    for n, (what, kind) in enumerate(
        [(j.JOINED, j.PROCESS), (j.SENT, j.REQUEST), (j.ARRIVED, j.REQUEST), (j.LEFT, j.REQUEST),
         (j.RECEIVED, j.REQUEST), (j.STARTED, j.REQUEST), (j.FAILED, j.REQUEST), (j.SENT, j.EVENT),
         (j.ARRIVED, j.EVENT), (j.LOST, j.EVENT)],
    ):  # fmt: skip
        process = j.HOST if what in {j.ARRIVED, j.LEFT} else text
        name = "" if kind == j.PROCESS else f"{kind}{text}"
        journal.append(
            what, kind, name, "", f"a/{text}", f"b/{text}", text, process, text, 3, now + n * 10**6, n + 1, text, text
        )
    return Run(tuple(journal), (text, j.HOST), 0, text, {"workers": [text]})


@pytest.mark.parametrize("text", HOSTILE)
def test_pictures_and_texts_of_a_run(text: str, tmp_path: Path) -> None:
    run = hostile_run(text)
    svg = view.save(run, tmp_path / "run.svg").read_text()
    tree = ElementTree.fromstring(svg)  # well-formed: nothing in a text ended an element
    names = {element.tag.rpartition("}")[2] for element in tree.iter() if isinstance(element.tag, str)}
    assert not names & {"script", "foreignObject", "iframe", "img", "image", "a", "animate", "set"}
    assert not [a for element in tree.iter() for a in element.attrib if a.rpartition("}")[2].startswith("on")]
    view.save(run, tmp_path / "run.png")
    picture: Any = view.plot(run)
    data, _ = picture._repr_mimebundle_()
    assert set(data) <= {"text/plain", "image/png"}
    for listed in (data["text/plain"], view.text(run, width=120)):
        assert not STEERING & set(listed)
    diagram = exports.to_mermaid(run)._repr_markdown_()
    assert diagram.count("```") == 2
    assert "<" not in diagram
    compared = exports.compare(run, hostile_run("other"))._repr_html_()
    check_page(compared, "")
    assert "mathjax_ignore" in compared.partition(">")[0]


@pytest.mark.parametrize("text", HOSTILE)
def test_tables_and_panels(text: str) -> None:
    worker = WorkerInfo(text, text, 1, text, True, 0, [text], [])
    session = SessionInfo("s1", text, text, text, text, text, text, 1.0, None)
    snapshot = Snapshot([worker], [session], 0, 0, {text: 1})
    for table in (directory_table(snapshot), sessions_table(snapshot)):
        check_page(table._repr_html_(), text)
        assert "mathjax_ignore" in table._repr_html_().partition(">")[0]  # else what is between dollars is typeset
        assert not STEERING & set(repr(table))
    check_page(markup.span(text, "bad") + markup.block(text) + markup.table([text], [[text]]), text)


def test_the_scripts_of_the_widgets_put_text_into_the_page_as_text() -> None:
    scripts = list(Path(view.__file__).parents[1].rglob("*.js"))
    assert scripts
    for script in scripts:
        code = script.read_text()
        found = ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "DOMParser")
        assert not [word for word in found if word in code], script
