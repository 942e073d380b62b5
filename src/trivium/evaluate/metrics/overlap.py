"""BLEU, chrF and ROUGE of one answer: n-grams and subsequences shared with a reference, 0 to 1.

They give the figures of sacrebleu, rouge-score and rouge-chinese (divided by 100 where those count to 100), which
tests compare on real texts; none of the three is needed. Texts are read up to `LONGEST` characters.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import cache, lru_cache

from trivium.evaluate.metrics.normal import HAN, UNSPACED, primary
from trivium.evaluate.metrics.sequences import common_subsequence, ngrams, overlap
from trivium.extras import need
from trivium.text.chinese import segment

LONGEST = 100_000
"""Characters that are read of a text, which bounds time and memory."""
_REMEMBERED = 4096
BLEU_ORDER = 4
CHRF_ORDER = 6
CHRF_BETA = 2

_MARKS = re.compile(r"[!-&(-+/:-@\[-`{-~]")
_POINT_AFTER = re.compile(r"([^0-9])([.,])")
_POINT_BEFORE = re.compile(r"([.,])([^0-9])")
_DASH = re.compile(r"([0-9])(-)")
# The characters that sacrebleu's tokenizer `zh` sets apart: U+2001 to U+2A6D come from a slip in its table.
_BLEU_CHINESE = re.compile(
    "[\u2001-\u2a6d\u2e80-\u2eff\u2f00-\u2fff\u3000-\u303f\u3100-\u312f\u31a0-\u31bf\u31c0-\u31ef\u3200-\u33ff"
    "\u3400-\u4db5\u4e00-\u9fbb\uf900-\ufa2d\ufa30-\ufa6a\ufa70-\ufad9\ufe10-\ufe1f\ufe30-\ufe4f\uff00-\uffef]"
)
_ROUGE_ENGLISH = re.compile("[a-z0-9]+")
_ROUGE_WORD = re.compile(rf"(?P<han>[{HAN}]+)|[{UNSPACED}]|[^\W_{UNSPACED}]+")
_BY_CHARACTERS = ("ja", "th", "lo", "my", "km")


def bleu(text: str, references: Sequence[str], language: str = "") -> float:
    """Return sentence BLEU: exp(min(0, 1 - r/c)) · exp(mean of ln pₙ, n = 1 to 4), pₙ the clipped n-gram precision.

    Papineni et al. 2002, "BLEU: a method for automatic evaluation of machine translation"; exponential smoothing of
    precisions of 0 (Chen and Cherry 2014, "A systematic comparison of smoothing techniques"), and only the orders
    that the text has, as sacrebleu's `sentence_bleu` (Post 2018, arXiv:1804.08771). Tokens are those of its `13a`, of
    its `zh` for Chinese, and characters for Japanese, Thai, Lao, Burmese and Khmer.
    """
    return bleu_of(bleu_counts(text, references, primary(language, references)), effective=True)


def corpus_bleu(texts: Iterable[str], references: Iterable[Sequence[str]], language: str = "") -> float:
    """Return BLEU of many texts together, the figure that papers report: counts are summed, then put together.

    Args:
        texts: the answers.
        references: the alternatives of each, in the same order.
        language: of all of them; "" goes by the first references.
    """
    total = [0] * (2 + 2 * BLEU_ORDER)
    code = ""
    for text, known in zip(texts, references, strict=True):
        code = code or primary(language, known) or "en"
        total = [a + b for a, b in zip(total, bleu_counts(text, known, code), strict=True)]
    return bleu_of(total)


def chrf(text: str, references: Sequence[str], language: str = "") -> float:
    """Return chrF2 against the best reference: (1 + β²)PR / (β²P + R), β = 2.

    P and R are the mean precision and recall of character n-grams of 1 to 6, spaces left out (Popović 2015, "chrF:
    character n-gram F-score for automatic MT evaluation"). `language` plays no part.
    """
    said = "".join(text[:LONGEST].split())
    known = ["".join(reference[:LONGEST].split()) for reference in references]
    shares: list[list[tuple[float, float]]] = [[] for _ in known]
    for n in range(1, CHRF_ORDER + 1):
        mine = Counter(said[at : at + n] for at in range(len(said) - n + 1))
        for number, reference in enumerate(known):
            theirs, mine_left = len(reference) - n + 1, len(said) - n + 1
            if theirs <= 0 or mine_left <= 0:
                continue
            same = _clipped(mine, Counter(reference[at : at + n] for at in range(theirs)))
            shares[number].append((same / mine_left, same / theirs))
    return max((_chrf(pairs) for pairs in shares), default=0.0)


def rouge1(text: str, references: Sequence[str], language: str = "", *, stem: bool = False) -> float:
    """Return the F1 of shared words, against the best reference (ROUGE-1; see `rouge_n`)."""
    return rouge_n(text, references, 1, language, stem=stem)


def rouge2(text: str, references: Sequence[str], language: str = "", *, stem: bool = False) -> float:
    """Return the F1 of shared pairs of words, against the best reference (ROUGE-2; see `rouge_n`)."""
    return rouge_n(text, references, 2, language, stem=stem)


def rouge_n(text: str, references: Sequence[str], n: int, language: str = "", *, stem: bool = False) -> float:
    """Return ROUGE-N's F1 = 2PR / (P + R) over word n-grams, against the best reference.

    Lin 2004, "ROUGE: a package for automatic evaluation of summaries". English words are those of rouge-score, each
    n-gram as often as it occurs. Chinese words are those of jieba's dictionary without punctuation, and distinct
    n-grams are counted, as rouge-chinese does unless told otherwise.

    Args:
        text: the answer.
        references: the alternatives.
        n: words in an n-gram.
        language: "" has it told from the references.
        stem: cut English words to their stems first, with NLTK's Porter stemmer.

    Raises:
        MissingExtra: `stem` without NLTK.
    """
    code = primary(language, references)
    mine = ngrams(rouge_tokens(text, code, stem=stem), n)
    best = 0.0
    for reference in references:
        theirs = ngrams(rouge_tokens(reference, code, stem=stem), n)
        if code == "zh":
            best = max(best, _f1(len(mine.keys() & theirs.keys()), len(mine), len(theirs)))
        else:
            best = max(best, _f1(overlap(mine, theirs), mine.total(), theirs.total()))
    return best


def rouge_l(text: str, references: Sequence[str], language: str = "", *, stem: bool = False) -> float:
    """Return ROUGE-L: the F1 of the longest common subsequence of words, against the best reference.

    P = LCS / words of the text, R = LCS / words of the reference (Lin 2004); words as in `rouge_n`.

    Raises:
        MissingExtra: `stem` without NLTK.
    """
    code = primary(language, references)
    mine = rouge_tokens(text, code, stem=stem)
    best = 0.0
    for reference in references:
        theirs = rouge_tokens(reference, code, stem=stem)
        best = max(best, _f1(common_subsequence(mine, theirs), len(mine), len(theirs)))
    return best


def rouge_tokens(text: str, language: str, *, stem: bool = False) -> Sequence[str]:
    """Return the words that ROUGE counts; see `rouge_n`. Other languages give their words by Unicode's letters."""
    return (_rouge_short if len(text) <= _REMEMBERED else _rouge_tokens)(text, language, stem)


def _rouge_tokens(text: str, language: str, stem: bool) -> tuple[str, ...]:
    text = text[:LONGEST].lower()
    if language in ("en", ""):
        words = _ROUGE_ENGLISH.findall(text)
        return tuple(_porter()(word) if len(word) > 3 else word for word in words) if stem else tuple(words)
    tokens: list[str] = []
    for match in _ROUGE_WORD.finditer(text):
        tokens.extend(segment(match[0]) if match["han"] and language == "zh" else _characters(match))
    return tuple(tokens)


_rouge_short = lru_cache(maxsize=256)(_rouge_tokens)  # the three ROUGE figures of an answer read the same words


def _characters(match: re.Match[str]) -> Iterable[str]:
    return match[0] if match["han"] else (match[0],)


@cache
def _porter() -> Callable[[str], str]:
    stem: Callable[[str], str] = need("nltk.stem.porter", extra="evaluate").PorterStemmer().stem
    return stem


def _f1(same: int, mine: int, theirs: int) -> float:
    return 2 * same / (mine + theirs) if same else 0.0


def _clipped(mine: Counter[str], theirs: Counter[str]) -> int:
    if len(mine) > len(theirs):
        mine, theirs = theirs, mine
    return sum(min(count, theirs[gram]) for gram, count in mine.items() if gram in theirs)


def _chrf(pairs: Sequence[tuple[float, float]]) -> float:
    if not pairs:
        return 0.0
    precision = sum(pair[0] for pair in pairs) / len(pairs)
    recall = sum(pair[1] for pair in pairs) / len(pairs)
    weight = CHRF_BETA**2
    return (1 + weight) * precision * recall / (weight * precision + recall) if precision + recall else 0.0


def _bleu_tokens(language: str) -> Callable[[str], list[str]]:
    if language == "zh":
        return _zh
    return _by_character if language in _BY_CHARACTERS else _13a


def _13a(text: str) -> list[str]:
    """Return the tokens of mteval-v13a, the tokenizer of WMT's BLEU."""
    text = text.replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    for entity, mark in (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">")):
        text = text.replace(entity, mark)
    return _western(f" {text} ")


