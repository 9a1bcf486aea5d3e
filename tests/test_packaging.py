"""The package's metadata, the Space and the container image."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from huggingface_hub import metadata_load

from demo.start_time import seconds_to_start
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
        "import sys, fer_models, fer_models.evidence, fer_models.faces, fer_models.video.writing\n"
        "extras = {'accelerate', 'av', 'gradio', 'huggingface_hub', 'jinja2', 'matplotlib'}\n"
        "assert not extras & set(sys.modules), extras & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


# ---- The Space ------------------------------------------------------------------------------------------------------


def test_the_readme_configures_a_space() -> None:
    """By https://huggingface.co/docs/hub/spaces-config-reference; Gradio's version must be one that is asked for."""
    space = metadata_load(ROOT / "README.md")
    colours = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
    assert space["sdk"] == "gradio" and {space["colorFrom"], space["colorTo"]} <= colours
    assert (ROOT / space["app_file"]).is_file() and len(space["short_description"]) <= 60
    assert space["python_version"] == PROJECT["project"]["requires-python"].removeprefix(">=")
    lowest = re.search(r"^gradio>=([\d.]+),<7$", (ROOT / "requirements.txt").read_text(), re.MULTILINE)[1]
    assert space["sdk_version"].startswith(f"{lowest}.")


def test_the_cpu_builds_are_those_that_requirements_ask_for() -> None:
    """Else a Space would replace them by PyPI's builds, with CUDA."""
    lines = (ROOT / "pre-requirements.txt").read_text().splitlines()
    index, *packages = [line for line in lines if not line.startswith("#")]
    assert index == "--index-url https://download.pytorch.org/whl/cpu"
    assert set(packages) == {line for line in PROJECT["project"]["dependencies"] if line.startswith("torch")}


# ---- The container image --------------------------------------------------------------------------------------------


def dockerfile() -> list[list[str]]:
    """Its instructions, each as a list of words."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    return [line.split() for line in text.splitlines() if line and not line.startswith("#")]


def copied() -> list[str]:
    """What the image gets from the repository."""
    return [source for words in dockerfile() if words[0] == "COPY" for source in words[1:-1]]


def test_the_dockerfile_has_no_faults() -> None:
    hadolint = shutil.which("hadolint", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert hadolint, "pip install -r requirements-dev.txt brings hadolint"
    found = subprocess.run([hadolint, "--no-color", ROOT / "Dockerfile"], capture_output=True, text=True)
    assert found.returncode == 0, found.stdout


def test_the_image_gets_what_is_there_and_nothing_else() -> None:
    assert all((ROOT / source).exists() for source in copied())
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in rules and {rule[1:] for rule in rules if rule.startswith("!")} == set(copied())
    assert "**/samples.png" in rules  # FER-2013's faces


def test_the_image_does_what_the_readme_says() -> None:
    readme = (ROOT / "README.md").read_text()
    commands = {words[0]: " ".join(words[1:]) for words in dockerfile()}
    install, start = "pip install -r requirements.txt", "python app.py"
    assert f"{install} && {start}" in readme
    run = next(" ".join(words[1:]) for words in dockerfile() if words[0] == "RUN" and words[1] == "pip")
    assert install in run.replace(" --no-cache-dir", "")
    assert commands["CMD"] == '["python", "app.py"]' and commands["USER"] == "1000"


@pytest.mark.slow
def test_what_the_image_gets_is_enough_to_serve_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for source in copied():
        copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
        copy(ROOT / source, tmp_path / source)
    monkeypatch.delenv("FER_LENS_WEIGHTS", raising=False)
    monkeypatch.setattr("demo.start_time.ROOT", tmp_path)
    assert min(seconds_to_start()) > 0
