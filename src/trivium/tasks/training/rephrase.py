"""More training samples by a chat model: the same in other words, there and back in another language; new questions.

What a model writes is kept only where it passes checks by rule: other words, the same numbers, the same language, some
of the same words with content, a question where a question was, about the same length; and, with an embedder, about the
same meaning. A small model fails most of them; look at a few of those kept before training on them.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from trivium import prompts
from trivium.errors import ContextOverflow, UnknownName
from trivium.models.base import Chat, Embedder
from trivium.tasks.leak import Shingles, jaccard, same
from trivium.tasks.questions import read_jsonl
from trivium.tasks.synthesis import make_questions
from trivium.tasks.synthesis.checks import Search
from trivium.tasks.training.augment import in_group
from trivium.tasks.training.convert import dialogues_of
from trivium.tasks.training.parts import question_of, seed_of, with_question
from trivium.tasks.training.values import Kind, Retrieval, Sample, TrainingSet
from trivium.text.content import Words, content_terms
from trivium.text.facts import numbers
from trivium.text.language import NAMES, detect, scripts
from trivium.types import Document, Example

_LONGER = 2.0
"""How many times as long as the text a rephrasing may be; or as short."""
_SPARE = 40
"""Characters, or tokens, that a short text may be longer."""
_KEPT = 0.25
"""The least share of a text's words with content that its rephrasing has: a name, the thing that is asked about."""
_SAME = 0.8
"""The shingle similarity from which a rephrasing says nothing in other words."""
_MEANING = 0.75
"""The least cosine of the two."""
_UNKNOWN = 0.2
"""The share of unknown words from which on an embedder is not asked."""
_REPEATED = 0.6
"""The least share of a rephrasing's shingles that are distinct: a small model may say one thing over and over."""

Rephrase = Callable[[str, int], str]


def paraphrase(
    given: TrainingSet,
    chat: Chat,
    *,
    copies: int = 1,
    temperature: float = 0.7,
    embedder: Embedder | None = None,
    seed: int = 0,
    threads: int = 1,
) -> TrainingSet:
    """Return the set with copies of its samples that ask the same in other words.

    Args:
        given: the training part of a set; texts and tagged samples have no copies.
        chat: the model; give one that knows the language.
        copies: of each sample, each with another seed.
        temperature: of the model's choice of words.
        embedder: compares the meaning of both, where it knows their words.
        seed: another seed, other words.
        threads: requests at once.

    Returns:
        Its report has `made (paraphrase)`, and for what failed a check, `paraphrase: ` and the reason.

    Raises:
        ModelError: the model failed.
    """

    def say(text: str, of: int) -> str:
        language = detect(text)
        prompt = "paraphrase_zh" if language == "zh" else "paraphrase"
        return _written(chat, prompt, text, NAMES.get(language, "its own language"), temperature, of)

    return _with_copies(given, "paraphrase", say, copies, embedder, seed, threads)


def back_translate(
    given: TrainingSet,
    chat: Chat,
    *,
    via: str = "German",
    copies: int = 1,
    temperature: float = 0.0,
    embedder: Embedder | None = None,
    seed: int = 0,
    threads: int = 1,
) -> TrainingSet:
    """Return the set with copies translated into another language and back (Sennrich et al. 2015, arXiv:1511.06709).

    Args:
        given: the training part of a set; texts and tagged samples have no copies.
        chat: the model; it must know both languages.
        via: the English name of the language in between.
        copies, temperature, embedder, seed, threads: as for `paraphrase`; several copies need a temperature above 0.

    Raises:
        ModelError: the model failed.
    """

    def say(text: str, of: int) -> str:
        there = _written(chat, "translate", text, via, temperature, of)
        language = NAMES.get(detect(text), "English")
        return _written(chat, "translate", there, language, temperature, of) if there else ""

    return _with_copies(given, "back-translation", say, copies, embedder, seed, threads)


def _written(chat: Chat, prompt: str, text: str, language: str, temperature: float, seed: int) -> str:
    """Return what the model writes; empty where it did not finish in the form asked for."""
    most = int(_LONGER * len(text)) + _SPARE
    schema = {
        "type": "object",
        "properties": {"text": {"type": "string", "maxLength": most}},
        "required": ["text"],
        "additionalProperties": False,
    }
    messages = prompts.fill(prompt, text=text, language=language)
    try:
        said = chat.complete(
            messages,
            max_tokens=int(_LONGER * chat.count_tokens(text)) + _SPARE,
            temperature=temperature,
            seed=seed % (1 << 31),
            schema=schema,
        )
        return str(json.loads(said.text)["text"]).strip()
    except (ContextOverflow, ValueError, KeyError, TypeError):
        return ""


