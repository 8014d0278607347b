"""Opening JupyterLab on the course."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from .errors import LabError

FIRST = "00_tour.ipynb"
COPIES = "agentlab-notebooks"
"""Where the notebooks of an installed package are copied to, so that a student can change them."""


def notebooks_folder() -> Path:
    """The folder with the notebooks: the checkout's own, or the one in the installed package.

    Raises LabError when there are no notebooks anywhere.
    """
    package = Path(__file__).parents[1]
    for folder in (package.parent / "notebooks", package / "notebooks"):
        if (folder / FIRST).exists():
            return folder
    raise LabError("This installation of agentlab has no notebooks. Clone the repository, or install it again.")


def course_folder(here: Path) -> Path:
    """The folder with the notebooks to work in: the checkout's own, or a copy of the installed ones under `here`.

    A copy that is there already is left as it is. Raises LabError when there are no notebooks anywhere.
    """
    folder = notebooks_folder()
    if folder.parent != Path(__file__).parents[1]:
        return folder
    copies = here / COPIES
    if not copies.exists():
        shutil.copytree(folder, copies)
    return copies


SETTINGS: Final = {
    # No pop-up that asks about news, and nothing that needs a network.
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    # Cells out of sight keep their height: a notebook with pictures and panels does not jump when it is scrolled.
    "notebook-extension/tracker": {"windowingMode": "defer"},
}
"""What is set in the JupyterLab that `agentlab` opens, by JupyterLab's extension and plugin."""


def lab_settings(folder: Path) -> dict[str, str]:
    """Environment variables for a JupyterLab that comes up tidy, with settings and workspaces of its own in `folder`.

    The user's own settings are neither read nor changed. Once there, the settings are the student's to change.
    """
    settings = folder / "settings"
    for name, values in SETTINGS.items():
        path = settings / "@jupyterlab" / f"{name}.jupyterlab-settings"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    return {"JUPYTERLAB_SETTINGS_DIR": str(settings), "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces")}


def open_jupyterlab(arguments: Sequence[str]) -> int:
    """Run JupyterLab on the first notebook until the user ends it; returns its exit code.

    On POSIX this process becomes JupyterLab, so that whatever signal ends the one ends the other.
    """
    folder = course_folder(Path.cwd())
    # Not as the file to open: then the address that it prints would be another one than the browser opens.
    first = [f"--ServerApp.root_dir={folder}", f"--LabApp.default_url=/lab/tree/{FIRST}"]
    command = [sys.executable, "-m", "jupyterlab", *first, *arguments]
    if hasattr(os, "geteuid") and os.geteuid() == 0 and "--allow-root" not in arguments:
        command.append("--allow-root")  # in a container everybody is root; the server listens on localhost only
    print(f"Opening {folder / FIRST} in JupyterLab. End it with Ctrl-C.", flush=True)
    environment = os.environ | lab_settings(Path.home() / ".agentlab" / "jupyterlab")
    if os.name == "posix":
        os.execve(sys.executable, command, environment)
    try:
        return subprocess.run(command, env=environment, check=False).returncode
    except KeyboardInterrupt:
        return 0
