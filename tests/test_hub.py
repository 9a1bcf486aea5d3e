"""Models on the Hugging Face Hub, against a stand-in on this machine: what is uploaded loads again."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from huggingface_hub import ModelCard, constants
from safetensors.torch import save

from fer_models import CheckpointError, create_model, load_model
from fer_models.__main__ import main
from fer_models.checkpoints import default_weights_dir, save_checkpoint
from fer_models.hub import HubError, upload
from tests.hub import TOKEN, Hub, Repository, running_hub

ROOT = Path(__file__).parents[1]
REPOSITORY = "someone/tiny"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The stand-in, with an empty cache and nobody logged in."""
    with running_hub() as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.address)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", server.address + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        yield server


@pytest.fixture
def logged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)


@pytest.fixture
def tiny(hub: Hub, tmp_path: Path) -> Repository:
    """A public repository with a tiny baseline_cnn, whose weights are large enough for LFS."""
    torch.manual_seed(0)
    save_checkpoint(create_model("baseline_cnn", widths=[4, 8, 8], hidden=16), tmp_path / "tiny", {})
    files = {name: (tmp_path / "tiny" / name).read_bytes() for name in ("config.json", "model.safetensors")}
    hub.repositories[REPOSITORY] = Repository(private=False)
    hub.repositories[REPOSITORY].commit(files)
    return hub.repositories[REPOSITORY]


def push(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["fer_models", "push", *arguments])
    return main()


# ---- There and back -------------------------------------------------------------------------------------------------


def test_what_is_pushed_is_loaded_again_by_its_name(tmp_path: Path) -> None:
    """As a user does it: the Hub's address, account and cache are in the environment of a new process."""
    code = """
import sys
from fer_models import load_model
from fer_models.__main__ import main
sys.argv = ["fer_models", "push", "--model", "attn_cnn", "--to", "someone/attn", "--private"]
assert main() == 0
print(load_model("someone/attn").sha256)
"""
    with running_hub() as server:
        account = {
            "HF_ENDPOINT": server.address,
            "HF_HOME": str(tmp_path),
            "HF_TOKEN": TOKEN,
            "HF_HUB_DISABLE_XET": "1",
        }
        process = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env=os.environ | account, capture_output=True, text=True
        )
        assert process.returncode == 0, process.stderr
        repository = server.repositories["someone/attn"]
    (commit,) = repository.commits
    *_, address, sha256 = process.stdout.splitlines()
    assert repository.private and address == f"{server.address}/someone/attn/commit/{commit}"
    assert sha256 == load_model("attn_cnn").sha256


def test_a_loaded_model_is_the_one_that_was_saved(tiny: Repository, tmp_path: Path) -> None:
    model, original = load_model(REPOSITORY), load_model("baseline_cnn", _as_folder(tmp_path))
    assert not model.training and model.sha256 == original.sha256
    assert all(map(torch.equal, model.state_dict().values(), original.state_dict().values()))


def test_a_revision_is_a_branch_or_a_commit(tiny: Repository, tmp_path: Path) -> None:
    (first,) = tiny.commits
    old = load_model(REPOSITORY).sha256
    other = create_model("attn_cnn", widths=[4, 4, 4])
    save_checkpoint(other, tmp_path / "other", {})
    tiny.commit({name: (tmp_path / "other" / name).read_bytes() for name in ("config.json", "model.safetensors")})
    assert load_model(REPOSITORY, revision=first).sha256 == old
    assert load_model(REPOSITORY, revision="main").name == load_model(REPOSITORY).name == "attn_cnn"


def test_weights_come_from_the_commit_of_their_configuration(hub: Hub, tiny: Repository) -> None:
    load_model(REPOSITORY)
    (commit,) = tiny.commits
    fetched = [request for request in hub.requests if request.startswith("HEAD")]
    assert fetched == [
        f"HEAD /{REPOSITORY}/resolve/main/config.json",
        f"HEAD /{REPOSITORY}/resolve/{commit}/model.safetensors",
    ]


