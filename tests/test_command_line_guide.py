"""docs/command_line.md: its example runs, and its columns are those of the rows."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import fer_models.analysis.rows
import fer_models.video.table
from fer_models import create_model

ROOT = Path(__file__).parents[1]
GUIDE = (ROOT / "docs/command_line.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("module", [fer_models.analysis.rows, fer_models.video.table], ids=["pictures", "clips"])
def test_it_describes_the_columns_as_the_code_does(module: ModuleType) -> None:
    table = re.findall(r"^\|.*\|$", module.__doc__ or "", re.MULTILINE)
    assert len(table) > 10 and "\n".join(table) in GUIDE
    documented = set(re.findall(r"`([a-z]+)`", " ".join(line.split("|")[1] for line in table)))
    plain = {name for name in module.columns([create_model("attn_cnn")]) if not re.match("attn_cnn_|mean_", name)}
    assert documented == plain


def test_the_example_for_several_machines_runs(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    pytest.importorskip("datasets")
    (block,) = re.findall(r"<!-- datasets:begin -->\n```python\n(.*?)```", GUIDE, re.DOTALL)
    (tmp_path / "example.py").write_text(block)
    (tmp_path / "photos").mkdir()
    for name in ("eileen_collins.jpg", "group.jpg"):
        shutil.copy(ROOT / "demo/examples" / name, tmp_path / "photos" / name)
    (tmp_path / "photos/broken.jpg").touch()
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}
    environment = os.environ | offline | {"PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "example.py"], cwd=tmp_path, env=environment, check=True, timeout=300)
    rows = parquet.read_table(tmp_path / "rows.parquet").to_pylist()
    assert [(row["file"], row["faces"]) for row in rows] == [
        ("photos/broken.jpg", 0),
        ("photos/eileen_collins.jpg", 1),
        *6 * [("photos/group.jpg", 6)],
    ]
    assert rows[1]["mean_mirrored_answer"] == "happy" and rows[0]["mean_answer"] is None
