"""One file of a repository on a hub, by huggingface-hub and its cache: HF_HOME, HF_HUB_OFFLINE, HF_ENDPOINT hold."""

from __future__ import annotations

from pathlib import Path

from stegcli.errors import WeightsError


class NoSuchFile(WeightsError):  # noqa: N818 (an error of its own kind, for those who know more of it)
    """The repository is there, the file is not."""


class NoSuchName(WeightsError):  # noqa: N818
    """What was given is no name of a repository."""


def fetch(repo: str, file: str, revision: str | None, what: str, command: str, force: bool = False) -> Path:
    """-> where the file lies now. what: the subject of error messages. command: the hint that fetches it once online.

    Raises WeightsError; NoSuchFile and NoSuchName where the hub says so.
    """
    from huggingface_hub import errors, hf_hub_download

    # What the hub's package itself lets through: httpx's errors, or those of the fork that newer releases use.
    transport_error: type[Exception] = errors.HTTPError  # type: ignore[attr-defined]
    try:
        return Path(hf_hub_download(repo, file, revision=revision, force_download=force))
    except errors.LocalEntryNotFoundError as error:
        raise WeightsError(f"{what} is not here and cannot be fetched", f"once online: {command}") from error
    except errors.EntryNotFoundError as error:
        raise NoSuchFile(f"{what}: the hub does not give it", said(error)) from error
    except errors.HFValidationError as error:
        raise NoSuchName(f"{what}: {repo!r} is no OWNER/NAME", said(error)) from error
    except errors.HfHubHTTPError as error:
        raise WeightsError(f"{what}: the hub does not give it", said(error)) from error
    except (transport_error, OSError, ValueError) as error:
        raise WeightsError(f"{what}: fetching failed: {said(error)}", f"try again: {command}") from error


def said(error: BaseException) -> str:
    """The first line of an error."""
    return str(error).partition("\n")[0]
