"""A knowledge base as one file, to move or to keep: an uncompressed tar of the folder as one commit left it."""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from trivium.errors import StoreError, UsageError

if TYPE_CHECKING:
    from trivium.index.index import Index

_LEFT_OUT = ("write.lock", "pending.db", "answers.db", "durable.json")
_MANIFEST = "trivium.json"


def export_archive(index: Index, path: str | os.PathLike[str]) -> Path:
    """Write the knowledge base to one file, whole or not at all; return its path.

    Raises:
        UsageError: the file is there already.
        StoreError: it cannot be written.
    """
    target = Path(path).expanduser().absolute()
    if target.exists():
        raise UsageError(f"{target} is there already.", "Delete it, or give another name.")
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with index.writing(), tarfile.open(temporary, "w") as archive:
            for item in sorted(index.root.iterdir()):
                if not item.name.startswith(_LEFT_OUT):
                    archive.add(item, arcname=item.name)
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except OSError as error:
        raise StoreError(f"{target} cannot be written: {error.strerror or error}.", "Choose another place.") from error
    finally:
        temporary.unlink(missing_ok=True)
    return target


def import_archive(path: str | os.PathLike[str], root: Path) -> Path:
    """Unpack an archive into a folder that is not there yet (or is empty), whole or not at all; return the folder.

    Raises:
        UsageError: the file is not an archive of a knowledge base, or the folder holds something.
        StoreError: the folder cannot be written.
    """
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise UsageError(f"{root} is there already.", "Choose another folder with --kb, or delete it.")
    root.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{root.name}.", dir=root.parent))
    try:
        with tarfile.open(path, "r:*") as archive:
            archive.extractall(temporary, filter="data")
        if not (temporary / _MANIFEST).is_file():
            raise UsageError(f"{path} is not an archive of a knowledge base.", "Make one with `trivium export FILE`.")
        if root.exists():
            root.rmdir()
        os.replace(temporary, root)
    except tarfile.TarError as error:
        raise UsageError(f"{path} is not a whole archive: {error}.", "Make it again with `trivium export`.") from error
    except OSError as error:
        raise StoreError(f"{path} cannot be unpacked to {root}: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return root
