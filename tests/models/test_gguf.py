"""GGUF files: what is written is read back, broken files are named, and 8-bit keeps what 4-bit said."""

import numpy as np
import pytest

from trivium.errors import ModelError
from trivium.models import gguf
from trivium.models.gguf import Q4_1, Q8_0, metadata_items, q4_1_to_q8_0, read_header, special_tokens, write_gguf

METADATA = {
    "general.architecture": "llama",
    "llama.context_length": 128,
    "a.negative": -5,
    "a.large": 2**40,
    "a.float": 0.5,
    "a.flag": True,
    "a.empty": [],
    "a.numbers": [1, 2, 3],
    "tokenizer.ggml.tokens": ["a", "<|end|>", "<s>", "\n", "<table>", "界"],
    "tokenizer.ggml.token_type": [1, 3, 3, 3, 4, 1],
}


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "tiny.gguf"
    tensors = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b.half": np.ones((5,), np.float16)}
    write_gguf(path, METADATA, tensors)
    return path


def test_metadata_and_tensors_are_read_back(model):
    header = read_header(model)
    assert header.metadata == METADATA
    assert dict(metadata_items(model)) == METADATA
    first, second = header.tensors
    assert (first.name, first.shape, second.shape) == ("a", (2, 3), (5,))
    raw = model.read_bytes()
    assert np.frombuffer(raw, np.float32, 6, first.offset).tolist() == [0, 1, 2, 3, 4, 5]
    assert np.frombuffer(raw, np.float16, 5, second.offset).tolist() == [1] * 5
    assert first.offset % 32 == second.offset % 32 == 0


def test_control_tokens_only_and_longest_first(model):
    assert special_tokens(model) == ("<|end|>", "<s>")


@pytest.mark.parametrize("keep", [0, 3, 10, 20, 30, 60, 200, 400, -1])
def test_a_file_cut_anywhere_is_named(model, tmp_path, keep):
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(model.read_bytes()[:keep])
    if keep == -1:  # the last byte is padding
        cut.write_bytes(model.read_bytes()[: read_header(model).tensors[-1].offset + 9])
    with pytest.raises(ModelError, match=r"cut\.gguf is not a whole GGUF"):
        read_header(cut)


def test_other_files_are_refused(tmp_path):
    other = tmp_path / "x.gguf"
    other.write_bytes(b"PK\3\4" + bytes(100))
    with pytest.raises(ModelError, match="letters GGUF"):
        read_header(other)
    other.write_bytes(b"GGUF" + bytes([9, 0, 0, 0]) + bytes(100))
    with pytest.raises(ModelError, match="version 9"):
        read_header(other)
    with pytest.raises(ModelError, match="No such file"):
        read_header(tmp_path / "none.gguf")


def test_hostile_sizes_end_in_an_error(tmp_path):
    huge = (2**62).to_bytes(8, "little")
    path = tmp_path / "x.gguf"
    path.write_bytes(b"GGUF" + bytes([3, 0, 0, 0]) + bytes(8) + huge + huge + b"key")
    with pytest.raises(ModelError, match="ends too early"):
        read_header(path)
    array = b"GGUF" + bytes([3, 0, 0, 0]) + bytes(8) + (1).to_bytes(8, "little")
    array += (1).to_bytes(8, "little") + b"k" + (9).to_bytes(4, "little") + (4).to_bytes(4, "little") + huge
    path.write_bytes(array)
    with pytest.raises(ModelError, match="ends too early"):
        read_header(path)


def q4_1_blocks(generator, count):
    """Random Q4_1 blocks and the values they stand for, decoded independently of the module."""
    scale = generator.uniform(0.001, 0.1, count).astype(np.float16)
    low = generator.uniform(-1, 0.2, count).astype(np.float16)
    codes = generator.integers(0, 16, (count, 32), dtype=np.uint8)
    raw = np.concatenate(
        [scale.view(np.uint8).reshape(-1, 2), low.view(np.uint8).reshape(-1, 2), codes[:, :16] | codes[:, 16:] << 4],
        axis=1,
    )
    values = codes * scale.astype(np.float32)[:, None] + low.astype(np.float32)[:, None]
    return raw.reshape(-1), values


def decode_q8_0(raw):
    blocks = raw.reshape(-1, 34)
    scale = blocks[:, :2].copy().view(np.float16).astype(np.float32)
    return blocks[:, 2:].view(np.int8) * scale


def test_requantising_stays_within_half_a_step():
    raw, values = q4_1_blocks(np.random.default_rng(0), 500)
    decoded = decode_q8_0(q4_1_to_q8_0(raw))
    scale, low = raw.reshape(-1, 20)[:, :4].copy().view(np.float16).astype(np.float32).T
    step = np.maximum(np.abs(low), np.abs(low + 15 * scale))[:, None] / 127
    assert np.all(np.abs(decoded - values) <= 0.52 * step + 1e-7)


def test_requantising_zeros():
    assert not decode_q8_0(q4_1_to_q8_0(np.zeros(40, np.uint8))).any()


def test_requantise_changes_only_the_4_bit_matrices(tmp_path):
    raw, values = q4_1_blocks(np.random.default_rng(1), 6)
    other = np.arange(8, dtype=np.float32).view(np.uint8)
    source, target = tmp_path / "in.gguf", tmp_path / "out.gguf"
    pairs = b"".join(gguf._pack_text(key) + gguf._pack_value(value) for key, value in METADATA.items())
    infos = [("w", (3, 64), Q4_1, raw.size), ("norm", (8,), 0, 32)]
    gguf._write(source, pairs, len(METADATA), infos, iter([raw, other]))
    gguf.requantise(source, target)
    header = read_header(target)
    assert header.metadata == METADATA
    weights, norm = header.tensors
    assert (weights.kind, weights.shape, norm.kind) == (Q8_0, (3, 64), 0)
    content = np.frombuffer(target.read_bytes(), np.uint8)
    np.testing.assert_allclose(
        decode_q8_0(content[weights.offset : weights.offset + weights.nbytes]), values, atol=0.006
    )
    assert content[norm.offset : norm.offset + 32].tobytes() == other.tobytes()


def test_a_failed_write_leaves_nothing(tmp_path):
    def breaking():
        yield np.zeros(8, np.float32)
        raise OSError(28, "No space left on device")

    infos = [("a", (8,), 0, 32), ("b", (8,), 0, 32)]
    with pytest.raises(OSError, match="No space"):
        gguf._write(tmp_path / "x.gguf", b"", 0, infos, breaking())
    assert list(tmp_path.iterdir()) == []
