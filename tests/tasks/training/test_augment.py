"""Made samples: what they teach stays, numbers and tagged entities stay, and they never leave their group."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from trivium.errors import UnknownName, UsageError
from trivium.models.fake import FakeChat, FakeEmbedder
from trivium.tasks.training.augment import noise, read_synonyms, synonyms
from trivium.tasks.training.divide import divide
from trivium.tasks.training.parts import question_of, said
from trivium.tasks.training.read import read_training
from trivium.tasks.training.rephrase import back_translate, from_documents, objection, paraphrase
from trivium.tasks.training.values import Dialogue, Labelled, Retrieval, Sample, Tagged, Text, TrainingSet
from trivium.types import Chunk, Document, Hit, Message

Find = Callable[[str], Path]

TABLE = "# remarks\ncard, bank card\narrive, come, turn up\nhelp => assist\n酒店, 宾馆, 旅馆\n"


@pytest.fixture
def table(tmp_path: Path) -> dict[str, tuple[str, ...]]:
    (tmp_path / "synonyms.txt").write_text(TABLE, "utf-8")
    return read_synonyms(tmp_path / "synonyms.txt")


def made_of(found: TrainingSet) -> list[tuple[Sample, Sample]]:
    """Each made sample with the one that it was made from."""
    originals = {sample.id: sample for sample in found.samples if "~" not in sample.id}
    return [(originals[sample.id.split("~")[0]], sample) for sample in found.samples if "~" in sample.id]


def test_tables_of_synonyms(tmp_path: Path, table: dict[str, tuple[str, ...]]) -> None:
    assert table["arrive"] == ("come", "turn up")
    assert table["help"] == ("assist",)
    assert "assist" not in table
    path = tmp_path / "other.txt"
    path.write_text("Aa01A01= 人 士 人物\nAa01A02# 人类 生人\n", "utf-8")
    assert read_synonyms(path) == {"人": ("士", "人物"), "士": ("人", "人物"), "人物": ("人", "士")}
    path.write_text(json.dumps({"Fast": ["quick"]}))
    assert read_synonyms(path) == {"fast": ("quick",)}
    path.write_text("fast, quick\nalone\n")
    with pytest.raises(UsageError, match=r"other\.txt:2 has no two synonyms: 'alone'"):
        read_synonyms(path)
    with pytest.raises(UsageError, match="cannot be read"):
        read_synonyms(tmp_path / "none.txt")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("classify/banking77/train.csv", r"(?i)\b(card|arrive|help|come)\b"),
        ("classify/ChnSentiCorp_htl_all.csv", "酒店|宾馆|旅馆"),
    ],
)
def test_synonyms(find: Find, table: dict[str, tuple[str, ...]], name: str, words: str) -> None:
    given = read_training(find(name))
    given = replace(given, samples=given.samples[:1000])
    found = synonyms(given, table, share=0.5, seed=1)
    assert found == synonyms(given, table, share=0.5, seed=1) != synonyms(given, table, share=0.5, seed=2)
    pairs = made_of(found)
    assert found.report["made (synonyms)"] == len(pairs) > 200
    for original, copy in pairs[:400]:
        assert said(copy) == said(original)
        assert question_of(copy) != question_of(original)
        assert canonical(question_of(copy)) == canonical(question_of(original))
        assert copy.group == original.group == original.id
    untouched = [sample for sample in given.samples if not re.search(words, question_of(sample))]
    assert not {sample.id for sample in untouched[:200]} & {original.id for original, _ in pairs}


def canonical(text: str) -> str:
    """A text with one word for each group of the table."""
    for group, one in ((r"(bank )*\bcard\b", "C"), (r"\b(arrive|come|turn up)\b", "A"), (r"\b(help|assist)\b", "H")):
        text = re.sub(group, one, text, flags=re.IGNORECASE)
    return re.sub("宾馆|旅馆", "酒店", text)


def test_entities_keep_their_words() -> None:
    sample = Tagged(
        ("The", "card", "of", "Card", "Bank", "will", "arrive"), ("O", "O", "O", "B-ORG", "I-ORG", "O", "O"), id="1"
    )
    found = synonyms(TrainingSet("tagged", (sample,)), {"card": ("ticket",), "arrive": ("turn up",)}, share=1.0)
    _, copy = found.samples
    assert isinstance(copy, Tagged)
    assert copy.tokens == ("The", "ticket", "of", "Card", "Bank", "will", "arrive")
    assert copy.tags == sample.tags


def test_slips(find: Find) -> None:
    given = read_training(find("ft/gsm8k_train.jsonl"))
    found = noise(given, rate=0.1, copies=2)
    pairs = made_of(found)
    assert len(pairs) == 2 * len(given.samples)
    for original, copy in pairs[:300]:
        a, b = question_of(original), question_of(copy)
        assert said(copy) == said(original)
        assert re.findall(r"\d+", a) == re.findall(r"\d+", b)
        assert [word[0] for word in a.split()] == [word[0] for word in b.split()]
        changed = sum(x != y for x, y in zip(a.split(), b.split(), strict=True))
        assert 0 < changed <= 0.1 * len(a)
    chinese = noise(read_training(find("classify/waimai_10k.csv")))
    for original, copy in made_of(chinese)[:300]:
        missing = Counter(question_of(original)) - Counter(question_of(copy))
        assert sum(missing.values()) <= max(1, round(0.05 * len(question_of(original))))
        assert (
            not Counter(question_of(copy)) - Counter(question_of(original))
            or question_of(original).isascii()
            or re.search("[a-zA-Z]{4}", question_of(original))
        )


def test_copies_stay_on_the_side_of_the_original(find: Find) -> None:
    found = noise(read_training(find("classify/SST2/dev.tsv")), copies=2)
    parts = divide(found).parts
    sides = [{sample.id.split("~")[0] for sample in part.samples} for part in parts.values()]
    assert sum(map(len, sides)) == len(set.union(*sides)) == 549


def test_texts_have_no_copies() -> None:
    given = TrainingSet("text", (Text("Some words of a text.", id="1"),))
    assert len(noise(given).samples) == 1
    for wrong in (0.0, 1.5):
        with pytest.raises(UsageError, match="above 0 to 1"):
            noise(given, rate=wrong)


def labelled(*texts: str) -> TrainingSet:
    return TrainingSet("labelled", tuple(Labelled(text, label="x", id=str(n)) for n, text in enumerate(texts)))


def test_paraphrases_are_checked() -> None:
    replies = {
        "My card did not come in 7 days.": "For 7 days now, my card has been missing.",
        "It lasts 24 hours or more.": "It lasts 48 hours at the least.",
        "Where is the nearest branch of the bank?": "where is the nearest branch of the bank",
        "Thank you for the help with this.": "我非常感谢你对此的帮助。",
        "The queue was long.": "I am sorry, I cannot do that.",
        "Is my card lost?": "The card is lost, I am afraid.",
        "They are slow on Sundays.": "Sundays Sundays Sundays Sundays Sundays Sundays",
        "Good service.": "This service has been good. " + "It all went well, and nothing was amiss at any time. " * 3,
    }

    def reply(messages: Sequence[Message]) -> str:
        return json.dumps({"text": replies[messages[-1].content.removeprefix("Text: ")]})

    chat = FakeChat(reply)
    found = paraphrase(labelled(*replies), chat)
    assert [question_of(copy) for _, copy in made_of(found)] == ["For 7 days now, my card has been missing."]
    reasons = {key.removeprefix("paraphrase: "): n for key, n in found.report.items() if key.startswith("paraphrase")}
    assert found.report["made (paraphrase)"] == 1
    assert reasons == {
        "other numbers": 1,
        "same words": 1,
        "other language": 1,
        "about something else": 1,
        "a question or none": 1,
        "repeats itself": 1,
        "not in the form asked for": 1,  # the schema's limit cut it
    }
    assert "English" in chat.calls[0].messages[0].content
    assert len({call.seed for call in chat.calls}) == len(replies)
    long = "A short one was shown to me by somebody else who had never met any of you before that summer evening."
    assert objection("A short one.", long) == "other length"


def test_an_embedder_compares_the_meaning() -> None:
    pair = "The card was lost at the bank.", "At the bank they gave me a loan for a card game."
    assert objection(*pair) == ""
    assert objection(*pair, FakeEmbedder()) == "other meaning"
    assert objection(*pair, FakeEmbedder(unknown_rate=0.5)) == ""


def test_there_and_back() -> None:
    def reply(messages: Sequence[Message]) -> str:
        there = "German" in messages[0].content
        return json.dumps({"text": "Wo ist meine Karte?" if there else "Where has my card gone?"})

    chat = FakeChat(reply)
    found = back_translate(labelled("Where is my card?"), chat)
    assert [question_of(sample) for sample in found.samples] == ["Where is my card?", "Where has my card gone?"]
    assert "Wo ist meine Karte?" in chat.calls[1].messages[-1].content
    assert "into English" in chat.calls[1].messages[0].content
    silent = back_translate(labelled("Where is my card?"), FakeChat("not json", context=10))
    assert silent.report["back-translation: not in the form asked for"] == 1


def test_questions_of_documents(shared_data: Path, tmp_path: Path) -> None:
    text = (shared_data / "ft" / "wiki_demo.txt").read_text("utf-8").splitlines()[0][:6000]
    document = Document("anarchism.txt", text, title="Anarchism", language="en")
    chunks = [
        Chunk(str(at), "d", "anarchism.txt", text[at : at + 1500], at, min(at + 1500, len(text)))
        for at in range(0, len(text), 1000)
    ]

    def search(question: str, k: int) -> list[Hit]:
        words = set(re.findall(r"\w+", question.lower()))
        best = sorted(chunks, key=lambda chunk: -len(words & set(re.findall(r"\w+", chunk.text.lower()))))
        return [Hit(chunk, 1.0, ("words",)) for chunk in best[:k]]

    found = from_documents([document], tmp_path / "q.jsonl", search=search, kinds=["cloze"], count=5)
    assert found.kind == "retrieval"
    assert len(found.samples) == 5
    lines = [json.loads(line) for line in (tmp_path / "q.jsonl").read_text("utf-8").splitlines()]
    for sample, line in zip(found.samples, lines, strict=True):
        assert isinstance(sample, Retrieval)
        assert sample.query == line["question"]
        assert all(line["evidence"][0]["text"] in passage for passage in sample.positives)
    asked = from_documents([document], tmp_path / "q.jsonl", search=search, kind="dialogue", kinds=["cloze"], count=5)
    assert [said(sample) for sample in asked.samples if isinstance(sample, Dialogue)] == [
        line["answers"][0] for line in lines
    ]
    with pytest.raises(UnknownName, match="retrieval"):
        from_documents([document], tmp_path / "q.jsonl", search=search, kind="tagged")


@pytest.mark.real
def test_the_embedded_model_rephrases_some(find: Find) -> None:
    """SmolLM2-135M is weak at this: what is kept passes the checks, and the report says how much was not."""
    from trivium.models.chat import open_chat

    given = read_training(find("classify/banking77/test.csv"))
    found = paraphrase(replace(given, samples=given.samples[:8]), open_chat())
    tried = sum(count for key, count in found.report.items() if "paraphrase" in key)
    assert tried == 8
    for original, copy in made_of(found):
        assert objection(question_of(original), question_of(copy)) == ""
