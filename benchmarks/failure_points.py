"""Is the right failure point named? Failures planted on purpose in real questions, and what they are attributed to.

Each plant breaks one thing in the real pipeline (real documents, real embedder, `advanced`) and keeps a question only
if the break shows in what the chat model was sent and what was answered: whether the words that answer it were in the
messages is looked up in the messages themselves, not in the trace. The attributor sees question, answer, trace and
knowledge base, never the plant. Questions: SQuAD, XQuAD en and zh, CMRC 2018, RGB zh (integration, refine, fact).

    python benchmarks/failure_points.py                  # the test half of the questions
    python benchmarks/failure_points.py --half dev       # the half that the rules were made on
    python benchmarks/failure_points.py --wrong          # also print each question attributed elsewhere
    python benchmarks/failure_points.py --write          # also put the tables into docs/failure-points.md
    python benchmarks/failure_points.py --plants some_parts --limit 40 --write    # the rows of some plants alone
"""

from __future__ import annotations

import argparse
import hashlib
import random
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

import trivium.retrieve.search as room
from data import data_folder, half_of
from results import table
from trivium.api import KnowledgeBase
from trivium.api import open as open_kb
from trivium.evaluate.failure import POINTS, Failure, Holders, attribute, holders_of
from trivium.evaluate.score import right, score
from trivium.evaluate.statistics import wilson
from trivium.generate.language import refusal_table
from trivium.models.chat import open_chat
from trivium.models.fake import FakeChat
from trivium.patterns.advanced import advanced
from trivium.patterns.naive import naive
from trivium.retrieve.search import search
from trivium.tasks.formats.rgb import read_rgb
from trivium.tasks.questions import read_questions
from trivium.types import Answer, Document, Example, Gold, Hit

PAGE = Path(__file__).parents[1] / "docs" / "failure-points.md"
WANTED = {"FP1": 0.9, "FP2": 0.9, "FP3": 0.9, "FP5": 0.9, "FP4": 0.75, "FP6": 0.75, "FP7": 0.75}
LEAST = 40
"""Questions planted of each point, at least."""
SETS = {
    "en": ("squad/test-v1.1.json", "squad/dev-v2.0.json", "xquad/xquad.en.json"),
    "zh": ("cmrc2018/cmrc2018_dev.json", "xquad/xquad.zh.json"),
}
HELD_BACK = 6
"""One passage in so many is never added: its questions are those of FP1."""


@dataclass(frozen=True)
class Case:
    """A wrong answer whose cause is known: `point` is the plant."""

    point: str
    plant: str
    example: Example
    answer: Answer
    corpus: Holders
    rank: Callable[[str, int], Sequence[Hit]]
    right: bool = False
    closed_book_right: bool | None = None


@dataclass(frozen=True)
class Field:
    """The knowledge base of one language with its questions, those of one half."""

    language: str
    kb: KnowledgeBase
    corpus: Holders
    examples: tuple[Example, ...]
    dropped: tuple[Example, ...]
    impossible: tuple[Example, ...]
    several: tuple[Example, ...]

    def rank(self, question: str, n: int) -> Sequence[Hit]:
        """The search that `advanced` does."""
        return search(self.kb, question, k=n)


# -- the questions --------------------------------------------------------------------------------------------------


def order(text: str) -> str:
    """Return what questions are sorted by: at random, and always alike."""
    return hashlib.md5(f"failure:{text}".encode()).hexdigest()


def held_back(text: str) -> bool:
    """Whether a passage is never added, by its words, so that its copies in other sets are not added either."""
    plain = re.sub(r"\W+", "", text.lower())
    return int(hashlib.md5(plain.encode()).hexdigest(), 16) % HELD_BACK == 0


