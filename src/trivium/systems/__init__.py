"""What can be evaluated, from one word: `open_system(spec)`.

| spec | system |
|---|---|
| `pattern:advanced` | a pattern over a knowledge base (`trivium.patterns.PATTERNS`) |
| `closed_book`, `instructed`, `chain_of_thought` | the chat model alone |
| `http://host:8000/v1#name` | the model `name` behind an OpenAI-compatible endpoint, asked the bare question |
| `answers.jsonl` | earlier answers: a file of Trivium's own, or of any other system (see `stored.py`) |
| `python:module:function` | a function of yours: the question in, an `Answer`, a text or a dictionary out |
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivium.errors import UnknownName, UsageError
from trivium.evaluate.failure import Holders, Rank, holders_of
from trivium.evaluate.run import ByExample, System
from trivium.generate.refuse import says_nothing
from trivium.models.base import Chat, Reranker
from trivium.patterns import ALONE, PATTERNS
from trivium.retrieve.search import search
from trivium.systems.stored import answer_from, file_hash, stored
from trivium.types import Answer, Example, Hit, Message

if TYPE_CHECKING:
    from trivium.index import Index

FORMS = ("pattern:NAME", *ALONE, "http://HOST/v1#MODEL", "answers.jsonl", "python:MODULE:FUNCTION")
_MOST_TOKENS = 512
_JUDGEMENTS = frozenset(
    ("yes", "no", "maybe", "true", "false", "unknown", "both", "neither", "是", "否", "不是", "对", "错", "不确定")
)
"""Choices that a question asks for by its form; they need not be listed."""


@dataclass(frozen=True, slots=True)
class OpenSystem:
    """A system ready to be asked.

    Attributes:
        name: in a few words, for headings and folders.
        ask: what `trivium.evaluate.run.evaluate` takes.
        settings: what its answers depend on: models by the hash of their weights, the knowledge base's version.
        corpus: which stored chunks hold an answer, where there is a knowledge base.
        rank: its own search, where it has one.
        alone: the same model without passages, where it answers from passages.
    """

    name: str
    ask: System
    settings: Mapping[str, Any] = field(default_factory=dict)
    corpus: Holders | None = None
    rank: Rank | None = None
    alone: Callable[[Example], Answer] | None = None


def pattern_system(
    name: str,
    index: Index,
    chat: Chat,
    *,
    reranker: Reranker | None = None,
    k: int | None = None,
    principals: Sequence[str] | None = None,
    corpus: Holders | None = None,
    weights: Mapping[str, float] | None = None,
) -> OpenSystem:
    """Return a pattern over a knowledge base, as its latest commit left it.

    Args:
        name: one of `trivium.patterns.PATTERNS`.
        index: the knowledge base.
        chat: the model that answers.
        reranker: the model that reranks, if there is one.
        k: how many chunks to retrieve; None is the pattern's own number.
        principals: who asks; None is an unknown asker.
        corpus: which chunks hold an answer, where that is known already.
        weights: of the arms of the search, for `advanced`; None is the search's own.

    Raises:
        UnknownName: there is no such pattern.
    """
    if name not in PATTERNS:
        raise UnknownName("pattern", name, PATTERNS)
    view = index.snapshot()
    given: dict[str, Any] = {"chat": chat, "index": view, "reranker": reranker, "principals": principals}
    given |= ({} if k is None else {"k": k}) | ({} if weights is None else {"weights": weights})
    answer = partial(PATTERNS[name], **given)
    settings = {
        "name": name,
        "kind": "pattern",
        "chat": chat.name,
        "embedder": view.manifest.get("embedder"),
        "reranker": reranker.name if reranker is not None else None,
        "k": k,
        **({} if weights is None else {"weights": dict(weights)}),
        "principals": sorted(set(principals or ())),
        "kb": described(view),
    }
    corpus = corpus or holders_of(view, principals=principals)
    if name in ALONE:
        return OpenSystem(name, by_example(answer), {**settings, "kb": None}, corpus)
    alone = partial(PATTERNS["closed_book"], chat=chat)
    return OpenSystem(
        name,
        by_example(answer),
        settings,
        corpus=corpus,
        rank=partial(_rank, view, name, principals),
        alone=lambda example: alone(asked(example)),
    )


def described(index: Index) -> dict[str, Any]:
    """Return which documents a knowledge base holds, and how they were cut and embedded."""
    content = hashlib.sha256()
    records = index.records()
    for record in records:
        content.update(
            repr((record.source, record.sha256, record.chunks, record.chunker, record.access)).encode(
                "utf-8", "backslashreplace"
            )
        )
    return {
        "path": str(index.root),
        "content": content.hexdigest()[:16],
        "documents": len(records),
        "chunks": sum(record.chunks for record in records),
        **index.manifest,
    }


def _rank(index: Index, pattern: str, principals: Sequence[str] | None, question: str, n: int) -> list[Hit]:
    """Search as the pattern does, deeper."""
    return search(index, question, k=n, mode="dense" if pattern == "naive" else "hybrid", principals=principals)


def alone_system(name: str, chat: Chat) -> OpenSystem:
    """Return the chat model alone, in one of the patterns of `ALONE`: it answers from memory."""
    answer = partial(PATTERNS[name], chat=chat)
    return OpenSystem(name, by_example(answer), {"name": name, "kind": "pattern", "chat": chat.name})


def endpoint_system(url: str, *, parallel: int = 4) -> OpenSystem:
    """Return the system behind an OpenAI-compatible endpoint: it is sent the bare question, as a person would.

    Args:
        url: `http://host/v1#model`.
        parallel: requests at once.

    Raises:
        UsageError: the address names no model.
    """
    from trivium.models.chat import open_chat

    chat = open_chat(url, parallel=parallel)

    def answer(example: Example) -> Answer:
        question = asked(example)
        said = chat.complete([Message("user", question)], max_tokens=_MOST_TOKENS)
        return Answer(question, said.text.strip(), refused=says_nothing(said.text), usage=said.usage)

    return OpenSystem(chat.name, ByExample(answer), {"name": chat.name, "kind": "endpoint"})


def python_system(spec: str) -> OpenSystem:
    """Return a function of the user's as a system.

    Args:
        spec: `module:function`; the module is looked for in the current folder too. The function takes the question
            and returns an `Answer`, a text, or a dictionary such as a line of a file of answers.

    Raises:
        UsageError: there is no such module or function, or it fails while it is imported.
    """
    module_name, sign, name = spec.partition(":")
    if not sign or not module_name or not name:
        raise UsageError(f"python:{spec} names no function.", "Write it as python:MODULE:FUNCTION.")
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise UsageError(
            f"The module {module_name!r} cannot be imported: {error}.",
            "Run the command in its folder, or install it.",
        ) from error
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        public = [each for each, value in vars(module).items() if callable(value) and not each.startswith("_")]
        raise UnknownName(f"function in {module_name}", name, public)
    system = function_system(found)
    return replace(system, settings={**system.settings, "name": f"{module_name}:{name}"})


def function_system(
    function: Callable[[str], Answer], *, index: Index | None = None, principals: Sequence[str] | None = None
) -> OpenSystem:
    """Return any function from a question to an answer as a system.

    Args:
        function: what is asked. It may return a text or a dictionary too, as `stored.answer_from` reads them.
        index: a knowledge base, which tells where the answers stand.
        principals: who may read what of it.
    """
    name = getattr(function, "__qualname__", type(function).__qualname__)

    def answer(example: Example) -> Answer:
        question = asked(example)
        return answer_from(function(question), question)

    settings = {"name": name, "kind": "python", "source": _source_hash(function)}
    return _beside(OpenSystem(name, ByExample(answer), settings), index, principals)


def answers_system(path: str | os.PathLike[str]) -> OpenSystem:
    """Return earlier answers as a system (see `trivium.systems.stored.stored`).

    Raises:
        UsageError: the file cannot be read, or holds no answer.
    """
    answer, settings = stored(path)
    return OpenSystem(settings["name"], ByExample(answer), settings)


def asked(example: Example) -> str:
    """Return a question as it is put to a system: with its choices, where they are not plain from its form."""
    choices = [choice for choice in example.choices if choice.strip().lower() not in _JUDGEMENTS]
    if not choices or all(choice in example.question for choice in example.choices):
        return example.question
    lines = [f"{chr(ord('A') + place)}. {choice}" for place, choice in enumerate(example.choices)]
    return "\n".join([example.question, *lines])


def by_example(answer: Callable[[str], Answer]) -> ByExample:
    """Return a function from a question's words to an answer as a system, which is asked with the choices."""
    return ByExample(lambda example: answer(asked(example)))


