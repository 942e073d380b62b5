from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from trivium.generate.evidence import Evidence
from trivium.generate.support import support
from trivium.text.facts import names
from trivium.text.sentences import sentence_spans
from trivium.types import Chunk, Hit

MANUAL = (
    "The warranty of the X-200 lasts 24 months from the day of purchase. It does not cover the battery. "
    "The printer was designed by Maria Lopez in Oslo. Refunds are paid within thirty days."
)
OTHER = "The X-300 is delivered with a charger. Its warranty lasts 36 months. Acme builds it in Lima."
CHINESE = "打印机的保修期为二十四个月。保修不包括电池。退款在30天内支付。"


def evidence(*texts: str) -> Evidence:
    return Evidence([Hit(Chunk(f"c{n}", "d", "m.txt", t, 0, len(t)), 1.0, ("x",)) for n, t in enumerate(texts)])


def proofs(sentence: str, question: str = "How long is the warranty of the X-200?", *texts: str) -> list[str]:
    return [proof.text for proof in support(sentence, question, evidence(*(texts or (MANUAL, OTHER)))).proofs]


@pytest.mark.parametrize(
    "sentence",
    [
        "The warranty lasts 24 months.",
        "The X-200's warranty lasts twenty-four months from the day of purchase.",
        "24 months",
        "The answer is 24 months.",
        "According to the document, the warranty lasts 24 months.",
        "the WARRANTY of the x-200 lasts 24 months from the day of purchase",
    ],
)
def test_the_sentence_that_says_so_is_the_proof(sentence: str) -> None:
    assert proofs(sentence)[0].startswith("The warranty of the X-200 lasts 24 months")


@pytest.mark.parametrize(
    ("sentence", "objection"),
    [
        ("The warranty lasts 25 months.", "numbers"),
        ("The warranty lasts two months.", "numbers"),
        ("The warranty of the X-200 lasts 240 months from the day of purchase.", "numbers"),
        ("The warranty of the X-200 does not last 24 months.", "negation"),
        ("It covers the battery.", "negation"),
        ("The printer was designed by Maria Schmidt in Oslo.", "names"),
        ("The printer was designed by Maria Lopez in Lima.", "names"),
        ("Dolphins are mammals that live in the sea.", "words"),
        ("The warranty is extended by registering the printer online.", "words"),
        ("Yes, certainly.", "words"),
    ],
)
def test_what_the_passages_do_not_say_is_unsupported(sentence: str, objection: str) -> None:
    judged = support(sentence, "How long is the warranty of the X-200?", evidence(MANUAL, OTHER))
    assert judged.proofs == ()
    assert judged.objection == objection


def test_denials_agree() -> None:
    assert proofs("The battery is not covered.", "Is the battery covered?") == ["It does not cover the battery."]
    assert proofs("The warranty doesn't cover the battery.", "Is the battery covered?")
    assert not proofs("The battery is covered.", "Is the battery covered?")


def test_one_sentence_may_need_two_proofs() -> None:
    found = proofs("The warranty lasts 24 months and refunds are paid within thirty days.")
    assert len(found) == 2 or "Refunds" in found[0]
    assert any("24 months" in text for text in found)
    assert any("thirty days" in text for text in found)


def test_the_proof_is_in_the_passage_asked_about() -> None:
    [first, *_] = proofs("36 months", "How long is the warranty of the X-300?")
    assert "36 months" in first


def test_a_short_answer_needs_a_passage_on_the_topic() -> None:
    text = "Whales breathe air. They dive for 24 months in the tale."
    judged = support("24 months", "How long is the warranty of the X-200?", evidence(text))
    assert judged.objection == "topic"


def test_chinese() -> None:
    def judged(sentence: str) -> str:
        return support(sentence, "保修期是多久？", evidence(CHINESE)).objection

    assert judged("保修期为24个月。") == ""
    assert judged("保修期是二十四个月。") == ""
    assert judged("答案是24个月。") == ""
    assert judged("保修不包括电池。") == ""
    assert judged("保修期为36个月。") == "numbers"
    assert judged("保修包括电池。") == "negation"
    assert judged("海豚是生活在海里的哺乳动物。") == "words"


class Synonyms:
    """An embedder for which every text means the same."""

    max_tokens = 1000

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        return []

    def embed(self, texts: list[str]) -> np.ndarray:
        return np.ones((len(texts), 1), dtype=np.float32)


def test_meaning_helps_where_words_differ() -> None:
    def objection(sentence: str) -> str:
        held = evidence("The guarantee of the X-200 runs for 24 months after purchase.")
        return support(sentence, "How long is it?", held, Synonyms()).objection  # type: ignore[arg-type]

    said = "The X-200's warranty lasts for 24 months when you buy it."
    assert support(said, "How long is it?", evidence("The guarantee of the X-200 runs for 24 months.")).objection
    assert objection(said) == ""
    assert objection(said.replace("24", "36")) == "numbers"
    assert objection(said.replace("lasts", "never lasts")) != ""
    assert objection("Dolphins are mammals.") == "words"


@pytest.mark.real
def test_meaning_on_real_pairs(shared_data: Path) -> None:
    from trivium.models.embed import open_embedder

    embedder = open_embedder()
    pairs = [line.split("\t") for line in (shared_data / "pairs" / "sts-test.csv").read_text().splitlines()]
    pairs = [pair for pair in pairs if len(pair) >= 7]

    def accepted(low: float, high: float, model: object) -> float:
        chosen = [pair for pair in pairs if low <= float(pair[4]) <= high]
        found = [support(pair[5], "", evidence(pair[6]), model).proofs for pair in chosen]  # type: ignore[arg-type]
        return sum(map(bool, found)) / len(chosen)

    assert accepted(4.6, 5.0, embedder) >= accepted(4.6, 5.0, None) + 0.05
    assert accepted(0.0, 3.0, embedder) <= 0.1


