"""The kinds of question that can be made: where each takes its material, and how it makes one draft of it.

`KINDS` lists them. A maker returns a `Draft`, or the reason, a short phrase, why nothing came of its material.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from trivium import prompts
from trivium.errors import ContextOverflow, UsageError
from trivium.models.base import Chat
from trivium.tasks.leak import WIDTH, Shingles, jaccard, same
from trivium.tasks.synthesis import checks
from trivium.tasks.synthesis.checks import GAP, Search
from trivium.tasks.synthesis.corpus import Ask, Corpus, Pair, Section, Sentence, answers_in, rarest_word, spans_of_names
from trivium.text.content import content_terms
from trivium.text.facts import names, numbers

_QUESTION, _ANSWER = 160, 80
"""Most characters of what a model writes."""
_TOKENS_PER_CHARACTER = 3
"""At most: what a model without Chinese in its vocabulary spends on a Chinese character."""
_SAME = 0.8
"""The shingle similarity from which a paraphrase says nothing in other words."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A question with its answer, the sentences that prove it, and what else is to be noted about it."""

    question: str
    answer: str
    evidence: tuple[Sentence, ...]
    unanswerable: bool = False
    note: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Workshop:
    """What makers work with. `made` keeps single questions, which paraphrases and unanswerable ones start from."""

    corpus: Corpus
    search: Search
    k: int
    chat: Chat | None = None
    made: dict[str, Draft | str] = field(default_factory=dict)

    def write(self, prompt: str, **values: str) -> dict[str, str]:
        """Have the model fill the prompt's form; {} where its words were cut off before the form was closed.

        Raises:
            ModelError: the model failed.
        """
        if self.chat is None:
            raise UsageError("This kind of question needs a chat model.", "Give one, or make cloze and heading.")
        with_answer = prompt in ("ask_free", "extract")
        fields = {"answer": _ANSWER} if with_answer else {}
        if prompt != "extract":
            fields["question"] = _QUESTION
        schema = {
            "type": "object",
            "properties": {name: {"type": "string", "maxLength": most} for name, most in fields.items()},
            "required": list(fields),
            "additionalProperties": False,
        }
        most = _TOKENS_PER_CHARACTER * sum(fields.values()) + 40
        seed = int.from_bytes(self.corpus.rank(prompt)[:4], "big")
        try:
            said = self.chat.complete(prompts.fill(prompt, **values), max_tokens=most, schema=schema, seed=seed)
        except ContextOverflow:
            return {}
        return _form(said.text, fields)


def _form(text: str, fields: Mapping[str, int]) -> dict[str, str]:
    try:
        value: Any = json.loads(text)
    except ValueError:
        return {}
    if not isinstance(value, dict) or not all(isinstance(value.get(name), str) for name in fields):
        return {}
    return {name: " ".join(value[name].split()) for name in fields}


def single(shop: Workshop, ask: Ask) -> Draft | str:
    """One sentence answers it. The answer is chosen first, a number or name, and its gap is what is asked for.

    Without one, the model sees the sentence as it is, and chooses the answer itself.
    """
    if ask.key not in shop.made:
        shop.made[ask.key] = _single(shop, ask.sentence, ask.answer)
    return shop.made[ask.key]


def _single(shop: Workshop, sentence: Sentence, wanted: str) -> Draft | str:
    text = sentence.plain
    if wanted:
        said = shop.write("ask_gap", title=sentence.title, passage=text.replace(wanted, GAP, 1))
    else:
        said = shop.write("ask_free", title=sentence.title, passage=text)
        wanted = said.get("answer", "").strip(" .,;:。，；：")
    if not said:
        return "not in the form asked for"
    question = said["question"]
    reason = (
        checks.form(question)
        or checks.answer(question, wanted, [sentence])
        or checks.grounded(question, [sentence])
        or checks.round_trip(question, [sentence], shop.search, shop.k)
        or _read(shop, question, wanted, text)
    )
    return reason or Draft(question, wanted, (sentence,))


def _read(shop: Workshop, question: str, wanted: str, passage: str) -> str:
    """Whether the model, reading the passage, answers the question with the answer it was made for."""
    said = shop.write("extract", question=question, passage=passage)
    return "" if said and checks.agrees(said["answer"], wanted) else "read otherwise"


def multi(shop: Workshop, pair: Pair) -> Draft | str:
    """Two documents answer it: one describes the link, the other has the answer (HotpotQA's bridge questions).

    Yang et al. 2018, arXiv:1809.09600.
    """
    first, second, wanted = pair.first.plain, pair.second.plain, pair.answer
    said = shop.write("ask_two", first=first, second=second.replace(wanted, GAP, 1), link=pair.link)
    if not said:
        return "not in the form asked for"
    question, both = said["question"], (pair.first, pair.second)
    reason = checks.form(question) or checks.answer(question, wanted, both[1:]) or checks.grounded(question, both)
    if reason:
        return reason
    if checks.holds(question, pair.link):
        return "names the link"
    own = set(content_terms(question))
    if not own & (set(content_terms(first)) - set(content_terms(second))):
        return "needs one document only"
    return (
        checks.round_trip(question, both, shop.search, shop.k)
        or _read(shop, question, wanted, f"{first} {second}")
        or Draft(question, wanted, both, note={"link": pair.link})
    )


