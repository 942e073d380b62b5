from __future__ import annotations

import json
from pathlib import Path

import pytest

from trivium.text.language import detect, scripts


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("How long is the warranty?", "en"),
        ("Wie lange ist die Garantie?", "de"),
        ("Quelle est la durée de la garantie ?", "fr"),
        ("¿Cuánto dura la garantía del producto?", "es"),
        ("Quanto dura la garanzia del prodotto?", "it"),
        ("Qual é a duração da garantia?", "pt"),
        ("Hoe lang is de garantie?", "nl"),
        ("保修期是多长时间？", "zh"),
        ("保固期是多久？", "zh"),
        ("保証期間はどのくらいですか", "ja"),
        ("보증 기간은 얼마입니까", "ko"),
        ("Какова гарантия?", "ru"),
        ("Який термін гарантії?", "uk"),
        ("ما هي مدة الضمان؟", "ar"),
        ("מה תקופת האחריות", "he"),
        ("ระยะเวลารับประกัน", "th"),
        ("वारंटी कितनी लंबी है", "hi"),
        ("什么是 RAG retrieval augmented generation", "zh"),
        ("RAG 和 fine-tuning 有什么区别", "zh"),
        ("What does 保修 mean in the contract?", "en"),
        ("ＲＡＧ", ""),
        ("error_code-42", ""),
        ("12345 !?", ""),
        ("", ""),
        ("\x00\x01", ""),
    ],
)
def test_detect(text: str, language: str) -> None:
    assert detect(text) == language


def test_scripts_are_counted_most_frequent_first() -> None:
    assert scripts("abc 中文 かな ア 한 1!") == {"Latin": 3, "Han": 2, "Hiragana": 2, "Katakana": 1, "Hangul": 1}


def test_real_questions(shared_data: Path) -> None:
    for name, language in (("en", "en"), ("zh", "zh")):
        data = json.loads((shared_data / "xquad" / f"xquad.{name}.json").read_text("utf-8"))["data"]
        questions = [q["question"] for a in data for p in a["paragraphs"] for q in p["qas"]]
        right = sum(detect(question) == language for question in questions)
        assert right >= 0.97 * len(questions)
