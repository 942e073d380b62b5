"""Proves that `import trivium` and `trivium --help` load no heavy package, on the base install.

The names below are those of the extras' large packages; none may be in `sys.modules` afterwards, installed or not.
Run by `make light` in an environment with the base install only, and by tests/test_import_light.py.
"""

from __future__ import annotations

import sys

HEAVY = ("torch", "transformers", "fastapi", "datasets", "peft", "trl", "sklearn", "matplotlib", "ray", "nicegui")
SLOW = ("lancedb", "onnx", "onnxruntime", "xllamacpp", "kreuzberg", "jieba", "pyarrow")


def loaded(names: tuple[str, ...]) -> list[str]:
    """Return which of the packages are loaded."""
    return [name for name in names if name in sys.modules]


def main() -> int:
    """Import, ask for help, and report; return the exit status."""
    import trivium

    after_import = loaded(HEAVY + SLOW)
    from trivium.cli import main as command

    sys.argv = ["trivium", "--help"]
    try:
        command()
    except SystemExit as stop:
        if stop.code:
            return 1
    after_help = loaded(HEAVY + SLOW)
    for when, names in (("import trivium", after_import), ("trivium --help", after_help)):
        sys.stderr.write(f"{when}: {'loads ' + ', '.join(names) if names else 'light'}\n")
    sys.stderr.write(f"trivium {trivium.__version__}\n")
    return 1 if after_import or after_help else 0


if __name__ == "__main__":
    sys.exit(main())