def field(language: str, half: str, folder: Path, passages: int | None = None) -> Field:
    """Read the sets of a language, add their passages but for those held back, and part the questions."""
    documents: dict[str, Document] = {}
    examples: list[Example] = []
    text_of: dict[str, str] = {}
    for file in SETS[language]:
        found = read_questions(data_folder() / file)
        prefix = Path(file).stem
        for document in found.documents[:passages]:
            name = f"{prefix}/{document.source}"
            text_of[name] = document.text
            if not held_back(document.text):
                documents.setdefault(document.text, replace(document, source=name))
        for one in found.examples:
            passage = f"{prefix}/{one.metadata.get('document', '')}"
            if passage in text_of:
                evidence = tuple(Gold(f"{prefix}/{gold.source}", gold.text) for gold in one.evidence)
                examples.append(replace(one, evidence=evidence, metadata={"document": passage}))
    several = list(integration()) if language == "zh" else list(lists(examples))
    for one in several:
        for gold in one.evidence:
            if gold.text not in documents and gold.source.startswith("rgb/"):
                documents[gold.text] = Document(gold.source, gold.text)
    kb = open_kb(folder)
    kb.add(list(documents.values()))
    mine = sorted((one for one in examples if half_of(one.question) == half), key=lambda one: order(one.question))
    stored = {text: document.source for text, document in documents.items()}
    there = [one for one in mine if text_of[str(one.metadata["document"])] in stored]
    # A passage that stands in two sets is stored under the name of the first.
    there = [
        replace(one, evidence=tuple(Gold(stored[text_of[str(one.metadata["document"])]], g.text) for g in one.evidence))
        for one in there
    ]
    return Field(
        language,
        kb,
        holders_of(kb),
        tuple(one for one in there if not one.unanswerable),
        tuple(one for one in mine if not one.unanswerable and held_back(text_of[str(one.metadata["document"])])),
        tuple(one for one in there if one.unanswerable),
        tuple(one for one in several if half_of(one.question) == half or language == "zh"),
    )


def integration() -> Iterator[Example]:
    """Yield RGB's questions whose answer has several parts, each part with passages of its own."""
    for name in ("zh_int.json", "zh_refine.json"):
        for row in read_rgb(data_folder() / "rgb" / name):
            if len(row.parts) > 1:
                gold = tuple(
                    Gold(f"rgb/{row.kind}/{row.id}/{number}.txt", passage)
                    for number, passage in enumerate(p for group in row.positive for p in group[:3])
                )
                yield Example(f"{name}:{row.id}", row.question, parts=row.parts, evidence=gold, language="zh")


def lists(examples: Sequence[Example]) -> Iterator[Example]:
    """Yield questions whose known answer is a list, as the data have it: one string with "and"."""
    for one in examples:
        parts = split_list(one.answers[0]) if one.answers else ()
        if parts and not one.unanswerable:
            yield replace(one, metadata={**one.metadata, "first": parts[0], "rest": "|".join(parts[1:])})


def split_list(answer: str) -> tuple[str, ...]:
    """Return the members of "A, B and C"; () where it is none of at least two words that are names or nouns."""
    match = re.fullmatch(r"(?:the )?([\w' -]+(?:, [\w' -]+)*),? and ([\w' -]+)", answer)
    if match is None or re.search(r"\d", answer):
        return ()
    members = (*match[1].split(", "), match[2])
    return members if all(len(member.strip()) > 2 for member in members) else ()


# -- helpers of the plants ------------------------------------------------------------------------------------------


def sent(chat: FakeChat) -> str:
    """Return everything that a chat model was sent."""
    return " ".join(" ".join(message.content.split()) for call in chat.calls for message in call.messages)


def was_sent(chat: FakeChat, example: Example) -> bool:
    """Whether the words that prove the answer (the gold sentence) were in what the model was sent, as they stand."""
    text = re.sub(r"\W+", "", sent(chat))
    return any(re.sub(r"\W+", "", gold.text) in text for gold in example.evidence)


def known_wrong(example: Example, answer: Answer) -> bool:
    """Whether an answer counts as wrong."""
    return not right(example, answer, score(example, answer, metrics=("contains", "f1")))


def gold_place(field: Field, example: Example, n: int) -> int:
    """Return the rank of the first hit that has the gold sentence, 0 where none of the first `n` has."""
    wanted = tuple(re.sub(r"\W+", "", gold.text) for gold in example.evidence)
    place = _place(field.kb, example.question, wanted, room.WEIGHTS["lexical"])
    return place if place <= n else 0


