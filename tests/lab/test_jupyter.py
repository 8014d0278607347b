"""The JupyterLab that `agentlab` opens: tidy, and apart from the user's own."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from agentlab.lab.jupyter import SETTINGS, course_folder, lab_settings


def settings_in(folder: Path) -> dict[str, object]:
    return {
        str(path.relative_to(folder).with_suffix("")): json.loads(path.read_text())
        for path in folder.rglob("*.jupyterlab-settings")
    }


def test_the_settings_are_files_in_a_folder_of_their_own(tmp_path: Path) -> None:
    variables = lab_settings(tmp_path)
    assert settings_in(Path(variables["JUPYTERLAB_SETTINGS_DIR"])) == {
        f"@jupyterlab/{name}": values for name, values in SETTINGS.items()
    }
    assert all(Path(folder).is_relative_to(tmp_path) for folder in variables.values())


def test_what_a_student_changed_stays(tmp_path: Path) -> None:
    settings = Path(lab_settings(tmp_path)["JUPYTERLAB_SETTINGS_DIR"])
    changed = settings / "@jupyterlab" / "notebook-extension" / "tracker.jupyterlab-settings"
    changed.write_text('{"windowingMode": "full"}')
    lab_settings(tmp_path)
    assert json.loads(changed.read_text()) == {"windowingMode": "full"}


def test_jupyterlab_knows_these_settings() -> None:
    schemas = Path(sys.prefix) / "share" / "jupyter" / "lab" / "schemas" / "@jupyterlab"
    for name, values in SETTINGS.items():
        known = json.loads((schemas / f"{name}.json").read_text())["properties"]
        assert values.keys() <= known.keys()


def test_a_copy_of_the_course_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    assert (course_folder(tmp_path) / "00_tour.ipynb").exists()
    assert list(tmp_path.iterdir()) == []  # a checkout's own notebooks are used where they are
