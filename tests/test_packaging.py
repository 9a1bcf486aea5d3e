"""The package's metadata."""

import subprocess
import sys
import tomllib
from pathlib import Path

from fer_models.architectures import MODELS

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_requirements_are_the_packages_own_and_two_of_its_extras() -> None:
    """Spaces install requirements.txt before the rest of the repository is there, so it cannot name the package."""
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    listed = {line for line in lines if line and not line.startswith("#")}
    project = PROJECT["project"]
    extras = project["optional-dependencies"]
    assert listed == set(project["dependencies"]).union(extras["page"], extras["train"])


def test_the_wheel_holds_checkpoints_that_are_there() -> None:
    files = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert all((ROOT / source).is_file() for source in files)
    assert {Path(source).parent.name for source in files} <= set(MODELS)


def test_the_library_needs_none_of_the_extras() -> None:
    code = (
        "import sys, fer_models, fer_models.evidence, fer_models.faces\n"
        "extras = {'accelerate', 'gradio', 'huggingface_hub', 'jinja2', 'matplotlib'}\n"
        "assert not extras & set(sys.modules), extras & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
