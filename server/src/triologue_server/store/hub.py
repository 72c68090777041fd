"""Whole repositories from Hugging Face, each file checked against the hash that the hub lists for it.

What a repository holds is only known once the hub was asked, so a list of its files, their SHA-256 and the
commit is kept beside them. It is written last: a folder with a list was complete, and is verified without a
network.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError

from triologue_server.store.artifact import HubSource, StoredFile
from triologue_server.store.errors import ChecksumMismatch, SourceRefused, SourceUnreachable
from triologue_server.store.files import Progress, no_progress, sha256_of, write_verified
from triologue_server.store.room import room_for, size_of

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoSibling
    from huggingface_hub.utils.tqdm import tqdm

LISTING = ".triologue.json"
"""Name of the list, in the folder of the artifact."""


class Listing(BaseModel):
    """The files of an artifact that came from Hugging Face."""

    model_config = ConfigDict(frozen=True)

    commits: dict[str, str]
    """Repository -> the commit it was fetched at."""
    files: tuple[StoredFile, ...]

    @staticmethod
    def read(folder: Path) -> "Listing | None":
        """Return the list kept in `folder`, or `None` when there is none that can be read."""
        try:
            return Listing.model_validate_json((folder / LISTING).read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    def write(self, folder: Path) -> None:
        """Keep the list in `folder`."""
        text = self.model_dump_json(indent=1).encode()
        with room_for(folder, len(text)):
            write_verified(folder / LISTING, [text], hashlib.sha256(text).hexdigest())


def fetch_snapshots(
    sources: tuple[HubSource, ...], folder: Path, staging: Path, progress: Progress = no_progress
) -> None:
    """Fetch the files of `sources` that are not yet, or no longer, what they should be in `folder`.

    A folder that was complete once is restored at the same commits. The downloads happen in `staging`, on the
    same filesystem. ``HF_TOKEN`` gives access to gated repositories.

    Raises:
        ChecksumMismatch: A file is not the one that the hub lists; it is removed.
        SourceUnreachable: The hub gives no proper answer; the files that arrived are kept.
        SourceRefused: A repository or revision does not exist, or access to it was not granted.
        NoSpace: There is no room for its files.
    """
    # Takes half a second to load, and most stores never need it.
    from huggingface_hub import HfApi

    api = HfApi()
    before = Listing.read(folder)
    commits: dict[str, str] = {}
    files: list[StoredFile] = []
    for source in sources:
        revision = before.commits.get(source.repo_id, source.revision) if before else source.revision
        with _store_errors(source.repo_id, str(urlsplit(api.endpoint).hostname)):
            info = api.model_info(source.repo_id, revision=revision, files_metadata=True)
            commit = commits[source.repo_id] = str(info.sha)
            paths = {
                folder / source.folder / _inside(listed.rfilename): listed for listed in info.siblings or ()
            }
            lacking = {path: listed for path, listed in paths.items() if not _is_right(path, listed)}
            to_download = sum(listed.size or 0 for listed in lacking.values()) - size_of(staging)
            with room_for(folder, max(0, to_download)):
                for path, listed in lacking.items():
                    place = staging / source.repo_id
                    arrived = _download(api, source.repo_id, commit, listed, place, progress)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    arrived.replace(path)
            for path in paths:
                name = path.relative_to(folder).as_posix()
                files.append(StoredFile(name, sha256_of(path), path.stat().st_size))
    Listing(commits=commits, files=tuple(files)).write(folder)


def _inside(name: str) -> str:
    # The names are the hub's, and become paths here.
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        raise SourceRefused(f"the repository lists a file outside itself: {name}")
    return name


def _download(
    api: "HfApi", repo_id: str, commit: str, listed: "RepoSibling", staging: Path, progress: Progress
) -> Path:
    name = listed.rfilename
    reporter = _reporting_to(progress, name, listed.size)
    path = Path(api.hf_hub_download(repo_id, name, revision=commit, local_dir=staging, tqdm_class=reporter))
    if (got := _hub_hash(path, listed)) != _listed_hash(listed):
        path.unlink()
        raise ChecksumMismatch(f"{repo_id}/{name}", _listed_hash(listed), got)
    return path


def _is_right(path: Path, listed: "RepoSibling") -> bool:
    return path.is_file() and _hub_hash(path, listed) == _listed_hash(listed)


def _listed_hash(listed: "RepoSibling") -> str:
    return listed.lfs.sha256 if listed.lfs else str(listed.blob_id)


def _hub_hash(path: Path, listed: "RepoSibling") -> str:
    """Return a file's hash the way the hub lists it: SHA-256 for large files, git's own for small ones."""
    if listed.lfs:
        return sha256_of(path)
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _reporting_to(progress: Progress, name: str, total: int | None) -> "type[tqdm]":
    """Return a progress bar that the hub's client can drive, which shows nothing and calls `progress`."""
    from huggingface_hub.utils.tqdm import tqdm

    class Bar(tqdm):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "disable": True})  # type: ignore[no-untyped-call]

        def update(self, n: float | None = 1) -> None:
            self.n += n or 0
            progress(name, int(self.n), total)

        # The client counts the bytes on the wire apart from the bytes of the file when it finds these two.
        def update_transfer(self, n: float | None = 1) -> None:
            pass

        def set_transfer_postfix_str(self, *args: Any, **kwargs: Any) -> None:
            pass

    return Bar


@contextmanager
def _store_errors(repo_id: str, host: str) -> Iterator[None]:
    """Turn the errors of the hub's client into those of the store."""
    from huggingface_hub import errors

    # Of the HTTP library beneath, which is not the same one in every version.
    http_error = errors.HTTPError  # type: ignore[attr-defined]
    try:
        yield
    except errors.GatedRepoError as error:
        raise SourceRefused(
            f"access to {repo_id} is not granted: "
            f"accept its terms at https://huggingface.co/{repo_id} and set HF_TOKEN"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise SourceRefused(f"{repo_id} is not on {host}, or HF_TOKEN does not open it") from error
    except errors.RevisionNotFoundError as error:
        raise SourceRefused(f"{repo_id} has no such revision on {host}") from error
    except errors.HFValidationError as error:
        raise SourceRefused(str(error)) from error
    except errors.HfHubHTTPError as error:
        answer = f"{error.response.status_code} {error.response.reason_phrase}"
        if error.response.is_server_error:
            raise SourceUnreachable(host, answer) from error
        raise SourceRefused(f"{host} answered {answer} for {repo_id}") from error
    except (http_error, errors.LocalEntryNotFoundError, errors.XetDownloadError, ConnectionError) as error:
        raise SourceUnreachable(host, " ".join(str(error).split()) or type(error).__name__) from error
