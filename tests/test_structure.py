"""Imports point one way, as README.md says."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# From the bottom to the top; a module may import from its own line and from those before it.
LAYERS = [
    ("emotions", "markdown", "hub"),
    ("architectures",),
    ("data",),
    ("inference",),
    ("checkpoints",),
    ("faces",),
    ("explanations",),
    ("analysis",),
    ("estimates",),
    ("evidence",),
    ("video",),
    ("heatmap_study",),
    ("evaluation",),
    ("training",),
    ("benchmark",),
    ("commands",),
    ("__main__",),
]
HEIGHT = {name: height for height, names in enumerate(LAYERS) for name in names}


def imported(file: Path) -> set[str]:
    """Full names of the modules that a file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("file", sorted((ROOT / "fer_models").rglob("*.py")), ids=lambda file: file.stem)
def test_the_library_imports_downwards(file: Path) -> None:
    own = file.relative_to(ROOT / "fer_models").parts[0].removesuffix(".py")
    if own == "__init__":
        return
    for name in imported(file):
        package, _, rest = name.partition(".")
        assert package not in ("demo", "train", "app", "gradio"), f"{file} imports {name}"
        if package == "fer_models":
            other = rest.partition(".")[0]
            assert HEIGHT[other] <= HEIGHT[own], f"{file} imports {name}"
            assert (own, other) != ("training", "evaluation"), f"{file} imports {name}"


def test_tests_do_not_import_other_tests() -> None:
    for file in (ROOT / "tests").glob("test_*.py"):
        assert not any(name.startswith(("tests.test_", "tests.conftest")) for name in imported(file)), file
