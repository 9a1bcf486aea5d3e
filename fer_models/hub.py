"""Files on the Hugging Face Hub: fetching and uploading them, and what went wrong in a sentence.

It uses the token that `hf auth login` or $HF_TOKEN sets, the cache in $HF_HOME, and the address in $HF_ENDPOINT.
"""

from collections.abc import Mapping
from pathlib import Path
from textwrap import shorten

MISSING_PACKAGE = "The Hugging Face Hub needs another package: pip install huggingface-hub jinja2."


class HubError(RuntimeError):
    """The Hub cannot be used, or refuses; the message says what to do."""


def fetch(repository: str, file: str, revision: str | None = None) -> Path:
    """Downloads one file of a model repository, or finds it in the cache.

    Without a network, or with HF_HUB_OFFLINE=1, the copy of the last download is used.

    Args:
        repository: OWNER/NAME.
        file: its path in the repository.
        revision: a branch, tag or commit; by default the branch "main".

    Returns:
        The file in the cache, in a folder that is named by the commit.

    Raises:
        ValueError: the repository's name is not of the form OWNER/NAME.
        HubError: there is no such repository, revision or file, it is private, gated or disabled, the Hub cannot be
            reached and the file is not in the cache, the download broke off, or huggingface_hub is not installed.
    """
    try:
        from huggingface_hub import constants, hf_hub_download
        from huggingface_hub.errors import (
            EntryNotFoundError,
            GatedRepoError,
            HTTPError,
            LocalEntryNotFoundError,
            RepositoryNotFoundError,
            RevisionNotFoundError,
        )
    except ImportError as error:
        raise HubError(MISSING_PACKAGE) from error
    check_name(repository)
    hub = constants.ENDPOINT
    try:
        return Path(hf_hub_download(repository, file, revision=revision))
    except GatedRepoError as error:
        raise HubError(
            f"{repository} is gated: ask for access at {hub}/{repository}, then log in with `hf auth login`."
        ) from error
    except RepositoryNotFoundError as error:
        raise HubError(
            f"There is no model repository {repository} on {hub}, or it is private. Check the name, or log in with "
            "`hf auth login` to an account that may read it. For a folder on this machine, pass its parent folder as "
            "weights_dir."
        ) from error
    except RevisionNotFoundError as error:
        raise HubError(
            f"{repository} has no revision {revision!r}: choose a branch, tag or commit of {hub}/{repository}."
        ) from error
    except LocalEntryNotFoundError as error:
        raise HubError(
            f"{hub} cannot be reached, and {file} of {repository} is not in the cache {constants.HF_HUB_CACHE}. Load "
            "it once with a network (and without HF_HUB_OFFLINE=1); then it also loads offline."
        ) from error
    except EntryNotFoundError as error:
        raise HubError(f"{repository} has no file {file}, so it does not hold a model of FER Lens.") from error
    except (HTTPError, OSError) as error:
        raise HubError(f"Fetching {file} of {repository} from {hub} failed: {_said(error)} Try again.") from error


def upload(repository: str, files: Mapping[str, bytes], private: bool, message: str) -> str:
    """Writes files to a model repository in one commit; it is created if there is none, and other files stay.

    Args:
        repository: OWNER/NAME.
        files: contents by path in the repository. README.md is a model card.
        private: whether a repository that is created can be seen only by its owner; an existing one stays as it is.
        message: of the commit.

    Returns:
        The address of the commit.

    Raises:
        ValueError: the repository's name is not of the form OWNER/NAME.
        HubError: nobody is logged in, the account may not write there, the Hub rejects the model card or cannot be
            reached, or huggingface_hub is not installed.
    """
    try:
        from huggingface_hub import CommitOperationAdd, HfApi
        from huggingface_hub.errors import HfHubHTTPError, HTTPError
    except ImportError as error:
        raise HubError(MISSING_PACKAGE) from error
    check_name(repository)
    hub = HfApi()
    try:
        hub.create_repo(repository, private=private, exist_ok=True)
        operations = [CommitOperationAdd(path, content) for path, content in files.items()]
        return hub.create_commit(repository, operations, commit_message=message).commit_url
    except HfHubHTTPError as error:
        if error.response.status_code in (401, 403):
            raise HubError(
                f"{hub.endpoint} does not let this account write to {repository}: log in with `hf auth login`, with a "
                "token of that owner that may write."
            ) from error
        raise HubError(f"{hub.endpoint} refused the upload to {repository}: {_said(error)}") from error
    except (HTTPError, OSError, RuntimeError, ValueError) as error:
        raise HubError(f"The upload to {repository} on {hub.endpoint} failed: {_said(error)}") from error


def check_name(repository: str) -> None:
    """Raises ValueError unless a name is OWNER/NAME."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(repository)
        if "/" not in repository:
            raise HFValidationError("The owner is missing.")
    except HFValidationError as error:
        raise ValueError(
            f"{repository!r} is not the name of a repository on the Hugging Face Hub, OWNER/NAME."
        ) from error


def _said(error: Exception) -> str:
    """What an error says, in one line."""
    line = shorten(str(error) or type(error).__name__, 300)
    return line if line.endswith(".") else f"{line}."
