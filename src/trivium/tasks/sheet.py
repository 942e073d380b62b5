"""What a reader of question files writes on: it names passages, keeps ids apart, and collects the problems."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from trivium.tasks.records import Malformed, Problem
from trivium.tasks.values import Alternatives, join
from trivium.text.language import detect
from trivium.types import Document, Example, Gold, Scalar

_KANA = re.compile(r"[぀-ヿ]")
_HAN = re.compile(r"[㐀-鿿]")
_SAMPLE = 200
"""Questions of a set by which the language of those without Chinese or Japanese characters is told."""


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

    @contextmanager
    def at(self, where: str) -> Iterator[None]:
        """Read what stands at `where`: what is malformed there is reported, and the rest goes on."""
        before, self.where = self.where, where
        try:
            yield
        except Malformed as error:
            self.report(str(error))
        except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
            # A record may hold anything anywhere; what a reader trips over is the record's fault, not the set's.
            self.report(f"is not of the form it seems to have ({type(error).__name__}: {error})")
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
    ) -> str:
        """Keep a passage of the set, once, and return its source: the set's name and `label`.

        Raises:
            Malformed: the passage is empty.
        """
        if not text.strip():
            raise Malformed(f"has an empty passage {label!r}")
        known = self._sources.get((title, text))
        if known is not None:
            return known
        source = wanted = f"{self.name}/{' '.join(label.split())}"
        number = 1
        while source in self._documents:  # another passage under the same title
            number += 1
            source = f"{wanted}#{number}"
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
        if not (answers or gold or unanswerable):
            self.report("has neither an answer nor evidence", "no answer")
        self._examples.append(
            Example(
                id=self._own_id(id, question),
                question=question,
                answers=tuple(answers),
                evidence=gold,
                unanswerable=unanswerable,
                parts=tuple(parts),
                choices=tuple(choices),
                format=format,
                tags=tuple(dict.fromkeys(filter(None, tags))),
                language=language,
                metadata={key: value for key, value in (metadata or {}).items() if value not in ("", None)},
            )
        )

    def _own_id(self, id: str, question: str) -> str:
        wanted = id or "q-" + hashlib.blake2b(question.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
        own, number = wanted, 1
        while own in self._first:
            number += 1
            own = f"{wanted}#{number}"
        if number > 1:
            what = f"has the id {id!r}" if id else "asks the question"
            self.report(
                f"{what} of {self._first[wanted]}: kept as {own!r}", "duplicate id" if id else "repeated question"
            )
        self._first[own] = self.where
        return own

    def examples(self) -> tuple[Example, ...]:
        """Return the questions in order, each with its language."""
        open_ones = [e.question for e in self._examples if not e.language and not _KANA.search(e.question)]
        other = [question for question in open_ones if not _HAN.search(question)]
        latin = "" if self._language or not other else detect("\n".join(other[:_SAMPLE]))
        found = []
        for example in self._examples:
            if not example.language:
                example = replace(example, language=self._language or _language(example.question, latin))
            found.append(example)
        return tuple(found)

    def documents(self) -> tuple[Document, ...]:
        """Return the set's own passages."""
        return tuple(self._documents.values())


def _language(question: str, latin: str) -> str:
    return "ja" if _KANA.search(question) else "zh" if _HAN.search(question) else latin
