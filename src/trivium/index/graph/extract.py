"""What the chunks of one document give to the graph, without a model.

Names are resolved within the document: `Miller` is the George Miller named before, `WHO` the World Health
Organization. Nothing of another document is looked at, so that what a document gives depends on it alone: it can be
added and deleted exactly, in any order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from trivium.index.graph.phrases import entities
from trivium.index.graph.values import Contribution, Mention, entity_key
from trivium.text.sentences import sentence_spans
from trivium.text.tokens import stop_words
from trivium.types import Chunk

VERSION = 1
"""The number of this extraction: raised whenever it gives other mentions, since stored ones must then be remade."""

_ACRONYM = re.compile(r"[A-Z][A-Z&]{1,7}")
_DEFINED = re.compile(r"\s?[(（]\s*(?:also |or |known as |简称|又称|以下简称)?[\"“”']?([\w&.\-]{2,16})[\"“”']?\s*[)）]")
_BRACKETED = re.compile(r"\s*[(（][^()（）]*[)）]\s*$")
_LONGEST = 80
_MOST = 24
"""Mentions kept of a sentence: a longer list is a table or an index, and relates nothing."""


def extract(chunks: Sequence[Chunk], title: str = "") -> list[Contribution]:
    """Return what each chunk of a document gives, in order.

    Args:
        chunks: all of the document's, in order.
        title: what the document is about, if it says; every chunk mentions that.
    """
    subject = _subject(title)
    found = [[entities(chunk.text[start:end])[:_MOST] for start, end in sentence_spans(chunk.text)] for chunk in chunks]
    named = [
        name for chunk in found for sentence in chunk for name, kind in sentence if kind == "name" or name[0].isupper()
    ]
    aliases = _aliases([subject, *named] if subject else named, " ".join(chunk.text for chunk in chunks))
    partial = {**_surnames(subject, named), **aliases}
    return [
        _contribution(chunk, sentences, subject, partial, aliases)
        for chunk, sentences in zip(chunks, found, strict=True)
    ]


def _subject(title: str) -> str:
    """Return what a title names, without the bracket that tells it from its namesakes."""
    title = " ".join(title.split())
    bare = _BRACKETED.sub("", title)
    return (bare or title)[:_LONGEST]


def _contribution(
    chunk: Chunk,
    sentences: Sequence[Sequence[tuple[str, str]]],
    subject: str,
    whole: Mapping[str, str],
    aliases: Mapping[str, str],
) -> Contribution:
    mentions: dict[Mention, None] = {}
    if subject:
        mentions[Mention(subject, "subject", -1)] = None
    for heading in chunk.headings[-1:]:
        if entity_key(heading) != entity_key(subject) and len(heading) <= _LONGEST:
            mentions[Mention(_subject(heading), "title", -1)] = None
    for number, sentence in enumerate(sentences):
        for name, kind in sentence:
            name = whole.get(name, name)[:_LONGEST]
            if entity_key(name):
                mentions[Mention(name, kind, number)] = None  # type: ignore[arg-type]
    here = {mention.name for mention in mentions}
    pairs = tuple((short, name) for short, name in aliases.items() if name in here)
    return Contribution(chunk.id, tuple(mentions), pairs)


def _surnames(subject: str, named: Sequence[str]) -> dict[str, str]:
    """Return for each single word that ends (or opens) exactly one longer name of the document that name."""
    longer = {" ".join(name.split()): None for name in ([subject] if subject else []) + list(named) if " " in name}
    single = {name for name in named if " " not in name}
    found: dict[str, str] = {}
    for word in single:
        ends = {entity_key(name): name for name in longer if name.split()[-1] == word}
        opens = {entity_key(name): name for name in longer if name.split()[0] == word and " of " not in name}
        for some in (ends, opens):
            if len(some) == 1:
                found[word] = next(iter(some.values()))
                break
    return found


def _aliases(named: Sequence[str], text: str) -> dict[str, str]:
    """Return the names that short forms stand for: `World Health Organization (WHO)`, or by initials."""
    names = list(dict.fromkeys(named))
    found: dict[str, str] = {}
    for name in names:
        at = text.find(name)
        match = _DEFINED.match(text, at + len(name)) if at >= 0 else None
        if match and entity_key(match[1]) != entity_key(name) and _short_for(match[1], name):
            found[match[1]] = name
    for short in names:
        if short not in found and _ACRONYM.fullmatch(short):
            long = {entity_key(name): name for name in names if name != short and _by_initials(short, name)}
            if len(long) == 1:
                found[short] = next(iter(long.values()))
    return found


def _short_for(short: str, name: str) -> bool:
    """Whether a bracketed word may stand for a name: its initials, or characters of it in order."""
    if _by_initials(short.replace(".", ""), name):
        return True
    if name.isascii():
        return False
    at = 0
    for character in short:
        at = name.find(character, at) + 1
        if not at:
            return False
    return len(short) < len(name)


def _by_initials(short: str, name: str) -> bool:
    words = re.split(r"[\s-]+", name)
    if len(words) < 2 or not short.isupper():
        return False
    whole = "".join(word[0] for word in words if word).upper()
    bare = "".join(word[0] for word in words if word and word.lower() not in stop_words()).upper()
    return short.replace("&", "") in (whole, bare)
