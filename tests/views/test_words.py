"""Words that are kept look as matplotlib draws them, wherever they stand."""

from __future__ import annotations

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from agentlab.timeline import words
from agentlab.timeline.pixels import drawn


def figure(*said: tuple[float, float, str, dict[str, object]]) -> Figure:
    made = Figure(figsize=(3, 1), dpi=100, facecolor="white")
    for x, y, text, look in said:
        made.text(x, y, text, **look)
    return made


def ink(image: np.ndarray) -> tuple[slice, slice]:
    """The box of what is not white."""
    rows, columns = np.nonzero((image < 250).any(axis=2))
    return slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)


def as_matplotlib_draws(made: Figure) -> np.ndarray:
    canvas = FigureCanvasAgg(made)
    canvas.draw()
    return np.array(canvas.buffer_rgba())[:, :, :3]


def test_a_kept_word_stands_where_matplotlib_puts_it():
    look: dict[str, object] = {"fontsize": 12, "color": "#004488", "fontweight": "bold"}
    for _ in range(2):  # drawn, then kept
        ours = drawn(figure((0.2, 0.4, "worker-1, gjy", look)))
        theirs = as_matplotlib_draws(figure((0.2, 0.4, "worker-1, gjy", look)))
        for one, other in zip(ink(ours), ink(theirs), strict=True):
            assert abs(one.start - other.start) <= 1
            assert abs(one.stop - other.stop) <= 1
        assert abs(ours.mean() - theirs.mean()) < 0.5
        darkest = ours[ours.sum(axis=2) == ours.sum(axis=2).min()][0]
        assert np.abs(darkest.astype(int) - (0x00, 0x44, 0x88)).max() < 25


def test_words_that_look_different_are_kept_apart():
    plain = drawn(figure((0.1, 0.4, "host", {"fontsize": 12, "color": "black"})))
    for look in ({"fontsize": 12, "color": "red"}, {"fontsize": 9}, {"fontsize": 12, "fontweight": "bold"}):
        assert not np.array_equal(plain, drawn(figure((0.1, 0.4, "host", look))))
    assert np.array_equal(plain, drawn(figure((0.1, 0.4, "host", {"fontsize": 12, "color": "black"}))))


def test_turned_words_and_empty_ones_are_drawn_too():
    turned = drawn(figure((0.5, 0.1, "12 ms", {"rotation": 90}), (0.1, 0.1, " ", {})))
    rows, columns = ink(turned)
    assert rows.stop - rows.start > columns.stop - columns.start


def test_what_is_kept_is_bounded(monkeypatch):
    monkeypatch.setattr(words, "_KEPT", 3)
    monkeypatch.setattr(words, "_words", {})
    drawn(figure(*((0.1, 0.1 * n, f"word {n}", {}) for n in range(8))))
    assert 0 < len(words._words) <= 3
