"""What a reader of question files writes on: it names passages, keeps ids apart, and collects the problems."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice

from trivium.tasks.records import Malformed, Problem
from trivium.tasks.values import Alternatives, join
from trivium.text.language import detect
from trivium.types import Document, Example, Gold, Heading, Scalar

_KANA = re.compile(r"[぀-ヿ]")
_HAN = re.compile(r"[㐀-鿿]")
_SAMPLE = 200
"""Questions of a set by which the language of those without Chinese or Japanese characters is told."""


FORM_ERRORS = (KeyError, TypeError, AttributeError, ValueError, IndexError)
"""What code that expects a record of one form meets in a record of another."""


class Sheet:
    """Collects the examples, passages and problems of one question set.

    Args:
        name: the set's name, which begins the source of each of its passages.
        language: that of rows that do not say; empty: told from the questions.
    """

    def __init__(self, name: str, language: str = "") -> None:
        self.name = name
        self.problems: list[Problem] = []
        self.where = name
        self._language = language
        self._examples: list[Example] = []
        self._documents: dict[str, Document] = {}
        self._sources: dict[tuple[str, str], str] = {}
        self._first: dict[str, str] = {}
        self._numbers: dict[str, int] = {}
        self._names: dict[str, str] = {}
        self._sentences: dict[str, list[str]] = {}

    @contextmanager
    def at(self, where: str) -> Iterator[None]:
        """Read what stands at `where`: what is malformed there is reported, and the rest goes on."""
        before, self.where = self.where, where
        try:
            yield
        except Malformed as error:
            self.report(str(error))
        except FORM_ERRORS as error:
            # A record may hold anything anywhere; what a reader trips over is the record's fault, not the set's.
            lacks = isinstance(error, KeyError)
            self.report(f"has no {error}" if lacks else f"holds a value of another form than its format has ({error})")
        finally:
            self.where = before

    def report(self, what: str, kind: str = "malformed") -> None:
        """Note a problem of the place that is being read."""
        self.problems.append(Problem(self.where, what, kind))

    def passage(
        self,
        text: str,
        label: str,
        *,
        title: str = "",
        language: str = "",
        metadata: Mapping[str, Scalar] | None = None,
        distinct: bool = False,
    ) -> str:
        """Keep a passage of the set, and return its source: the set's name and `label`.

        The same title and text are kept once, unless `distinct` (a corpus may count its repetitions).

        Raises:
            Malformed: the passage is empty.
        """
        if not text.strip():
            raise Malformed(f"has an empty passage {label!r}")
        known = None if distinct else self._sources.get((title, text))
        if known is not None:
            return known
        wanted = f"{self.name}/{' '.join(label.split())}"
        source = self._free(wanted, self._documents)  # another passage may stand under the same title
        self._sources[title, text] = source
        self._documents[source] = Document(
            source=source,
            text=text,
            title=title,
            language=language or self._language,
            media_type="text/plain",
            metadata=dict(metadata or {}),
        )
        return source

    def _free(self, wanted: str, taken: Mapping[str, object]) -> str:
        """Return a name, or the name with the first number that no other has. Counted on, so that many stay cheap."""
        if wanted not in taken:
            return wanted
        number = self._numbers.get(wanted, 1) + 1
        while (name := f"{wanted}#{number}") in taken:
            number += 1
        self._numbers[wanted] = number
        return name

    def name_passage(self, name: str, source: str) -> None:
        """Let `find` know a passage by its title, or by the id that its corpus gives it."""
        self._names.setdefault(name, source)

    def find(self, name: str) -> str:
        """Return the source of the passage of that title or id; empty where there is none."""
        return self._names.get(name, "")

    def keep_sentences(self, source: str, sentences: Sequence[str]) -> None:
        """Remember the sentences of a passage as its corpus divides it."""
        self._sentences[source] = list(sentences)

    def sentences_of(self, source: str) -> list[str]:
        """Return the sentences of a passage as its corpus divides it."""
        return self._sentences.get(source, [])

    @staticmethod
    def short(text: str) -> str:
        """Return a short name for a text, always the same for the same text."""
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=5).hexdigest()

    def text_of(self, source: str) -> str:
        """Return the text of a passage of the set; empty where it has none of that source."""
        document = self._documents.get(source)
        return document.text if document else ""

    def example(
        self,
        question: str,
        *,
        id: str = "",
        answers: Sequence[str] = (),
        evidence: Iterable[Gold] = (),
        unanswerable: bool = False,
        parts: Sequence[Alternatives] = (),
        choices: Sequence[str] = (),
        format: str = "",
        tags: Iterable[str] = (),
        language: str = "",
        metadata: Mapping[str, Scalar] | None = None,
    ) -> None:
        """Keep a question. An id that another question has is made unique, and reported.

        Raises:
            Malformed: the question is empty.
        """
        question = question.strip()
        if not question:
            raise Malformed("has no question")
        if len(parts) == 1:
            answers, parts = tuple(dict.fromkeys((*answers, *parts[0]))), ()
        if parts and not answers:
            answers = (join(parts, language or self._language or ("zh" if _HAN.search(question) else "")),)
        gold = tuple(dict.fromkeys(evidence))
        answers = tuple(dict.fromkeys(answer for answer in answers if answer))
        kept = {key: one for key, one in (metadata or {}).items() if isinstance(one, str | int | float) and one != ""}
        if not (answers or gold or unanswerable or "response" in kept):
            self.report("has neither an answer nor evidence", "no answer")
        self._examples.append(
            Example(
                id=self._own_id(id, question),
                question=question,
                answers=answers,
                evidence=gold,
                unanswerable=unanswerable,
                parts=tuple(parts),
                choices=tuple(choices),
                format=format,
                tags=tuple(dict.fromkeys(filter(None, tags))),
                language=language,
                metadata=kept,
            )
        )

    def _own_id(self, id: str, question: str) -> str:
        wanted = id or f"q-{self.short(question)}"
        own = self._free(wanted, self._first)
        if own != wanted:
            what = f"has the id {id!r}" if id else "asks the question"
            self.report(
                f"{what} of {self._first[wanted]}: kept as {own!r}", "duplicate id" if id else "repeated question"
            )
        self._first[own] = self.where
        return own

    def examples(self) -> tuple[Example, ...]:
        """Return the questions in order, each with its language."""
        if all(example.language for example in self._examples):
            return tuple(self._examples)
        open_ones = (e.question for e in self._examples if not e.language and not _KANA.search(e.question))
        other = list(islice((question for question in open_ones if not _HAN.search(question)), _SAMPLE))
        latin = "" if self._language or not other else detect("\n".join(other))
        found = []
        for example in self._examples:
            if not example.language:
                example = replace(example, language=self._language or _language(example.question, latin))
            found.append(example)
        return tuple(found)

    def drain(self) -> tuple[Example, ...]:
        """Return the questions and forget them, and their ids: for a file that is read row by row."""
        found = self.examples()
        self._examples.clear()
        self._first.clear()
        return found

    def documents(self) -> tuple[Document, ...]:
        """Return the set's own passages, each under its title as a heading, where it has one."""
        return tuple(_under_title(document) for document in self._documents.values())


def _under_title(document: Document) -> Document:
    """A document whose text begins with its title: many a passage does not say whom or what it is about."""
    title = " ".join(document.title.split())
    if not title or document.text.startswith(title):
        return document
    line = f"# {title}"
    heading = Heading(1, title, 0, len(line))
    return replace(document, text=f"{line}\n\n{document.text}", headings=(heading,))


def _language(question: str, latin: str) -> str:
    return "ja" if _KANA.search(question) else "zh" if _HAN.search(question) else latin