@cache
def _place(kb: KnowledgeBase, question: str, wanted: tuple[str, ...], _weight: float) -> int:
    for place, hit in enumerate(search(kb, question, k=15), start=1):
        text = re.sub(r"\W+", "", hit.chunk.text)
        if any(one in text for one in wanted):
            return place
    return 0


def says(text: str, **kwargs: Any) -> FakeChat:
    """Return a chat that says a text whatever it is sent: its name has no size, so that it is sent whole passages."""
    return FakeChat(text, **kwargs)


class Shortest:
    """An over-eager reranker: the shorter a passage, the better."""

    name = "shortest"

    def rerank(self, question: str, passages: Sequence[str]) -> Any:
        """Return shape (n,)."""
        return np.array([-float(len(passage)) for passage in passages], dtype=np.float32)


class Backwards:
    """A reranker that was trained with its labels the wrong way round: shared words count against a passage."""

    name = "backwards"

    def rerank(self, question: str, passages: Sequence[str]) -> Any:
        """Return shape (n,)."""
        asked = set(question.lower())
        words = set(re.findall(r"\w+", question.lower())) | asked
        return np.array([-sum(word in passage.lower() for word in words) for passage in passages], dtype=np.float32)


def other_answer(field: Field, example: Example) -> str:
    """Return the answer to another question of the same field, which is wrong here."""
    for seed in range(50):
        other = random.Random(f"{example.id}{seed}").choice(field.examples)
        answer = other.answers[0]
        mine = Answer(example.question, answer)
        if known_wrong(example, mine) and answer.lower() not in example.question.lower():
            return answer
    return "Nothing of the kind."


# -- the plants -----------------------------------------------------------------------------------------------------

Plants = Iterator[Case]


def case(field: Field, point: str, plant: str, example: Example, answer: Answer, **kwargs: Any) -> Case:
    return Case(point, plant, example, answer, field.corpus, field.rank, **kwargs)


def dropped_document(field: Field, chat: Any) -> Plants:
    """FP1: the passage was never added."""
    for one in field.dropped:
        answer = advanced(one.question, chat=chat, index=field.kb)
        if known_wrong(one, answer):
            yield case(field, "FP1", "passage never added", one, answer)


def answered_anyway(field: Field, chat: Any) -> Plants:
    """FP1: the question has no answer (SQuAD 2.0), and the system answered."""
    for one in field.impossible:
        answer = advanced(one.question, chat=chat, index=field.kb)
        if not answer.refused:
            yield case(field, "FP1", "no answer, answered", one, answer)


def small_k(field: Field, chat: Any) -> Plants:
    """FP2: k is one less than the rank of the passage."""
    for one in field.examples:
        place = gold_place(field, one, 12)
        if place < 2:
            continue
        fake = says(other_answer(field, one))
        answer = advanced(one.question, chat=fake, index=field.kb, k=place - 1)
        if known_wrong(one, answer) and not was_sent(fake, one):
            yield case(field, "FP2", "k below its rank", one, answer)


def small_k_real(field: Field, chat: Any) -> Plants:
    """FP2: the same with the embedded chat model and with the vectors alone."""
    for one in field.examples:
        hits = search(field.kb, one.question, k=12, mode="dense")
        plain = [re.sub(r"\W+", "", hit.chunk.text) for hit in hits]
        places = [n for n, text in enumerate(plain, 1) if any(re.sub(r"\W+", "", g.text) in text for g in one.evidence)]
        if not places or places[0] < 2:
            continue
        answer = naive(one.question, chat=chat, index=field.kb, k=places[0] - 1)
        if known_wrong(one, answer):
            found = case(field, "FP2", "k below its rank, dense", one, answer)
            yield replace(found, rank=partial(lambda q, n, kb: search(kb, q, k=n, mode="dense"), kb=field.kb))


def small_budget(field: Field, chat: Any) -> Plants:
    """FP3: the context holds one passage, and the right one comes later."""
    for one in field.examples:
        if gold_place(field, one, 10) < 2:
            continue
        fake = says(other_answer(field, one), context=1150)
        answer = advanced(one.question, chat=fake, index=field.kb)
        if fake.calls and known_wrong(one, answer) and not was_sent(fake, one):
            yield case(field, "FP3", "small budget", one, answer)


