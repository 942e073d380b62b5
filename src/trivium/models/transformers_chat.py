"""Chat with a Transformers model folder, with PEFT adapters, in this process (extra `tune`).

Slower than llama.cpp on a CPU. It adds what that lacks: adapters of every PEFT kind as they come from training,
and the log-probabilities of a given text (`TransformersChat.score`).
"""

from __future__ import annotations

import hashlib
import logging
import os
import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from trivium.errors import ContextOverflow, ModelError, ModelNotFound, UnknownName, UsageError
from trivium.extras import need
from trivium.models.gguf_convert import converted_folder, quiet_transformers
from trivium.models.stops import StopFilter
from trivium.models.transformers_generate import Token, generate, generation_settings
from trivium.models.turns import control_pattern, defused, fingerprint, turns
from trivium.types import Completion, Message, TokenLogprob, Usage

DEFAULT_CONTEXT = 8192
"""Used for models that were trained on more, as in llama.cpp."""

_SCORED_AT_ONCE = 512  # positions whose logits over the vocabulary are held together
_log = logging.getLogger("trivium.models")


class TransformersChat:
    """A causal language model with a chat template. Threads may share it; their requests run one after another.

    Conversations are prepared as `LlamaChat` does, and sampling has the same settings (top-k 40, top-p 0.95, min-p
    0.05), though not the same random numbers. Code in the model's folder is never run.

    Args:
        folder: a model folder (config.json, safetensors, tokenizer), or a GGUF file, which is converted once.
        context: limit of prompt plus completion, in tokens; by default what the model was trained on, but at
            most `DEFAULT_CONTEXT`.
        adapters: PEFT adapter folders by the name that a request gives.
        device: `cpu`, `cuda`, …; by default `cuda` where there is one.
        dtype: `float32`, `bfloat16`, `float16`; by default float32 on a CPU, else what the folder holds.

    Raises:
        MissingExtra: torch, transformers or (for adapters) peft is not installed.
        ModelNotFound: a folder is missing.
        ModelError: the model cannot be loaded, or has no chat template.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        context: int | None = None,
        adapters: Mapping[str, str | os.PathLike[str]] | None = None,
        device: str | None = None,
        dtype: str | None = None,
    ) -> None:
        self._torch = need("torch", extra="tune")
        self._transformers = need("transformers", extra="tune")
        path = Path(folder).expanduser()
        self.folder = converted_folder(path) if path.suffix == ".gguf" else path
        self._adapters = {name: Path(place).expanduser() for name, place in (adapters or {}).items()}
        _check_folders(self.folder, self._adapters)
        self.device = device or ("cuda" if self._torch.cuda.is_available() else "cpu")
        dtype = dtype or ("float32" if self.device == "cpu" else "auto")
        with quiet_transformers():
            self._tokenizer, self._model = self._load(dtype)
        self.context = _context(context, self._model.config, self.folder)
        special = [token.content for token in self._tokenizer.added_tokens_decoder.values() if token.special]
        self._control = control_pattern([*special, *self._tokenizer.all_special_tokens])
        self._lock = threading.Lock()

    @cached_property
    def name(self) -> str:
        """The folder's name with a fingerprint of its content, and the same for each adapter."""
        parts = [f"{self.folder.name}@{_folder_fingerprint(self.folder)}"]
        parts += [f"{name}@{_folder_fingerprint(folder)}" for name, folder in self._adapters.items()]
        return "+".join(parts)

    def complete(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int = 512,
        temperature: float = 0.0,
        seed: int = 0,
        stop: Sequence[str] = (),
        schema: Mapping[str, object] | None = None,
        logprobs: int = 0,
        adapter: str | None = None,
    ) -> Completion:
        """Return the whole completion; see `Chat.complete`.

        Raises:
            UsageError: a `schema` was given, which this backend cannot hold an answer to.
        """
        if schema is not None:
            raise UsageError(
                "The Transformers backend cannot hold an answer to a JSON schema.",
                "Use the model as a GGUF file, in llama.cpp, or behind an endpoint with structured output.",
            )
        prompt = self._prompt(messages, max_tokens, adapter)
        stops, text, tokens = StopFilter(stop), "", []
        finish, count = "length", 0
        for token, piece in self._generated(prompt, max_tokens, temperature, seed, logprobs, adapter):
            count += 1
            text += stops.feed(piece)
            if token.number in self._ends:
                finish = "stop"
                break
            if logprobs:
                tokens.append(self._named(token))
            if stops.found:
                finish = "stop"
                break
        usage = Usage(len(prompt), count)
        return Completion(text + stops.rest(), usage, finish, tuple(tokens), self.name)

    def stream(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int = 512,
        temperature: float = 0.0,
        seed: int = 0,
        stop: Sequence[str] = (),
        adapter: str | None = None,
    ) -> Iterator[str]:
        """Yield the text as it is generated; see `Chat.stream`. A prompt that is too long fails at the call."""
        prompt = self._prompt(messages, max_tokens, adapter)
        return self._pieces(prompt, max_tokens, temperature, seed, StopFilter(stop), adapter)

    def count_tokens(self, text: str) -> int:
        """Return the number of tokens of `text`, without special tokens."""
        return len(self._encode(text))

    def score(
        self,
        text: str,
        *,
        messages: Sequence[Message] = (),
        logprobs: int = 0,
        adapter: str | None = None,
    ) -> tuple[TokenLogprob, ...]:
        """Return the log-probability of each token of `text`.

        Args:
            text: what is scored: the assistant's answer to `messages`, or without these a text by itself, whose
                first token is then scored after the model's begin-of-text token (end-of-text where it has none).
            messages: the conversation before it, as for `complete`.
            logprobs: how many of the likeliest alternatives to report at each place.
            adapter: as for `complete`.

        Raises:
            ContextOverflow: conversation and text do not fit the context.
        """
        self._check_adapter(adapter)
        given = self._encode(text)
        if messages:
            before = self._templated(messages, 1)
        else:
            start = self._tokenizer.bos_token_id
            before = [self._tokenizer.eos_token_id if start is None else start]
        if len(before) + len(given) > self.context:
            raise ContextOverflow(len(before) + len(given), self.context)
        if not given:
            return ()
        with self._lock, self._torch.inference_mode(), self._adapted(adapter):
            scored = list(self._scored(before, given, logprobs))
        return tuple(self._named(token) for token in scored)

    def prompt_ids(self, messages: Sequence[Message], max_tokens: int) -> list[int]:
        """Return the tokens of a conversation, up to where the model begins to speak.

        Raises:
            ContextOverflow: they and `max_tokens` do not fit the context.
        """
        return self._prompt(messages, max_tokens, None)

    def text_ids(self, text: str) -> list[int]:
        """Return the tokens of a text, without special ones."""
        return self._encode(text)

    def text_of(self, ids: Sequence[int]) -> str:
        """Return the text of tokens, without special ones."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True))

    @property
    def ends(self) -> frozenset[int]:
        """The tokens with which the model ends its turn."""
        return self._ends

    @contextmanager
    def lent(self) -> Iterator[Any]:
        """Lend the model itself, without adapters and without gradients; other requests wait meanwhile."""
        with self._lock, self._torch.inference_mode(), self._adapted(None):
            yield self._model

    def _load(self, dtype: str) -> tuple[Any, Any]:
        options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        try:
            tokenizer = self._transformers.AutoTokenizer.from_pretrained(self.folder, **options)
            model = self._transformers.AutoModelForCausalLM.from_pretrained(self.folder, dtype=dtype, **options)
            for number, folder in enumerate(self._adapters.values()):
                if number == 0:
                    peft = need("peft", extra="tune")
                    model = peft.PeftModel.from_pretrained(model, folder, adapter_name=_inner_name(number))
                else:
                    model.load_adapter(folder, adapter_name=_inner_name(number))
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            raise ModelError(
                f"Transformers cannot load {self.folder}: {error}.",
                "Check that the folder is whole, and that an adapter was trained on this very model.",
            ) from error
        if not tokenizer.chat_template:
            raise ModelError(
                f"The model in {self.folder} has no chat template.", "Use a model that was tuned for chat."
            )
        return tokenizer, model.to(self.device).eval()

    def _encode(self, text: str) -> list[int]:
        clean = defused(text, self._control).encode("utf-8", "replace").decode("utf-8")
        found: list[int] = self._tokenizer(clean, add_special_tokens=False, verbose=False)["input_ids"]
        return found

    def _templated(self, messages: Sequence[Message], max_tokens: int) -> list[int]:
        spoken = turns(messages, self._control, max_tokens)
        for turn in spoken:
            turn["content"] = turn["content"].encode("utf-8", "replace").decode("utf-8")
        try:
            prompt = self._rendered(spoken)
        except need("jinja2", extra="tune").TemplateError as error:  # a template without a system role
            _log.debug("%s: its template refuses a system message (%s)", self.folder, error)
            first, *others = spoken
            if first["content"] and others:
                others[0] = {**others[0], "content": f"{first['content']}\n\n{others[0]['content']}"}
            prompt = self._rendered(others or spoken)
        return prompt

    def _rendered(self, spoken: list[dict[str, str]]) -> list[int]:
        text = self._tokenizer.apply_chat_template(spoken, add_generation_prompt=True, tokenize=False)
        found: list[int] = self._tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        return found

    def _prompt(self, messages: Sequence[Message], max_tokens: int, adapter: str | None) -> list[int]:
        self._check_adapter(adapter)
        prompt = self._templated(messages, max_tokens)
        if len(prompt) + max_tokens > self.context:
            raise ContextOverflow(len(prompt), self.context - max_tokens)
        return prompt

    def _check_adapter(self, name: str | None) -> None:
        if name is not None and name not in self._adapters:
            raise UnknownName("adapter of this model", name, self._adapters)

    @contextmanager
    def _adapted(self, adapter: str | None) -> Iterator[None]:
        """Switch the adapter on, or all of them off; the caller holds the lock."""
        if adapter is not None:
            self._model.set_adapter(_inner_name(list(self._adapters).index(adapter)))
            yield
        elif self._adapters:
            with self._model.disable_adapter():
                yield
        else:
            yield

    @cached_property
    def _ends(self) -> frozenset[int]:
        found = self._model.generation_config.eos_token_id
        found = [found] if isinstance(found, int) else list(found or ())
        return frozenset([*found, self._tokenizer.eos_token_id])

    def _pieces(
        self,
        prompt: list[int],
        max_tokens: int,
        temperature: float,
        seed: int,
        stops: StopFilter,
        adapter: str | None,
    ) -> Iterator[str]:
        for _, piece in self._generated(prompt, max_tokens, temperature, seed, 0, adapter):
            if shown := stops.feed(piece):
                yield shown
            if stops.found:
                return
        if shown := stops.rest():
            yield shown

    def _generated(
        self,
        prompt: list[int],
        max_tokens: int,
        temperature: float,
        seed: int,
        logprobs: int,
        adapter: str | None,
    ) -> Iterator[tuple[Token, str]]:
        """Yield tokens with the text that each completes. Closing the iterator stops the model after a token."""
        inbox: queue.SimpleQueue[Token | BaseException | None] = queue.SimpleQueue()
        closed = threading.Event()
        settings = generation_settings(max_tokens, temperature, self._ends)

        def receive(number: int, logits: Any) -> None:
            inbox.put(Token.read(number, logits, logprobs) if logprobs else Token(number))

        def work() -> None:
            try:
                with self._lock, self._adapted(adapter), self._torch.random.fork_rng(enabled=temperature > 0):
                    self._torch.manual_seed(seed)
                    generate(self._model, prompt, settings, receive, closed.is_set)
            except BaseException as error:  # handed to the reader below
                inbox.put(error)
            finally:
                inbox.put(None)

        # A thread of its own, so that tokens are handed on while the next are made, and an interrupt is heard.
        threading.Thread(target=work, name="trivium-transformers").start()
        numbers: list[int] = []
        shown = ""
        try:
            while (item := inbox.get()) is not None:
                if isinstance(item, BaseException):
                    raise ModelError(f"Transformers failed: {item}.") from item
                numbers.append(item.number)
                text = self._tokenizer.decode(numbers, skip_special_tokens=True)
                # half a character waits for its other bytes
                piece = "" if text.endswith("\ufffd") else text[len(shown) :]
                shown += piece
                yield item, piece
        finally:
            closed.set()

    def _scored(self, before: list[int], given: list[int], logprobs: int) -> Iterator[Token]:
        """Run the model over blocks of the ids, with a cache, and look each given id up where it is predicted."""
        torch = self._torch
        ids = [*before, *given][:-1]
        first = len(before) - 1  # the position that predicts given[0]
        # virtual tokens before the prompt do not go together with a cache from outside
        whole = any(config.is_prompt_learning for config in getattr(self._model, "peft_config", {}).values())
        step = len(ids) if whole else _SCORED_AT_ONCE
        cache = None
        for start in range(0, len(ids), step):
            block = torch.tensor([ids[start : start + step]], device=self.device)
            keep = min(block.shape[1], start + block.shape[1] - first)
            out = self._model(input_ids=block, past_key_values=cache, use_cache=not whole, logits_to_keep=max(keep, 1))
            cache = None if whole else out.past_key_values
            if keep <= 0:
                continue
            place = start + block.shape[1] - keep - first
            for row in out.logits[0, -keep:]:
                yield Token.read(given[place], row, logprobs)
                place += 1

    def _named(self, token: Token) -> TokenLogprob:
        top: dict[str, float] = {}
        for number, value in token.top:  # best first; parts of one character can share a text
            top.setdefault(self._tokenizer.decode([number]), value)
        return TokenLogprob(self._tokenizer.decode([token.number]), token.logprob, top)


def _inner_name(number: int) -> str:
    # torch allows no dots in it, and PEFT mistakes some words for parts of its own names
    return f"adapter{number}"


def _check_folders(folder: Path, adapters: Mapping[str, Path]) -> None:
    if not (folder / "config.json").is_file():
        cure = "Give a folder with config.json, safetensors and a tokenizer."
        if (folder / "adapter_config.json").is_file():
            cure = f"That is an adapter: name its model before it, as MODEL+NAME={folder}."
        raise ModelNotFound(f"There is no Transformers model in {folder}.", cure)
    for place in adapters.values():
        if not (place / "adapter_config.json").is_file():
            raise ModelNotFound(
                f"There is no PEFT adapter in {place}.", "Give a folder with adapter_config.json and its weights."
            )


def _context(asked: int | None, config: Any, folder: Path) -> int:
    trained = int(getattr(config, "max_position_embeddings", 0) or 0)
    if asked is None:
        return min(trained, DEFAULT_CONTEXT) if trained else DEFAULT_CONTEXT
    if trained and asked > trained:
        raise UsageError(
            f"A context of {asked} tokens was asked for, and {folder.name} was trained on {trained}.",
            f"Ask for {trained} or fewer.",
        )
    return asked


def _folder_fingerprint(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        if file.suffix in (".json", ".safetensors", ".bin", ".jinja", ".model"):
            digest.update(f"{file.name} {fingerprint(file)}\n".encode())
    return digest.hexdigest()[:12]
