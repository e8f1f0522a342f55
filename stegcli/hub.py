"""Fetches a file from a hub with huggingface-hub and its cache; heeds HF_HOME, HF_HUB_OFFLINE and HF_ENDPOINT."""

from __future__ import annotations

from pathlib import Path

from stegcli.errors import WeightsError


class NoSuchFile(WeightsError):  # noqa: N818 (callers catch it to give a better message)
    """The repository exists, the file does not."""


class NoSuchName(WeightsError):  # noqa: N818
    """The given name is not a name of a repository."""


def fetch(repo: str, file: str, revision: str | None, what: str, command: str, force: bool = False) -> Path:
    """Fetch a file and return its path. what: subject of error messages. command: fetches it later, for the hint.

    Raises WeightsError, and its subclasses NoSuchFile and NoSuchName if the hub says so.
    """
    from huggingface_hub import errors, hf_hub_download

    # Transport errors that huggingface-hub does not wrap: httpx's, or those of the fork that newer releases use.
    transport_error: type[Exception] = errors.HTTPError  # type: ignore[attr-defined]
    try:
        return Path(hf_hub_download(repo, file, revision=revision, force_download=force))
    except errors.LocalEntryNotFoundError as error:
        raise WeightsError(
            f"{what} is not here and cannot be fetched", f"connect to the network and run: {command}"
        ) from error
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