def reranked(field: Field, chat: Any, reranker: Any, k: int) -> Plants:
    """FP3: a bad reranker."""
    for one in field.examples:
        if not 0 < gold_place(field, one, k) <= k:
            continue
        fake = says(other_answer(field, one))
        answer = advanced(one.question, chat=fake, index=field.kb, reranker=reranker, k=k)
        if known_wrong(one, answer) and not was_sent(fake, one) and fake.calls:
            yield case(field, "FP3", f"reranker: {reranker.name}", one, answer)


def strict_threshold(field: Field, chat: Any) -> Plants:
    """FP3: the refusal threshold is far too high."""
    weights = refusal_table()["weights"]
    before = {name: model["threshold"] for name, model in weights.items()}
    for one in field.examples:
        if not gold_place(field, one, 10):
            continue
        fake = says("x")
        for model in weights.values():
            model["threshold"] = 0.999
        try:
            answer = advanced(one.question, chat=fake, index=field.kb)
        finally:
            for name, threshold in before.items():
                weights[name]["threshold"] = threshold
        if answer.refused and not fake.calls:
            yield case(field, "FP3", "threshold", one, answer)


def one_arm(field: Field, chat: Any) -> Plants:
    """FP3: fusion gives the words no weight, and they alone had the passage."""
    before = room.WEIGHTS
    for one in field.examples:
        lexical = field.kb.lexical(one.question, n=5)
        if not any(g.text in hit.chunk.text for hit in lexical for g in one.evidence):
            continue
        room.WEIGHTS = {"dense": 1.0, "lexical": 0.0}
        try:
            if gold_place(field, one, 15):
                continue
            fake = says(other_answer(field, one))
            answer = advanced(one.question, chat=fake, index=field.kb)
            if known_wrong(one, answer) and not was_sent(fake, one):
                found = case(field, "FP3", "fusion", one, answer)
                deep = search(field.kb, one.question, k=200)
                yield replace(found, rank=lambda question, n, deep=deep: deep[:n])
        finally:
            room.WEIGHTS = before


def one_sentence(field: Field, chat: Any) -> Plants:
    """FP3: a small model is shown one sentence of the passages, and it is another."""
    for one in field.examples:
        if not gold_place(field, one, 5):
            continue
        answer = advanced(one.question, chat=chat, index=field.kb)
        cited = " ".join(citation.quote for citation in answer.citations)
        alone = [re.sub(r"\W+", "", gold.text) for gold in one.evidence]
        shown = re.sub(r"\W+", "", cited)
        if cited and known_wrong(one, answer) and not any(text in shown or shown in text for text in alone):
            yield case(field, "FP3", "another sentence", one, answer)


def ignores(field: Field, chat: Any) -> Plants:
    """FP4: the chat model does not look at what it is shown."""
    for number, one in enumerate(field.examples):
        refuses = number % 4 == 0
        said = refusal_table()["texts"][field.language] if refuses else other_answer(field, one)
        fake = says(said)
        answer = advanced(one.question, chat=fake, index=field.kb)
        if was_sent(fake, one) and known_wrong(one, answer):
            yield case(field, "FP4", "refuses" if refuses else "ignores the context", one, answer)


def misreads(field: Field, chat: Any) -> Plants:
    """FP4: the chat model says another name or number of the right passage: what a careless reader takes."""
    for one in field.examples:
        text = next(hit.chunk.text for hit in search(field.kb, one.question, k=1))
        form = (
            r"[A-Z][a-z]+(?: [A-Z][a-z]+)+|\d{3,}"
            if field.language == "en"
            else r"\d+[年月日个人]|[\u4e00-\u9fff]{4}(?=[，、])"
        )
        names = [name for name in re.findall(form, text) if known_wrong(one, Answer("", name))]
        names = [name for name in names if name.lower() not in one.question.lower()]
        if not names:
            continue
        fake = says(names[int(order(one.id), 16) % len(names)])
        answer = advanced(one.question, chat=fake, index=field.kb)
        if was_sent(fake, one) and known_wrong(one, answer):
            yield case(field, "FP4", "another name of the passage", one, answer)