def test_no_passages() -> None:
    judged = support("Anything.", "q", Evidence([]))
    assert judged.proofs == ()
    assert judged.objection == "words"


Case = tuple[str, str, Evidence]


def cases(path: Path, change: Callable[[str, str, random.Random], str | None], n: int = 60) -> Iterator[Case]:
    """Yield sentences of real paragraphs, changed, with a question and the paragraph between two foreign ones."""
    draw = random.Random(1)
    articles = json.loads(path.read_text())["data"]
    while n:
        article, stranger, *others = draw.sample(articles, 4)
        paragraph = draw.choice(article["paragraphs"])
        foreign = [draw.choice(other["paragraphs"])["context"] for other in others]
        context, strange = paragraph["context"], draw.choice(stranger["paragraphs"])["context"]
        sentences = [context[s:e] for s, e in sentence_spans(context) if e - s > 30]
        changed = change(draw.choice(sentences), strange, draw) if sentences else None
        if changed is not None:
            n -= 1
            yield changed, paragraph["qas"][0]["question"], evidence(context, *foreign)


def share(found: Iterator[Case]) -> float:
    judged = [bool(support(*case).proofs) for case in found]
    return sum(judged) / len(judged)


def other_number(sentence: str, _: str, draw: random.Random) -> str | None:
    found = re.findall(r"\d+", sentence)
    return sentence.replace(found[0], str(int(found[0]) + draw.randint(1, 9)), 1) if found else None


def other_name(sentence: str, foreign: str, draw: random.Random) -> str | None:
    found = [name for name in sorted(names(sentence)) if len(name) > 4]
    strange = [n for s, e in sentence_spans(foreign) for n in sorted(names(foreign[s:e])) if len(n) > 4]
    if not found or not strange:
        return None
    return re.sub(re.escape(found[0]), draw.choice(strange).title(), sentence, count=1, flags=re.IGNORECASE)


def denied(sentence: str, _: str, draw: random.Random) -> str | None:
    if re.search(r"\bnot?\b|n't|never|without|nor\b", sentence) or not re.search(r"\b(?:is|was|are|were)\b", sentence):
        return None
    return re.sub(r"\b(is|was|are|were)\b", r"\1 not", sentence, count=1)


def begun(sentence: str, _: str, draw: random.Random) -> str:
    words = sentence.split()
    return " ".join(words[: max(len(words) * 2 // 3, 5)])


def foreign(_: str, text: str, draw: random.Random) -> str:
    return draw.choice([text[s:e] for s, e in sentence_spans(text)])


def neighbours(path: Path, n: int = 60) -> Iterator[Case]:
    """Yield a sentence of the next paragraph of the same article."""
    draw = random.Random(2)
    articles = [a for a in json.loads(path.read_text())["data"] if len(a["paragraphs"]) > 1]
    for _ in range(n):
        paragraphs = draw.choice(articles)["paragraphs"]
        place = draw.randrange(len(paragraphs) - 1)
        text = paragraphs[place + 1]["context"]
        start, end = draw.choice([span for span in sentence_spans(text) if span[1] - span[0] > 30] or [(0, len(text))])
        yield text[start:end], paragraphs[place]["qas"][0]["question"], evidence(paragraphs[place]["context"])


def test_real_sentences_english(shared_data: Path) -> None:
    path = shared_data / "squad" / "test-v1.1.json"
    assert share(cases(path, lambda sentence, *_: sentence)) == 1.0
    assert share(cases(path, begun)) >= 0.9
    assert share(cases(path, other_number)) <= 0.02
    assert share(cases(path, other_name)) <= 0.1
    assert share(cases(path, denied)) <= 0.05
    assert share(cases(path, foreign)) <= 0.02
    assert share(neighbours(path)) <= 0.05


def test_real_sentences_chinese(shared_data: Path) -> None:
    path = shared_data / "xquad" / "xquad.zh.json"
    assert share(cases(path, lambda sentence, *_: sentence)) == 1.0
    assert share(cases(path, other_number)) <= 0.05
    assert share(cases(path, foreign)) <= 0.02
    assert share(neighbours(path)) <= 0.05


@pytest.mark.parametrize(("file", "least"), [("squad/test-v1.1.json", 0.9), ("xquad/xquad.zh.json", 0.9)])
def test_real_short_answers(shared_data: Path, file: str, least: float) -> None:
    draw = random.Random(3)
    articles = json.loads((shared_data / file).read_text())["data"]
    right = wrong = 0
    n = 80
    for _ in range(n):
        article, other = draw.sample(articles, 2)
        paragraph = draw.choice(article["paragraphs"])
        item = draw.choice(paragraph["qas"])
        strange = draw.choice(draw.choice(other["paragraphs"])["qas"])["answers"][0]["text"]
        held = evidence(paragraph["context"], draw.choice(other["paragraphs"])["context"])
        right += bool(support(item["answers"][0]["text"], item["question"], held).proofs)
        wrong += strange not in paragraph["context"] and bool(support(strange, item["question"], held).proofs)
    assert right >= least * n
    assert wrong <= 0.05 * n
