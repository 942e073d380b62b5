"""Where the definitions of a source text begin and end: functions, methods, classes, types."""

from __future__ import annotations

import ast
import re

Definition = tuple[int, int, str]
"""Start, end and name; a stretch between definitions has no name."""

_DEFINITION = re.compile(
    r"^(?:@|#\[|template\s*<"  # decorators, attributes and templates belong to what follows
    r"|(?:(?:export|default|public|private|protected|internal|static|final|abstract|async|pub(?:\([^)]*\))?|unsafe"
    r"|extern|inline|virtual|override|sealed|partial|open|data)\s+)*"
    r"(?:def|class|func|fn|function|interface|struct|enum|impl|trait|module|namespace|type|sub|object|protocol|extension"
    r"|macro|record|union|create\s+(?:or\s+replace\s+)?(?:table|view|function|procedure|trigger))\b\s*\*?\s*"
    r"(?P<name>[\w$.:]*)"
    r"|(?:[A-Za-z_][\w:<>,*&\s]{0,80}?[\s*&])(?P<c_name>[A-Za-z_~][\w:~]*)\s*\([^;{}]*\)?\s*(?:const\s*)?\{?\s*$"
    r"|(?:const|let|var)\s+(?P<js_name>\w+)\s*=\s*(?:async\s*)?(?:function\b|\([^)]*\)\s*=>|\w+\s*=>))",
    re.M | re.I,
)


_LONGEST = 300


def definition_spans(code: str) -> list[Definition]:
    """Return contiguous spans that cover `code`, one per top-level definition and one per stretch between them.

    Python is parsed; other languages are cut where a line without indentation begins a definition. A fence of
    Markdown around the code is part of its first and last span.
    """
    if not code.strip():
        return []
    starts = _python_starts(code) or _pattern_starts(code)
    before = code[: starts[0][0]].strip() if starts else code
    fence_only = bool(starts) and "\n" not in before and before.startswith(("```", "~~~"))
    marks = [(0, "")] if before and not fence_only else []
    marks += starts
    marks[0] = (0, marks[0][1])
    ends = [start for start, _ in marks[1:]] + [len(code)]
    return [(start, end, name) for (start, name), end in zip(marks, ends, strict=True) if code[start:end].strip()]


def _python_starts(code: str) -> list[tuple[int, str]]:
    """Return where the top-level statements that define begin, and the first statement after each."""
    if not re.search(r"^(?:async\s+)?(?:def|class)\s+\w+.*:|^(?:import|from)\s+\w+", code, re.M):
        return []
    body, shift = _without_fence(code)
    try:
        tree = ast.parse(body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    lines = [0]
    for line in body.split("\n"):
        lines.append(lines[-1] + len(line) + 1)
    starts: list[tuple[int, str]] = []
    after_definition = True
    for node in tree.body:
        defines = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        if defines or after_definition:
            first = min([node.lineno, *(item.lineno for item in getattr(node, "decorator_list", []))])
            starts.append((shift + _with_comment(body, lines, first), getattr(node, "name", "")))
        after_definition = defines
    return starts


def _with_comment(body: str, lines: list[int], line: int) -> int:
    """Return the offset of a line (from 1), or of the comment lines right above it."""
    while line > 1 and body[lines[line - 2] :].startswith("#"):
        line -= 1
    return lines[line - 1]


def _without_fence(code: str) -> tuple[str, int]:
    """Return code without the Markdown fence around it, and how far that shifted it."""
    fence = re.match(r"(`{3,}|~{3,})[^\n]*\n", code)
    if not fence:
        return code, 0
    body = code[fence.end() :]
    closing = body.rfind("\n" + fence.group(1))
    return (body[: closing + 1] if closing >= 0 else body), fence.end()


def _pattern_starts(code: str) -> list[tuple[int, str]]:
    """Return where lines without indentation begin a definition; decorators and comments above belong to it."""
    starts: list[tuple[int, str]] = []
    pending = -1
    at = 0
    for line in code.split("\n"):
        found = _DEFINITION.match(line[:_LONGEST]) if line[:1].strip() else None
        if found and line.startswith(("@", "#[", "template")):
            pending = at if pending < 0 else pending
        elif found:
            names = found.groupdict()
            name = names["name"] or names["c_name"] or names["js_name"] or ""
            starts.append((pending if pending >= 0 else at, name))
            pending = -1
        elif line.startswith(("//", "/*", " *", "--", "#")):
            pending = at if pending < 0 else pending
        else:
            pending = -1
        at += len(line) + 1
    return starts


def inner_spans(code: str) -> list[Definition]:
    """Return contiguous spans that cover one definition: its own lines, then one per definition inside it.

    Those inside are found at the least indentation below the first line. Empty when there are none.
    """
    lines = code.split("\n")
    depths = [len(line) - len(line.lstrip()) for line in lines[1:] if line.strip() and line[0] in " \t"]
    if not depths:
        return []
    depth = min(depths)
    body = "\n".join([" " * len(lines[0]), *(_dedented(line, depth) for line in lines[1:])])
    # Each line keeps its length, so that the places in `body` are those in `code`.
    starts = _pattern_starts(body)
    if not starts:
        return []
    marks = [(0, ""), *starts]
    ends = [start for start, _ in marks[1:]] + [len(code)]
    return [(start, end, name) for (start, name), end in zip(marks, ends, strict=True) if code[start:end].strip()]


def _dedented(line: str, depth: int) -> str:
    """Return a line with its indentation at its end, so that its length stays."""
    return line[depth:] + " " * depth if line[:depth].isspace() else " " + line[1:] if line else line