def test_the_cache_serves_without_a_network(hub: Hub, tiny: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_model(REPOSITORY)
    downloads = sum(request.startswith("GET") for request in hub.requests)
    load_model(REPOSITORY)
    assert sum(request.startswith("GET") for request in hub.requests) == downloads == 2
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert load_model(REPOSITORY).sha256 == model.sha256
    with pytest.raises(
        CheckpointError, match=r"cannot be reached, and config\.json of someone/else is not in the cache"
    ):
        load_model("someone/else")


# ---- What goes wrong when loading -----------------------------------------------------------------------------------


def test_a_repository_that_may_not_be_read_says_how_to_get_it(
    hub: Hub, tiny: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CheckpointError, match=r"no model repository someone/else on http.* or it is private.*hf auth"):
        load_model("someone/else")
    tiny.private = True
    with pytest.raises(CheckpointError, match=r"no model repository someone/tiny .* or it is private.*hf auth login"):
        load_model(REPOSITORY)
    tiny.private, tiny.gated = False, True
    with pytest.raises(CheckpointError, match=r"someone/tiny is gated: ask for access at http"):
        load_model(REPOSITORY)
    tiny.private, tiny.gated = True, False
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert load_model(REPOSITORY).name == "baseline_cnn"


def test_no_such_revision_and_no_such_file(tiny: Repository) -> None:
    with pytest.raises(CheckpointError, match=r"someone/tiny has no revision 'v2': choose a branch"):
        load_model(REPOSITORY, revision="v2")
    del tiny.commits[next(iter(tiny.commits))]["model.safetensors"]
    with pytest.raises(CheckpointError, match=r"someone/tiny has no file model\.safetensors, so it does not hold"):
        load_model(REPOSITORY)


def test_another_librarys_weights_are_not_downloaded(hub: Hub, tiny: Repository) -> None:
    (files,) = tiny.commits.values()
    mine = json.loads(files["config.json"])
    for config, complaint in (
        ({"model_type": "bert"}, "is not the config.json of a FER Lens model"),
        (mine | {"name": "other"}, "holds the model 'other', which this version of FER Lens does not know"),
        (mine | {"name": ["other"]}, "does not know"),
    ):
        tiny.commit({"config.json": json.dumps(config).encode()})
        with pytest.raises(CheckpointError, match=complaint):
            load_model(REPOSITORY)
    assert not any("model.safetensors" in request for request in hub.requests)


def test_damaged_weights_are_found_by_their_hash(tiny: Repository, tmp_path: Path) -> None:
    (files,) = tiny.commits.values()
    tiny.commit({"model.safetensors": files["model.safetensors"][:-10]})
    with pytest.raises(CheckpointError, match=r"SHA-256 differs.*Delete .*models--someone--tiny and load someone/tiny"):
        load_model(REPOSITORY)
    content = save({"other.weight": torch.zeros(5000)})
    config = json.loads(files["config.json"]) | {"sha256": hashlib.sha256(content).hexdigest()}
    tiny.commit({"model.safetensors": content, "config.json": json.dumps(config).encode()})
    with pytest.raises(CheckpointError, match="does not fit the model 'baseline_cnn'"):
        load_model(REPOSITORY)


def test_names_folders_and_revisions_are_not_mixed_up(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"There is no model named 'someone/tiny' in a weights_dir"):
        load_model("someone/tiny", tmp_path)
    with pytest.raises(ValueError, match=r"attn_cnn comes from a folder, which has no revision 'v1'"):
        load_model("attn_cnn", revision="v1")
    for name in ("../secret", "a/b/c", "/etc/passwd"):
        with pytest.raises(ValueError, match=r"is not the name of a repository on the Hugging Face Hub, OWNER/NAME"):
            load_model(name)


def test_without_the_package_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(CheckpointError, match="pip install huggingface-hub"):
        load_model(REPOSITORY)


# ---- Uploading ------------------------------------------------------------------------------------------------------


def test_a_dry_run_lists_the_files_and_uploads_nothing(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert push(monkeypatch, "--model", "attn_cnn", "--to", "someone/attn", "--dry-run") == 0
    *files, total, last = capsys.readouterr().out.splitlines()
    listed = {line.split()[2]: int(line.split()[0].replace(",", "")) for line in files}
    assert set(listed) == {
        "model.safetensors",
        "config.json",
        "README.md",
        "learning_curves.png",
        "confusion_matrix.png",
        "reliability.png",
    }
    assert listed["model.safetensors"] == (default_weights_dir() / "attn_cnn" / "model.safetensors").stat().st_size
    assert (
        total.split() == [f"{sum(listed.values()):,}", "bytes", "in", "6", "files"] and "nothing was uploaded" in last
    )
    assert not hub.requests


def test_the_card_is_one_that_the_hub_reads(hub: Hub, logged_in: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Hub's own reader of cards finds the metadata; every picture of the card is there."""
    assert push(monkeypatch, "--model", "attn_cnn", "--to", "someone/attn") == 0
    (files,) = hub.repositories["someone/attn"].commits.values()
    card = ModelCard(files["README.md"].decode())
    metadata = card.data
    assert (metadata.license, metadata.library_name, metadata.pipeline_tag) == (
        "mit",
        "pytorch",
        "image-classification",
    )
    assert metadata.datasets == ["fer2013"] and "facial-emotion-recognition" in metadata.tags
    metrics = json.loads((default_weights_dir() / "attn_cnn" / "metrics.json").read_text())
    shown = {result.metric_name: result.metric_value for result in metadata.eval_results}
    assert shown["Accuracy"] == round(metrics["test"]["accuracy"], 4)
    assert 'load_model("someone/attn")' in card.text and "weights/attn_cnn" not in card.text
    pictures = {part.partition(")")[0] for part in card.text.split("](")[1:] if part.partition(")")[0].endswith(".png")}
    assert len(pictures) == 3 and pictures <= set(files)


def test_a_second_push_is_a_second_commit(hub: Hub, logged_in: None) -> None:
    upload("someone/notes", {"a.txt": b"1"}, private=False, message="First")
    address = upload("someone/notes", {"b.txt": b"2"}, private=True, message="Second")
    repository = hub.repositories["someone/notes"]
    *_, newest = repository.commits
    assert address == f"{hub.address}/someone/notes/commit/{newest}"
    assert repository.commits[newest] == {"a.txt": b"1", "b.txt": b"2"} and not repository.private


def test_an_upload_that_is_refused_says_why(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert push(monkeypatch, "--model", "attn_cnn", "--to", "someone/attn") == 1
    assert "does not let this account write to someone/attn: log in with `hf auth login`" in capsys.readouterr().err
    assert push(monkeypatch, "--model", "attn_cnn", "--to", "attn") == 1
    assert "'attn' is not the name of a repository" in capsys.readouterr().err
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with pytest.raises(HubError, match=r'Invalid metadata in README\.md.*"license" must be one of'):
        upload("someone/attn", {"README.md": b"---\nlicense: none\n---\n"}, private=False, message="Bad")


def test_a_checkpoint_that_would_not_load_is_not_uploaded(
    hub: Hub, logged_in: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "weights" / "baseline_cnn"
    save_checkpoint(create_model("baseline_cnn", widths=[4, 8, 8], hidden=16), folder, {})
    arguments = ("--model", "baseline_cnn", "--to", "someone/baseline", "--weights", str(folder.parent))
    assert push(monkeypatch, *arguments) == 1
    assert "Evaluate the checkpoint again" in capsys.readouterr().err  # it has no figures for its card
    (folder / "model.safetensors").write_bytes(b"damaged")
    assert push(monkeypatch, *arguments) == 1
    assert "SHA-256" in capsys.readouterr().err
    assert not hub.requests


def _as_folder(tmp_path: Path) -> Path:
    """The checkpoint of `tiny` in a weights folder."""
    (tmp_path / "weights").mkdir()
    (tmp_path / "tiny").rename(tmp_path / "weights" / "baseline_cnn")
    return tmp_path / "weights"
