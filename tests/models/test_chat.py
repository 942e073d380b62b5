"""One word opens a chat model: what each spec means, and what is said of those that mean nothing."""

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from trivium.errors import ModelError, ModelNotFound, UnknownName, UsageError
from trivium.models import chat as chat_module
from trivium.models import gguf
from trivium.models.chat import open_chat, split_spec
from trivium.models.gguf import read_header
from trivium.models.remote_chat import RemoteChat
from trivium.types import Message


@pytest.mark.parametrize(
    ("spec", "base", "adapters"),
    [
        ("", "", {}),
        ("model.gguf", "model.gguf", {}),
        ("a+b/c++.gguf+law=x+1/law.gguf", "a+b/c++.gguf", {"law": "x+1/law.gguf"}),
        ("+law=law.gguf+med-2.1=/m/", "", {"law": "law.gguf", "med-2.1": "/m/"}),
        ("http://h:1/v1#m/n:7b+law=served=name", "http://h:1/v1#m/n:7b", {"law": "served=name"}),
    ],
)
def test_specs_are_split(spec, base, adapters):
    assert split_spec(spec) == (base, adapters)


@pytest.mark.parametrize("spec", ["m.gguf+law=", "m.gguf+law=a+law=b"])
def test_adapters_without_a_place_or_with_two_are_refused(spec):
    with pytest.raises(UsageError, match="'law'"):
        split_spec(spec)


def test_an_endpoint():
    chat = open_chat("http://localhost:8000/v1#org/model:7b+law=org/law", context=100)
    assert isinstance(chat, RemoteChat)
    assert chat.name == "http://localhost:8000/v1#org/model:7b+law=org/law"
    assert chat.context == 100
    with pytest.raises(UsageError, match="#MODEL"):
        open_chat("http://localhost:8000/v1")


def test_what_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelNotFound, match=r"none\.gguf"):
        open_chat("none.gguf")
    with pytest.raises(ModelNotFound, match="folder/none"):
        open_chat("folder/none")
    with pytest.raises(UnknownName, match="smollm2-135m-instruct"):
        open_chat("gpt-9")
    with pytest.raises(UnknownName, match="no chat model named 'all-minilm-l6-v2'"):
        open_chat("all-minilm-l6-v2")
    (tmp_path / "words.gguf").write_text("words")
    with pytest.raises(ModelError, match="letters GGUF"):
        open_chat("words.gguf")


def four_bit_file(folder):
    path = folder / "tiny.Q4_1.gguf"
    raw = np.random.default_rng(0).integers(0, 60, 20 * 64, dtype=np.uint8)
    gguf._write(path, b"", 0, [("w", (32, 64), gguf.Q4_1, raw.size)], iter([raw]))
    return path


def test_the_embedded_model_is_converted_once(tmp_path, monkeypatch):
    monkeypatch.setenv("TRIVIUM_HOME", str(tmp_path / "home"))
    model = four_bit_file(tmp_path)
    copy = chat_module._fast(model)
    assert copy.name == "tiny.Q8_0.gguf"
    assert read_header(copy).tensors[0].kind == gguf.Q8_0
    made = copy.stat().st_mtime_ns
    assert chat_module._fast(model) == copy
    assert copy.stat().st_mtime_ns == made
    os.utime(model, ns=(made + 10**9, made + 10**9))  # another file was fetched since
    chat_module._fast(model)
    assert copy.stat().st_mtime_ns > made


def test_without_room_for_the_copy_the_file_itself_serves(tmp_path, monkeypatch, caplog):
    (tmp_path / "home").write_text("not a folder")
    monkeypatch.setenv("TRIVIUM_HOME", str(tmp_path / "home"))
    model = four_bit_file(tmp_path)
    assert chat_module._fast(model) == model
    assert "used as it is" in caplog.text


def test_two_processes_convert_at_once(tmp_path):
    model = four_bit_file(tmp_path)
    code = f"from pathlib import Path; from trivium.models import chat; chat._fast(Path({str(model)!r}))"
    environment = {**os.environ, "TRIVIUM_HOME": str(tmp_path / "home")}
    children = [subprocess.Popen([sys.executable, "-c", code], env=environment) for _ in range(3)]
    assert [child.wait(60) for child in children] == [0, 0, 0]
    names = {path.name for path in (tmp_path / "home" / "converted").iterdir()}
    assert names - {"tiny.Q8_0.gguf.lock"} == {"tiny.Q8_0.gguf"}


@pytest.mark.real
def test_no_spec_is_the_embedded_model_and_loads_nothing_heavy():
    code = """
        import sys
        from trivium.models.chat import open_chat
        from trivium.types import Message
        chat = open_chat()
        text = chat.complete([Message("user", "What is the capital of France?")], max_tokens=20).text
        assert "Paris" in text, text
        assert "Q8_0" in chat.name
        heavy = {"torch", "transformers", "httpx", "onnxruntime", "lancedb", "jieba"} & set(sys.modules)
        assert not heavy, heavy
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, timeout=200)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.real
def test_a_named_file_is_used_as_it_is():
    from trivium.models.pull import ensure

    chat = open_chat(ensure("smollm2-135m-instruct"), context=256)
    assert "Q4_1" in chat.name
    assert chat.complete([Message("user", "Hi")], max_tokens=2).text