def unanswerable(shop: Workshop, ask: Ask) -> Draft | str:
    """A question whose name or number is exchanged for one of another document, so that nothing answers it.

    The entity and number swaps of SQuAD 2.0 (Rajpurkar et al. 2018, arXiv:1806.03822). The passage must still be
    found, since a question about nothing is no test; and no passage found may hold what was put in.
    """
    made, sentence = single(shop, ask), ask.sentence
    if isinstance(made, str):
        return made
    swap = _swap(shop, made)
    if swap is None:
        return "no name or number to exchange"
    old, new = swap
    question = re.sub(rf"(?<!\w){re.escape(old)}(?!\w)", lambda _: new, made.question, count=1)
    if same(question) == same(made.question):
        return "no name or number to exchange"
    reason = checks.form(question) or checks.unsupported(question, new, shop.search, shop.k, sentence)
    return reason or Draft(question, "", (sentence,), True, {"made_from": made.question, "old": old, "new": new})


def _swap(shop: Workshop, made: Draft) -> tuple[str, str] | None:
    """Return a phrase of the question that its evidence holds, and one like it of another document."""
    sentence = made.evidence[0]
    phrases = [*spans_of_names(made.question), *answers_in(made.question)]
    held = [phrase for phrase in phrases if checks.holds(sentence.plain, phrase) and phrase != sentence.title]
    text = next(document.text for document in shop.corpus.documents if document.source == sentence.source)
    for old in sorted(dict.fromkeys(held), key=shop.corpus.rank):
        shape = _shape(old)
        for new, source in shop.corpus.phrases:
            if source != sentence.source and _shape(new) == shape and new != old and not checks.holds(text, new):
                return old, new
    return None


def _shape(phrase: str) -> tuple[object, ...]:
    """Return what two phrases must share to stand in each other's place: kind, and size or number of words."""
    if any(character.isdigit() for character in phrase):
        return ("number", re.sub(r"\d", "0", phrase))
    return ("name", len(phrase.split()), phrase.isascii(), phrase[:1] == "《")


def paraphrase(shop: Workshop, ask: Ask) -> Draft | str:
    """A single question in other words, with the same names and numbers, that is still found and read as before."""
    made, sentence = single(shop, ask), ask.sentence
    if isinstance(made, str):
        return made
    said = shop.write("ask_again", question=made.question)
    if not said:
        return "not in the form asked for"
    question = said["question"]
    a, b = Shingles([same(question).ljust(WIDTH), same(made.question).ljust(WIDTH)]), range(2)
    if jaccard(*(a.of(row) for row in b)) >= _SAME:
        return "the same words"
    if numbers(question) != numbers(made.question) or names(made.question) - names(question):
        return "loses a name or number"
    reason = (
        checks.form(question)
        or checks.answer(question, made.answer, made.evidence)
        or checks.round_trip(question, made.evidence, shop.search, shop.k)
        or _read(shop, question, made.answer, sentence.plain)
    )
    return reason or Draft(question, made.answer, made.evidence, note={"made_from": made.question})


def cloze(shop: Workshop, ask: Ask) -> Draft | str:
    """A sentence with a gap, for which no model is needed (Taylor 1953, "Cloze procedure")."""
    sentence, text = ask.sentence, ask.sentence.plain
    wanted = ask.answer or rarest_word(text)
    if not wanted:
        return "nothing to ask for"
    gapped = text.replace(wanted, GAP, 1)
    question = f"填空：{gapped}" if sentence.language == "zh" else f"Fill in the gap: {gapped}"
    if checks.holds(gapped, wanted):
        return "gives the answer away"
    return checks.round_trip(question, [sentence], shop.search, shop.k) or Draft(question, wanted, (sentence,))


def heading(shop: Workshop, section: Section) -> Draft | str:
    """What a document says under a heading; the section's first sentence is the answer. A heading may be a question."""
    one = section.opening
    if section.heading[-1:] in "?？":
        question = section.heading
    elif one.language == "zh":
        question = f"《{one.title}》中关于“{section.heading}”是怎么说的？"
    else:
        question = f"What does {one.title} say about {section.heading}?"
    return checks.round_trip(question, [one], shop.search, shop.k) or Draft(question, one.plain, (one,))


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of question: its material, its maker, and whether that needs a chat model."""

    material: Callable[[Corpus], Iterator[Any]]
    make: Callable[[Workshop, Any], Draft | str]
    needs_chat: bool


KINDS: Mapping[str, Kind] = {
    "single": Kind(Corpus.asks, single, True),
    "multi": Kind(Corpus.pairs, multi, True),
    "unanswerable": Kind(Corpus.asks, unanswerable, True),
    "paraphrase": Kind(Corpus.asks, paraphrase, True),
    "cloze": Kind(Corpus.asks, cloze, False),
    "heading": Kind(Corpus.sections, heading, False),
}
WITH_CHAT = ("single", "multi", "unanswerable", "paraphrase")
WITHOUT_CHAT = ("cloze", "heading")