def _source_hash(function: object) -> str:
    """Return a fingerprint of the file of a user's function, empty where unknown: other code is another system."""
    try:
        return file_hash(Path(inspect.getfile(function)))  # type: ignore[arg-type]
    except (TypeError, OSError):
        return ""


def kind_of(spec: str) -> str:
    """Return what a spec names: "pattern", "alone", "endpoint", "python" or "answers".

    Raises:
        UsageError: it names nothing of the kind.
    """
    if spec in ALONE:
        return "alone"
    if spec.startswith("pattern:") or spec in PATTERNS:
        name = spec.removeprefix("pattern:")
        if name not in PATTERNS:
            raise UnknownName("pattern", name, PATTERNS)
        return "pattern"
    if spec.startswith(("http://", "https://")):
        return "endpoint"
    if spec.startswith("python:"):
        return "python"
    if Path(spec).is_file():
        return "answers"
    raise UsageError(f"{spec!r} names no system, and there is no such file.", f"Give one of: {', '.join(FORMS)}.")


def open_system(
    spec: str,
    *,
    index: Index | None = None,
    chat: Callable[[], Chat] | None = None,
    reranker: Reranker | None = None,
    k: int | None = None,
    principals: Sequence[str] | None = None,
    parallel: int = 4,
) -> OpenSystem:
    """Return the system that `spec` names; the module's docstring has the table.

    Args:
        spec: what to evaluate.
        index: the knowledge base; for other systems than patterns it tells where the answers stand.
        chat: gives the chat model, for patterns, with a knowledge base or alone.
        reranker: the model that reranks, for patterns.
        k, principals: see `pattern_system`.
        parallel: requests at once, for an endpoint.

    Raises:
        UsageError, UnknownName: `spec` names nothing, or what it needs is not given.
        ModelError: a model cannot be opened.
    """
    kind = kind_of(spec)
    if kind == "endpoint":
        system = endpoint_system(spec, parallel=parallel)
    elif kind == "python":
        system = python_system(spec.removeprefix("python:"))
    elif kind == "answers":
        system = answers_system(spec)
    elif chat is None:
        raise UsageError(f"{spec} needs a chat model.", "Give one.")
    elif kind == "alone":
        system = alone_system(spec, chat())
    elif index is None:
        raise UsageError(f"{spec} needs a knowledge base.", "Give its folder with --kb.")
    else:
        name = spec.removeprefix("pattern:")
        return pattern_system(name, index, chat(), reranker=reranker, k=k, principals=principals)
    return _beside(system, index, principals)


def _beside(system: OpenSystem, index: Index | None, principals: Sequence[str] | None) -> OpenSystem:
    """Return a system with a knowledge base beside it, which it may or may not know."""
    if index is None:
        return system
    return replace(system, corpus=holders_of(index, principals=principals), rank=partial(_rank, index, "", principals))