FORMS = {
    "json": lambda text: f"The answer is {text}.",
    "list>=1": lambda text: f"It is {text}, as the passages say.",
    "table": lambda text: f"- {text}",
    "words<=5": lambda text: f"According to the passages that were found, the answer to this question is {text}.",
    "regex:^ANSWER: ": lambda text: f"answer {text}",
    'json:{"type": "object", "required": ["answer"]}': lambda text: f'["{text}"]',
}


def wrong_form(field: Field, chat: Any) -> Plants:
    """FP5: the content is right and stands in another form."""
    for number, one in enumerate(field.examples):
        form, spoken = list(FORMS.items())[number % len(FORMS)]
        example = replace(one, format=form)
        fake = says(spoken(one.answers[0]))
        answer = advanced(one.question, chat=fake, index=field.kb)
        scores = score(example, answer, metrics=("contains", "f1", "format"))
        if was_sent(fake, one) and scores["format"] == 0.0 and scores["contains"] == 1.0:
            yield case(field, "FP5", form.split(":")[0].rstrip(">=15<"), example, answer)


MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"


def coarser(one: Example) -> str:
    """Return a known answer said more generally: a year, a century, a round number, a kind, a wider place."""
    answer = one.answers[0].strip(" .。")
    if (found := re.fullmatch(rf"(?:\d{{1,2}} )?(?:{MONTHS})(?: \d{{1,2}})?,? (\d{{4}})", answer)) or (
        found := re.fullmatch(r"(\d{4}年)\d{1,2}月(?:\d{1,2}日)?", answer)
    ):
        return found[1]
    if found := re.fullmatch(r"(?:in )?(1[0-9])(\d)\d", answer):
        return f"the {int(found[1]) + 1}th century" if int(order(one.id), 16) % 2 else f"the {found[1]}{found[2]}0s"
    if found := re.fullmatch(r"(\d{4})年?", answer):
        return f"{answer[:3]}0年代"
    if (found := re.fullmatch(r"(\d{1,3}(?:,\d{3})+|\d{5,})(\D*)", answer)) and int(found[1][1:].replace(",", "")):
        digits = found[1].replace(",", "")
        return f"about {round(int(digits), 1 - len(digits))}{found[2]}"
    if found := re.fullmatch(r"([\w .]+), ([A-Z][\w ]+)", answer):
        return found[2]
    if found := re.fullmatch(r"([\u4e00-\u9fff]{2,4}?[省市县州])([\u4e00-\u9fff]{2,8})", answer):
        return found[1]
    if found := re.fullmatch(r"(?:the |an? )?(?:[a-z-]+ )+([a-z]{4,})", answer):
        return found[1]
    if re.search(r"\d", answer) and re.match(
        r"How (?:many|much|long|old)|When|What year|.*(?:多少|几|哪一?年|何时|什么时候)", one.question
    ):
        vague = (
            ("很久以前", "很多", "不少")
            if re.search(r"[\u4e00-\u9fff]", one.question)
            else ("long ago", "many", "quite a few")
        )
        return vague[
            0 if re.match(r"When|What year|.*(?:年|何时|时候)", one.question) else 1 + int(order(one.id), 16) % 2
        ]
    if found := re.match(r"(?:What|Which) ((?:[a-z]+ )?[a-z]{4,}) (?:was|is|did|does|were|has|had)\b", one.question):
        return f"a {found[1]}" if re.match(r"[A-Z]", answer) else ""
    return ""


def too_general(field: Field, chat: Any) -> Plants:
    """FP6: the right thing, less exactly."""
    for one in field.examples:
        said = coarser(one)
        exact = score(one, Answer("", said), metrics=("exact_match",))["exact_match"]
        if not said or exact:
            continue
        fake = says(said)
        answer = advanced(one.question, chat=fake, index=field.kb)
        if was_sent(fake, one) and not answer.refused:
            yield case(field, "FP6", "too general", one, answer)