def objection(text: str, other: str, embedder: Embedder | None = None) -> str:
    """Return why a rephrasing is not kept, a short phrase; empty where nothing speaks against it."""
    if not other:
        return "not in the form asked for"
    shingles = Shingles([same(text), same(other)])
    if jaccard(shingles.of(0), shingles.of(1)) >= _SAME:
        return "same words"
    if len(shingles.of(1)) < _REPEATED * (shingles.starts[2] - shingles.starts[1]):
        return "repeats itself"
    if numbers(text) != numbers(other):
        return "other numbers"
    first, second = detect(text), detect(other)
    if (first and second and first != second) or next(iter(scripts(text)), "") != next(iter(scripts(other)), ""):
        return "other language"
    terms, said = content_terms(text), Words(other)
    if terms and sum(term in said for term in terms) < _KEPT * len(terms):
        return "about something else"
    if _asks(text) != _asks(other):
        return "a question or none"
    if len(text) > _LONGER * len(other) or len(other) > _LONGER * len(text) + _SPARE:
        return "other length"
    return "other meaning" if embedder is not None and _apart(text, other, embedder) else ""


def _asks(text: str) -> bool:
    return "?" in text or "？" in text


def _apart(text: str, other: str, embedder: Embedder) -> bool:
    """Whether two texts mean different things; not, where the embedder does not know their words."""
    if max(embedder.unknown_rate(text), embedder.unknown_rate(other)) > _UNKNOWN:
        return False
    one, two = embedder.embed([text, other])
    return float(one @ two) < _MEANING


def _with_copies(
    given: TrainingSet, name: str, say: Rephrase, copies: int, embedder: Embedder | None, seed: int, threads: int
) -> TrainingSet:
    samples = [in_group(sample) for sample in given.samples]
    wanted = [
        (sample, turn, question_of(sample))
        for sample in samples
        for turn in range(1, copies + 1)
        if question_of(sample).strip()
    ]
    with ThreadPoolExecutor(max(threads, 1)) as pool:
        said = list(pool.map(lambda one: say(one[2], seed_of(seed, f"{one[0].id}\n{one[1]}")), wanted))
    counts: Counter[str] = Counter()
    copies_of: dict[str, list[Sample]] = {}
    held: set[str] = set()
    for (sample, turn, text), other in zip(wanted, said, strict=True):
        key = f"{sample.id}\n{same(other)}"
        reason = objection(text, other, embedder) or ("same words" if key in held else "")
        counts[f"{name}: {reason}" if reason else f"made ({name})"] += 1
        if not reason:
            held.add(key)
            copies_of.setdefault(sample.id, []).append(with_question(sample, other, f"{sample.id}~{name}{turn}"))
    found = [one for sample in samples for one in (sample, *copies_of.get(sample.id, ()))]
    return replace(given, samples=tuple(found), report={**given.report, **counts, "samples": len(found)})


def from_documents(
    documents: Sequence[Document],
    path: str | os.PathLike[str],
    *,
    search: Search,
    chat: Chat | None = None,
    kind: Kind = "retrieval",
    kinds: Sequence[str] = (),
    count: int = 20,
    k: int = 5,
    seed: int = 0,
    threads: int = 1,
    progress: Callable[[str, str, str], None] | None = None,
) -> TrainingSet:
    """Make questions about documents (`trivium.tasks.synthesis`), and return them as training samples.

    For grounded answers, give the questions themselves (`read_jsonl` of `path`) to `raft`.

    Args:
        documents, path, search, chat, kinds, count, k, seed, threads, progress: as for `make_questions`; the
            questions are in `path`, and a second call goes on from there.
        kind: `retrieval` (question and the passages that `search` finds it in) or `dialogue` (question and answer).

    Raises:
        UnknownName: questions cannot be samples of that kind.
        UsageError, ModelError: as `make_questions` raises them.
    """
    if kind not in ("retrieval", "dialogue"):
        raise UnknownName("kind of sample from documents", kind, ("retrieval", "dialogue"))
    made = make_questions(
        documents,
        path,
        search=search,
        chat=chat,
        kinds=kinds,
        count=count,
        k=k,
        seed=seed,
        threads=threads,
        progress=progress,
    )
    examples = list(read_jsonl(path))
    samples: Iterable[Sample] = (
        dialogues_of(examples)
        if kind == "dialogue"
        else [sample for example in examples if (sample := _found(example, search, k)) is not None]
    )
    report = {f"{name}: {what}": n for name, one in made.kinds.items() for what, n in one.dropped.items()}
    kept = tuple(samples)
    return TrainingSet(kind, kept, "questions of documents", {**report, "samples": len(kept)}, name=made.path.stem)


def _found(example: Example, search: Search, k: int) -> Retrieval | None:
    """Return a question with the passages that hold its evidence, as the search cuts them."""
    hits = search(example.question, k)
    passages = dict.fromkeys(
        hit.chunk.text
        for gold in example.evidence
        for hit in hits
        if hit.chunk.source == gold.source and gold.text in hit.chunk.text
    )
    positives = tuple(passages) or tuple(gold.text for gold in example.evidence)
    group = example.evidence[0].source if example.evidence else ""
    return Retrieval(example.question, positives, id=example.id, group=group) if positives else None