def _zh(text: str) -> list[str]:
    return _western(_BLEU_CHINESE.sub(r" \g<0> ", text.strip()))


def _by_character(text: str) -> list[str]:
    return [character for character in text if not character.isspace()]


def _western(text: str) -> list[str]:
    text = _MARKS.sub(r" \g<0> ", text)
    text = _POINT_AFTER.sub(r"\1 \2 ", text)
    text = _POINT_BEFORE.sub(r" \1 \2", text)
    return _DASH.sub(r"\1 \2 ", text).split()


def bleu_counts(text: str, references: Sequence[str], language: str) -> list[int]:
    """Return the text's length, the closest reference's, and per order the matches, then the n-grams, in all 10.

    Sums of them over texts are what `bleu_of` takes for the BLEU of all of them.
    """
    tokens = _bleu_tokens(language)
    mine = tokens(text[:LONGEST].rstrip())
    theirs = [tokens(reference[:LONGEST].rstrip()) for reference in references]
    closest = min((len(words) for words in theirs), key=lambda n: (abs(n - len(mine)), n), default=0)
    matches = []
    totals = []
    for n in range(1, BLEU_ORDER + 1):
        known: Counter[tuple[str, ...]] = Counter()
        for words in theirs:
            known |= ngrams(words, n)
        matches.append(overlap(ngrams(mine, n), known))
        totals.append(max(len(mine) - n + 1, 0))
    return [len(mine), closest, *matches, *totals]


def bleu_of(counts: Sequence[int], *, effective: bool = False) -> float:
    """Return BLEU from the counts of `bleu_counts`; `effective` leaves out the orders that the text has not."""
    mine, reference = counts[:2]
    matches, totals = counts[2 : 2 + BLEU_ORDER], counts[2 + BLEU_ORDER :]
    if not any(matches) or (not effective and not all(totals)):
        return 0.0
    smooth = 1.0
    logs = []
    for same, total in zip(matches, totals, strict=True):
        if not total:
            break
        if not same:
            smooth *= 2
        logs.append(math.log(same / total if same else 1 / (smooth * total)))
    brevity = min(0.0, 1 - reference / mine)
    return math.exp(brevity + sum(logs) / len(logs))