def too_specific(field: Field, chat: Any) -> Plants:
    """FP6: the whole passage in the place of an answer, or an exact figure in the place of a round one."""
    for one in field.examples:
        passage = next(
            (hit.chunk.text for hit in search(field.kb, one.question, k=3) if one.evidence[0].text in hit.chunk.text),
            "",
        )
        if not passage:
            continue
        fake = says(passage if int(order(one.id), 16) % 2 else one.evidence[0].text)
        answer = advanced(one.question, chat=fake, index=field.kb)
        if was_sent(fake, one) and not answer.refused and len(answer.text) > 5 * len(one.answers[0]):
            yield case(field, "FP6", "too specific", one, answer)


def finer(one: Example) -> str:
    """Return a known answer said more specifically: a year for a decade or century, an exact figure for a round one."""
    answer, number = one.answers[0].strip(" .。"), int(order(one.id), 16)
    if found := re.fullmatch(r"(?:the )?(?:late |early )?(1\d\d)0(?:s|年代)", answer):
        return f"{found[1]}{1 + number % 9}"
    if found := re.fullmatch(r"(?:the )?(?:late |early )?(\d\d)(?:th|st)(?: century)?", answer):
        return f"{int(found[1]) - 1}{10 + number % 89}"
    if found := re.fullmatch(r"(?:about |around |over |nearly |more than |约)?(\d)((?:,?000)+)(.*)", answer):
        return f"{found[1]}{found[2][:-1]}{1 + number % 4}{found[3]}"
    if found := re.fullmatch(r"(?:about |around |over |nearly )?(\d+) (million|billion)(.*)", answer):
        return f"{found[1]}.{1 + number % 4} {found[2]}{found[3]}"
    if found := re.fullmatch(r"(1\d{3}|20\d\d)年?", answer):
        month, day = 1 + number % 12, 1 + number % 28
        names = MONTHS.split("|")
        return f"{found[1]}年{month}月{day}日" if "年" in answer else f"{day} {names[month - 1]} {found[1]}"
    return ""


def more_exact(field: Field, chat: Any) -> Plants:
    """FP6: the right thing, more exactly than it is known."""
    for one in field.examples:
        said = finer(one)
        if not said:
            continue
        fake = says(said)
        answer = advanced(one.question, chat=fake, index=field.kb)
        exact = score(one, answer, metrics=("exact_match",))["exact_match"]
        if was_sent(fake, one) and not answer.refused and not exact:
            yield case(field, "FP6", "more exact", one, answer)


def other_language(field: Field, chat: Any) -> Plants:
    """FP5: the right answer in the language of another reader (XQuAD has each question in both)."""
    other = "en" if field.language == "zh" else "zh"
    found = read_questions(data_folder() / f"xquad/xquad.{other}.json")
    answers = {one.id.split(":")[-1]: one.answers for one in found.examples}
    for one in field.examples:
        known = answers.get(one.id.split(":")[-1], ())
        if not known or re.search(r"[\u4e00-\u9fff]", one.question + known[0]) is None:
            continue
        fake = says(known[0])
        answer = advanced(one.question, chat=fake, index=field.kb)
        script = r"[A-Za-z]{3}" if other == "en" else r"[\u4e00-\u9fff]{2}"
        # An answer of figures, or a name that both languages write alike, is in no language.
        lettered = re.search(script, known[0]) and not re.search(script, one.answers[0])
        if lettered and was_sent(fake, one) and known_wrong(one, answer) and not answer.refused:
            example = replace(one, format=f"language:{field.language}")
            yield case(field, "FP5", "another language", example, answer)


def some_parts(field: Field, chat: Any) -> Plants:
    """FP7: all parts were shown, and the answer has some."""
    for one in field.several:
        some = one.parts[: max(1, len(one.parts) - 1 - int(order(one.id), 16) % 2)]
        first = "、".join(part[0] for part in some) if one.parts else str(one.metadata["first"])
        fake = says(first if int(order(one.id), 16) % 2 else _sentence(first, field.language))
        answer = advanced(one.question, chat=fake, index=field.kb)
        text = re.sub(r"\W+", "", sent(fake)).lower()
        groups = one.parts or tuple((rest,) for rest in str(one.metadata["rest"]).split("|"))
        shown = all(any(re.sub(r"\W+", "", a).lower() in text for a in group) for group in groups)
        gold = one.parts or was_sent(fake, one)
        exact = score(one, answer, metrics=("exact_match",)).get("exact_match")
        if shown and gold and not exact and not answer.refused and (one.parts == () or known_wrong(one, answer)):
            yield case(field, "FP7", "RGB parts" if one.parts else "list in one answer", one, answer)


