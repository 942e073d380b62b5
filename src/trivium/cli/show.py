"""How answers and hits look: on a terminal, and as the JSON that `--json` prints."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from trivium.cli.screen import Screen
from trivium.types import Answer, Citation, Hit

if TYPE_CHECKING:
    from rich.text import Text

_QUOTE = 400
"""Characters of a quotation that are shown; JSON has all of them."""
_SNIPPET = 300


def hit_json(hit: Hit) -> dict[str, object]:
    """Return a hit as `--json` prints it."""
    return {
        "chunk_id": hit.chunk.id,
        "source": hit.chunk.source,
        "page": hit.chunk.page,
        "score": hit.score,
        "found_by": list(hit.found_by),
        "text": hit.chunk.text,
    }


def answer_json(answer: Answer) -> dict[str, object]:
    """Return an answer as `--json` prints it."""
    return {
        "question": answer.question,
        "text": answer.text,
        "refused": answer.refused,
        "citations": [
            {
                "marker": c.marker,
                "source": c.source,
                "page": c.page,
                "start": c.start,
                "end": c.end,
                "quote": c.quote,
            }
            for c in answer.citations
        ],
        "hits": [hit_json(hit) for hit in answer.hits],
        "usage": {
            "prompt_tokens": answer.usage.prompt_tokens,
            "completion_tokens": answer.usage.completion_tokens,
        },
        "seconds": {
            "retrieve": answer.seconds.retrieve,
            "generate": answer.seconds.generate,
            "total": answer.seconds.total,
        },
    }


def show_answer(screen: Screen, answer: Answer) -> None:
    """Print an answer with its numbered citations; what no passage supports is marked as such."""
    out = screen.out
    if answer.refused:
        out.print(answer.text, style="yellow", soft_wrap=not out.is_terminal)
        return
    out.print(_marked(answer), soft_wrap=not out.is_terminal)
    if answer.citations:
        out.print()
    said = " ".join(answer.text.split())
    for citation in answer.citations:
        show_citation(screen, citation, quoted=" ".join(citation.quote.split()) in said)


def _marked(answer: Answer) -> Text:
    """Return the answer's text with ` (unsupported)` after each span that no passage supports."""
    from rich.text import Text

    text = Text()
    at = 0
    for _, end in answer.unsupported:
        text.append(answer.text[at:end])
        text.append(" (unsupported)", style="yellow")
        at = end
    return text.append(answer.text[at:])


def show_citation(screen: Screen, citation: Citation, *, quoted: bool = False) -> None:
    """Print where a citation points, and the words that stand there unless the answer has `quoted` them already."""
    from rich.padding import Padding
    from rich.text import Text

    head = Text.assemble((f"[{citation.marker}] ", "bold cyan"), _where(citation.source, citation.page))
    screen.out.print(head, soft_wrap=True)
    if quoted:
        return
    quote = one_line(citation.quote, _QUOTE)
    if screen.out.is_terminal:
        screen.out.print(Padding(Text(f"“{quote}”", style="dim"), (0, 0, 0, 4)))
    else:
        screen.out.print(f"    “{quote}”", soft_wrap=True)


def show_hits(screen: Screen, hits: Sequence[Hit]) -> None:
    """Print hits in their order: place, score, the arms that found it, and the beginning of its text."""
    from rich.padding import Padding
    from rich.text import Text

    for number, hit in enumerate(hits, 1):
        where, how = _where(hit.chunk.source, hit.chunk.page), f"  {hit.score:.3f}  {'+'.join(hit.found_by)}"
        head = Text.assemble((f"{number}. ", "bold cyan"), where, (how, "dim"))
        screen.out.print(head, soft_wrap=True)
        snippet = one_line(hit.chunk.text, _SNIPPET)
        if screen.out.is_terminal:
            screen.out.print(Padding(Text(snippet), (0, 0, 0, 4)))
        else:
            screen.out.print(f"    {snippet}", soft_wrap=True)


def near(source: str) -> str:
    """Return a source as a person here would name it: a path within the current folder without that folder."""
    inside = source.removeprefix(os.getcwd() + os.sep)
    return inside or source


def _where(source: str, page: int | None) -> str:
    return near(source) if page is None else f"{near(source)}, page {page}"


def one_line(text: str, limit: int) -> str:
    """Return the beginning of a text on one line, with an ellipsis where it is cut."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[:limit].rstrip() + " …"
