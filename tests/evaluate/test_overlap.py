from __future__ import annotations

from itertools import pairwise

import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_chinese import Rouge
from rouge_score.rouge_scorer import RougeScorer

from trivium.evaluate.metrics.overlap import bleu, chrf, corpus_bleu, rouge1, rouge2, rouge_l, rouge_tokens

words = st.text(st.sampled_from("ab ,.-'\"&1é<>/(\n%京大学。，“"), max_size=30)


def sentence_bleu(text: str, references: tuple[str, ...], tokenize: str = "13a") -> float:
    return sacrebleu.sentence_bleu(text, list(references), tokenize=tokenize).score / 100


def test_bleu_and_chrf_are_sacrebleus_in_english(english_pairs, english_sentences) -> None:
    nearby = zip(pairwise(english_sentences), english_sentences[5:], strict=False)
    pairs = english_pairs + [(a, (b, c)) for (a, b), c in nearby]
    found = []
    for text, known in pairs:
        found.append(bleu(text, known, "en"))
        assert found[-1] == pytest.approx(sentence_bleu(text, known), abs=1e-9), (text, known)
        assert chrf(text, known) == pytest.approx(sacrebleu.sentence_chrf(text, list(known)).score / 100, abs=1e-9)
    assert len(pairs) > 1500
    assert sum(0.01 < value < 0.99 for value in found) > 500


def test_bleu_and_chrf_are_sacrebleus_in_chinese(chinese_pairs, chinese_sentences) -> None:
    pairs = chinese_pairs + [(a, (b,)) for a, b in pairwise(chinese_sentences)]
    found = []
    for text, known in pairs:
        found.append(bleu(text, known, "zh"))
        assert found[-1] == pytest.approx(sentence_bleu(text, known, "zh"), abs=1e-9), (text, known)
        assert chrf(text, known) == pytest.approx(sacrebleu.sentence_chrf(text, list(known)).score / 100, abs=1e-9)
    assert sum(0.01 < value < 0.99 for value in found) > 1000


@given(text=words, known=st.lists(words, min_size=1, max_size=3))
@settings(deadline=None)
def test_bleu_and_chrf_are_sacrebleus_on_anything(text: str, known: list[str]) -> None:
    assert bleu(text, known, "en") == pytest.approx(sentence_bleu(text, tuple(known)), abs=1e-9)
    assert bleu(text, known, "zh") == pytest.approx(sentence_bleu(text, tuple(known), "zh"), abs=1e-9)
    assert bleu(text, known, "ja") == pytest.approx(sentence_bleu(text, tuple(known), "char"), abs=1e-9)
    assert chrf(text, known) == pytest.approx(sacrebleu.sentence_chrf(text, known).score / 100, abs=1e-9)


def test_corpus_bleu_is_sacrebleus(english_sentences) -> None:
    said, known = english_sentences[:-1], english_sentences[1:]
    found = corpus_bleu(said, [[line] for line in known], "en")
    assert found == pytest.approx(sacrebleu.corpus_bleu(said, [known]).score / 100, abs=1e-9)
    assert found > 0
    assert corpus_bleu(["a b"], [["a b"]], "en") == 0.0  # no run of four words


@pytest.mark.parametrize("stem", [False, True])
def test_rouge_is_rouge_scores_in_english(english_pairs, english_sentences, stem: bool) -> None:
    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=stem)
    pairs = english_pairs[::5] + [(a, (b,)) for a, b in pairwise(english_sentences)]
    found = 0
    for text, known in pairs:
        theirs = scorer.score_multi(list(known), text)
        for name, measure in (("rouge1", rouge1), ("rouge2", rouge2), ("rougeL", rouge_l)):
            ours = measure(text, known, "en", stem=stem)
            assert ours == pytest.approx(theirs[name].fmeasure, abs=1e-9), (name, text, known)
            found += 0 < ours < 1
    assert found > 1000


def test_rouge_is_rouge_chineses_on_the_same_words(chinese_pairs, chinese_sentences) -> None:
    rouge = Rouge()
    pairs = chinese_pairs[::3] + [(a, (b,)) for a, b in pairwise(chinese_sentences)]
    found = 0
    for text, known in pairs:
        mine, theirs = (" ".join(rouge_tokens(each, "zh")) for each in (text, known[0]))
        if not mine or not theirs:
            assert rouge_l(text, known[:1], "zh") == 0.0
            continue
        expected = rouge.get_scores(mine, theirs)[0]
        for name, measure in (("rouge-1", rouge1), ("rouge-2", rouge2), ("rouge-l", rouge_l)):
            ours = measure(text, known[:1], "zh")
            assert ours == pytest.approx(expected[name]["f"], abs=1e-7), (name, mine, theirs)  # they add 1e-8 below
            found += 0 < ours < 1
    assert found > 1000


def test_the_best_reference_counts() -> None:
    for measure in (bleu, chrf, rouge1, rouge2, rouge_l):
        assert measure("the red house on the hill", ["no", "the red house on the hill"], "en") == pytest.approx(1.0)
        assert measure("红色的房子在山上", ["没有", "红色的房子在山上"], "zh") == pytest.approx(1.0)


def test_other_languages_have_words() -> None:
    assert rouge_tokens("L'été, à 30° !", "fr") == ("l", "été", "à", "30")
    assert rouge_tokens("Привет, мир!", "ru") == ("привет", "мир")
    assert rouge_tokens("東京タワー", "ja") == tuple("東京タワー")
    assert rouge1("пока мир", ["привет мир"]) == pytest.approx(0.5)
    assert rouge_tokens("北京大学在 2024 年。", "zh") == ("北京大学", "在", "2024", "年")