def _sentence(words: str, language: str) -> str:
    return f"答案是{words}。" if language == "zh" else f"It was {words}."


def misled(field: Field, chat: Any) -> Plants:
    """Retrieval not needed: the passages are false (RGB), the model repeats them, and knew better without."""
    folder = Path(tempfile.mkdtemp(prefix="trivium-misled-"))
    try:
        kb = open_kb(folder / "kb")
        rows = read_rgb(data_folder() / "rgb" / ("en_fact.json" if field.language == "en" else "zh_fact.json"))
        kb.add([Document(f"{row.id}/{n}.txt", text) for row in rows for n, text in enumerate(row.positive_wrong)])
        wrong = Field(field.language, kb, holders_of(kb), (), (), (), ())
        for row in rows:
            one = Example(row.id, row.question, parts=row.parts, language=row.language)
            answer = advanced(one.question, chat=says(row.false_answers[0]), index=kb)
            alone = Answer(one.question, " ".join(part[0] for part in row.parts))
            if known_wrong(one, answer) and not known_wrong(one, alone):
                found = case(wrong, "retrieval_not_needed", "false passages", one, answer)
                yield replace(found, closed_book_right=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


PLANTS: dict[str, Callable[[Field, Any], Plants]] = {
    "dropped_document": dropped_document,
    "answered_anyway": answered_anyway,
    "small_k": small_k,
    "small_k_real": small_k_real,
    "small_budget": small_budget,
    "reranked_short": partial(reranked, reranker=Shortest(), k=3),
    "reranked_backwards": partial(reranked, reranker=Backwards(), k=4),
    "strict_threshold": strict_threshold,
    "one_arm": one_arm,
    "one_sentence": one_sentence,
    "ignores": ignores,
    "misreads": misreads,
    "wrong_form": wrong_form,
    "too_general": too_general,
    "too_specific": too_specific,
    "more_exact": more_exact,
    "other_language": other_language,
    "some_parts": some_parts,
    "misled": misled,
}


# -- the judgement --------------------------------------------------------------------------------------------------


def attributed(one: Case) -> Failure:
    """Attribute a wrong answer, as a run does it."""
    scores = score(one.example, one.answer)
    failure = attribute(
        one.example,
        one.answer,
        scores,
        corpus=one.corpus,
        rank=one.rank,
        right=False,
        closed_book_right=one.closed_book_right,
    )
    assert failure is not None
    return failure


Judged = list[tuple[Case, Failure]]


def run(half: str, limit: int, names: Sequence[str] = (), passages: int | None = None) -> Judged:
    """Plant and attribute: up to `limit` questions of each plant and language."""
    found: Judged = []
    chat = open_chat()
    folder = Path(tempfile.mkdtemp(prefix="trivium-failure-"))
    try:
        for language in SETS:
            one_field = field(language, half, folder / language, passages)
            for name in names or PLANTS:
                cases = []
                for one in PLANTS[name](one_field, chat):
                    cases.append((one, attributed(one)))
                    if len(cases) == limit:
                        break
                found += cases
                hits = sum(failure.point == one.point for one, failure in cases)
                print(f"{language} {name}: {hits} of {len(cases)}", file=sys.stderr)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return found


def matrix(judged: Judged) -> str:
    """Return the confusion matrix: a row for each planted point, a column for each attributed one."""
    rows = []
    for point in POINTS:
        own = [failure.point for one, failure in judged if one.point == point]
        if not own:
            continue
        counts = Counter(own)
        hit = counts[point]
        low, high = wilson(hit, len(own))
        cells = [str(counts[other]) if counts[other] else "·" for other in POINTS]
        share = f"{hit / len(own):.0%} ({low:.0%} to {high:.0%})"
        rows.append([point, *cells, str(len(own)), share])
    heads = [name if name.startswith("FP") else "not needed" for name in POINTS]
    return table(["planted", *heads, "n", "named"], rows)


def by_plant(judged: Judged) -> str:
    """Return the share that was named of each plant and language."""
    rows = []
    for point, plant in dict.fromkeys((one.point, one.plant) for one, _ in judged):
        for language in SETS:
            own = [
                failure
                for one, failure in judged
                if (one.point, one.plant) == (point, plant) and in_language(one, language)
            ]
            if own:
                hit = sum(failure.point == point for failure in own)
                other = Counter(failure.point for failure in own if failure.point != point)
                rows.append([point, plant, language, str(len(own)), f"{hit / len(own):.0%}", _told(other)])
    return table(["planted", "plant", "language", "n", "named", "elsewhere"], rows)


def renewed(kept: str, matrix: str, plants: str) -> tuple[str, str]:
    """Return the tables of a page with the rows of those points renewed of which every plant was run again."""
    old_matrix, old_plants = (_cells(part) for part in kept.split("By plant:"))
    new_matrix, new_plants = _cells(matrix), _cells(plants)
    points = {row[0] for row in new_matrix[1:]}
    again = {tuple(row[:3]) for row in new_plants[1:]}
    missing = [row[:3] for row in old_plants[1:] if row[0] in points and tuple(row[:3]) not in again]
    if missing:
        raise SystemExit(f"Of these points other plants stand on the page: {missing}. Give theirs too.")
    rows = {row[0]: row for row in new_matrix[1:]}
    whole = [rows.get(row[0], row) for row in old_matrix[1:]]
    others = [row for row in old_plants[1:] if row[0] not in points]
    return table(old_matrix[0], whole), table(old_plants[0], others + new_plants[1:])


def _cells(text: str) -> list[list[str]]:
    """Return the cells of a Markdown table, its line of dashes left out."""
    lines = [line for line in text.splitlines() if line.startswith("|") and not line.startswith("|-")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def in_language(one: Case, language: str) -> bool:
    """Whether a question is of a language."""
    return bool(re.search(r"[\u4e00-\u9fff]", one.example.question)) == (language == "zh")


def _told(counts: Counter[str]) -> str:
    return ", ".join(f"{point} {number}" for point, number in counts.most_common())


def main() -> int:
    """Print the matrix; the exit status is 1 where a share is below what is wanted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", choices=("dev", "test"), default="test")
    parser.add_argument("--limit", type=int, default=25, help="questions of each plant and language")
    parser.add_argument("--passages", type=int, default=400, help="passages taken from each set")
    parser.add_argument("--plants", nargs="*", default=(), choices=sorted(PLANTS), help="some plants alone")
    parser.add_argument("--wrong", action="store_true", help="print each question that was attributed elsewhere")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/failure-points.md")
    options = parser.parse_args()
    judged = run(options.half, options.limit, options.plants, options.passages)
    if options.wrong:
        for one, failure in judged:
            if failure.point != one.point:
                gold = one.example.parts or one.example.answers
                print(f"\n{one.point} ({one.plant}) -> {failure.point} {failure.sure}\n  {one.example.question}")
                print(f"  gold {gold!r}\n  said {one.answer.text[:200]!r}\n  {failure.evidence[:400]}")
                print(f"  {dict(failure.detail)}")
    tables = (matrix(judged), by_plant(judged))
    print("\n{}\n\nBy plant:\n\n{}".format(*tables))
    if options.write:
        before, _, rest = PAGE.read_text("utf-8").partition("<!-- figures -->\n")
        kept, _, after = rest.partition("<!-- end -->")
        printed = "{}\n\nBy plant:\n\n{}".format(*(renewed(kept, *tables) if options.plants else tables))
        PAGE.write_text(f"{before}<!-- figures -->\n{printed}\n<!-- end -->{after}", "utf-8")
    below = []
    for point, least in WANTED.items():
        own = [failure.point == point for one, failure in judged if one.point == point]
        if own and not options.plants and (sum(own) < least * len(own) or len(own) < LEAST):
            below.append(f"{point}: {sum(own)} of {len(own)}")
    if below:
        print(f"below what is wanted: {'; '.join(below)}", file=sys.stderr)
    return int(bool(below))


if __name__ == "__main__":
    sys.exit(main())
