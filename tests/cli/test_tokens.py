"""`trivium tokens` on vocabularies made here from real text, and (marked real) on the embedded models."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from trivium.models import vocabulary
from trivium.models.vocabulary import cut

TEXT = "The naïve café, 保修期 🙂\n two  years"


@pytest.fixture(scope="module")
def lines(shared_data: Path) -> list[str]:
    return (shared_data / "ft" / "wiki_demo.txt").read_text("utf-8").splitlines()[:3]


@pytest.fixture(scope="module")
def byte_level(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> Path:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        lines, trainers.BpeTrainer(vocab_size=600, initial_alphabet=alphabet, special_tokens=["<|end|>"])
    )
    folder = tmp_path_factory.mktemp("gpt")
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="module")
def word_piece(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> Path:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.train_from_iterator(lines, trainers.WordPieceTrainer(vocab_size=800, special_tokens=["[UNK]", "[CLS]"]))
    folder = tmp_path_factory.mktemp("bert")
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def test_bytes_are_the_texts_own(byte_level: Path) -> None:
    found = cut(f"{TEXT}<|end|>", byte_level)
    assert b"".join(token.data for token in found.tokens).decode() == f"{TEXT}<|end|>"
    tokenizer = Tokenizer.from_file(str(byte_level / "tokenizer.json"))
    assert [token.id for token in found.tokens] == tokenizer.encode(f"{TEXT}<|end|>").ids
    assert [token.text for token in found.tokens if token.special] == ["<|end|>"]
    assert found.unknown_rate == 0
    assert {token.data for token in found.tokens if token.partial} >= {"保".encode()[:1]}
    assert cut(TEXT, byte_level / "tokenizer.json").tokens == cut(TEXT, byte_level).tokens


def test_the_unknown_is_named(byte_level: Path, word_piece: Path) -> None:
    found = cut(TEXT, word_piece)
    unknown = [token.data.decode() for token in found.tokens if token.unknown]
    assert "🙂" in unknown
    assert found.unknown_rate == len(unknown) / len(found.tokens)
    assert b"".join(token.data for token in found.tokens).decode() == "".join(TEXT.split())
    assert not any(token.partial for token in found.tokens)


def test_the_table(run: Any, byte_level: Path, word_piece: Path) -> None:
    done = run("tokens", "The 保", "--model", str(byte_level), "--model", str(word_piece))
    assert done.status == 0
    first, second = done.out.split("\n\n")
    assert "part of a character" in first
    assert "e4" in first
    assert first.splitlines()[1].startswith("T")
    assert "|" in first.splitlines()[1]
    assert "unknown" in second
    assert byte_level.name in first.splitlines()[0]


def test_json(run: Any, word_piece: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = run("tokens", "The 🙂", "--model", str(word_piece), "--json").json
    (model,) = found["models"]
    assert model["count"] == len(model["tokens"]) == 2
    assert model["unknown"] == 1
    assert bytes.fromhex(model["tokens"][1]["bytes"]).decode() == "🙂"
    monkeypatch.setattr("sys.stdin", io.StringIO("The"))
    assert run("tokens", "-", "--model", str(word_piece), "--json").json["text"] == "The"


def test_what_cannot_be_shown(run: Any, tmp_path: Path) -> None:
    assert "There is no file" in run("tokens", "x", "--model", "none.gguf").err
    assert "has no tokenizer.json" in run("tokens", "x", "--model", str(tmp_path)).err
    assert "does not show its tokens" in run("tokens", "x", "--model", "http://host/v1#m").err
    assert run("tokens", "").status == 2
    (tmp_path / "tokenizer.json").write_text("{}")
    done = run("tokens", "x", "--model", str(tmp_path), "--json")
    assert done.status == 1
    assert "cannot be read" in done.json["error"]


@pytest.mark.real
@pytest.mark.parametrize("text", [TEXT, "How long is it? 2024<|im_end|>", "文件"])
def test_the_embedded_chat_model(text: str) -> None:
    found = cut(text)
    assert b"".join(token.data for token in found.tokens).decode() == text
    assert [token.text for token in found.tokens if token.special] == (["<|im_end|>"] if "<" in text else [])


@pytest.mark.real
def test_llama_cpp_and_tokenizers_cut_alike() -> None:
    pytest.importorskip("transformers")
    from trivium.models.gguf_convert import converted_folder
    from trivium.models.pull import ensure

    file = ensure("smollm2-135m-instruct")
    mine, other = cut(TEXT, file), cut(TEXT, converted_folder(file))
    assert [(token.id, token.data) for token in mine.tokens] == [(token.id, token.data) for token in other.tokens]


@pytest.mark.real
def test_the_embedded_embedder(run: Any) -> None:
    found = run("tokens", "保修期 lasts", "--model", "all-minilm-l6-v2", "--json").json["models"][0]
    assert found["unknown"] > 0
    assert json.dumps([token["text"] for token in found["tokens"]][-1:]) == '["lasts"]'


def test_every_byte_has_a_letter() -> None:
    letters = vocabulary._letters()
    assert sorted(letters.values()) == list(range(256))
    assert set(letters) == set(pre_tokenizers.ByteLevel.alphabet())
