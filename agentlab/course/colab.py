"""The course on Google Colab: what its machine lacks is fetched, and what cannot work there is said."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path
from typing import Final

from ..lab.jupyter import notebooks_folder

FIRST_CELL: Final = """\
import sys

if "google.colab" in sys.modules:  # Colab comes without agentlab; the address is that of your course's repository
    %pip install -q git+https://github.com/YOUR-COURSE/agentlab
    from agentlab.course import colab

    colab.prepare()"""
"""The first code cell of every notebook. Outside Colab it does nothing."""

REPOSITORY: Final = "https://github.com/YOUR-COURSE/agentlab"
"""What stands in that cell until a teacher hands the course out: see `agentlab.course.handout`."""

LIMITS: Final = """\
agentlab is ready. On Colab, everything runs but this:
- notebooks 05 and 08 need Node.js for what is written in JavaScript, and uv for AutoGen: their cells say when one is
  missing;
- language models and LangGraph (notebook 05) are not installed with it: the cells about them say how to get them;
- the machine ends after a while, and what you saved on it with it: download it."""


def prepare(here: Path | None = None) -> None:
    """Bring the files that the notebooks read, let widgets be shown, and say what cannot work."""
    here = here or Path.cwd()
    for folder in ("runs", "workers", "pictures"):
        source = notebooks_folder() / folder
        if source.is_dir() and not (here / folder).exists():
            shutil.copytree(source, here / folder)
    importlib.import_module("google.colab.output").enable_custom_widget_manager()
    print(LIMITS)
