from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivium.text.tokens import MAX_TOKEN, analyse, analyse_question, stop_words


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("The dogs were RUNNING", ["the", "dog", "were", "run"]),
        ("John's dogs don’t", ["john", "dog", "don't"]),
        ("error_code-42", ["error_code-42", "error", "code", "42"]),
        ("HTTPServer2", ["httpserver2", "http", "server", "2"]),
        ("GPUs", ["gpu"]),
        ("v1.2.3", ["v1.2.3", "1.2.3"]),
        ("a.b.c", ["a.b.c", "a", "b", "c"]),
        ("U.S. law", ["u.s", "us", "u", "s", "law"]),
        ("jo.doe@x.org", ["jo.doe@x.org", "jo", "doe", "x", "org"]),
        ("/usr/lib/x.py", ["usr/lib/x.py", "usr", "lib", "x", "py"]),
        ("3.5%", ["3.5%", "3.5"]),
        ("1,000", ["1,000", "1000"]),
        ("1,2", ["1", "2"]),
        ("2GB", ["2gb", "2", "gb"]),
        ("C++ C# .NET", ["c++", "c", "c#", "c", ".net", "net"]),
        ("pre-processing", ["preprocess", "pre", "process"]),
        ("2019-05-03", ["2019-05-03", "2019", "05", "03"]),
        ("Café Müller", ["café", "cafe", "müller", "muller"]),
        ("自然语言处理", ["自然语言", "处理", "自然", "然语", "语言", "言处", "处理"]),
        ("ＡＩ１２３", ["ai123", "ai", "123"]),
        ("國語", ["國", "語", "國語"]),
        ("RAG检索v2", ["rag", "检索", "检索", "v2", "v", "2"]),
        ("これは", ["これ", "れは"]),
        ("한국어", ["한국어", "한국", "국어"]),
        ("Привет, МИР", ["привет", "мир"]),
        ("بِالعالم", ["بِالعالم", "بالعالم"]),
        ("दुनिया", ["दुनिया"]),
        ("สวัส", ["สว", "วั", "ัส"]),
        ("", []),
        (" \n\t。！?", []),
    ],
)
def test_analyse(text: str, tokens: list[str]) -> None:
    assert analyse(text) == tokens


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("Error E-1042 occurred", "e-1042"),
        ("the iPhone", "iphone"),
        ("Düsseldorf", "dusseldorf"),
        ("1,000 users", "1000"),
        ("preprocessing", "pre-processing"),
        ("in the US", "U.S."),
        ("ＡＰＩ 密钥", "api"),
        ("non‑breaking", "non-breaking"),
        ("getUserName()", "user name"),
        ("max_tokens=5", "max tokens"),
    ],
)
def test_a_question_meets_what_was_written(written: str, asked: str) -> None:
    assert set(analyse(written)) & set(analyse_question(asked))


@given(st.text(max_size=200))
def test_no_token_holds_white_space_or_is_too_long(text: str) -> None:
    for token in analyse(text):
        assert token
        assert token.split() == [token]
        assert len(token) <= MAX_TOKEN
    assert analyse(text) == analyse(text)


@pytest.mark.parametrize("unit", ["a-", "a.", "'", "A1", "中", "9,999", "a%", "\u0301", "://"])
def test_hostile_text_is_linear(unit: str) -> None:
    analyse(unit * (200_000 // len(unit)))


def test_questions_lose_their_stop_words_unless_nothing_is_left() -> None:
    assert analyse_question("How long is the warranty?") == ["long", "warranti"]
    assert analyse_question("to be or not to be") == ["to", "be", "or", "not", "to", "be"]
    assert "什么" not in analyse_question("保修期是什么？")
    assert {"the", "的"} <= stop_words()


def test_threads_agree() -> None:
    texts = [f"running dogs{n} 学习{n}" for n in range(2000)]
    alone = [analyse(text) for text in texts]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(analyse, texts)) == alone
