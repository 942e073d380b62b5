"""Speculative decoding with drafts from the passages, on quoting answers: tokens a second against plain decoding.

The embedded chat model, in Transformers, is asked to repeat a passage's sentences that bear on a question of SQuAD.

    python benchmarks/speculation.py [questions]
"""

from __future__ import annotations

import json
import sys
import time

import torch

from data import corpus, questions
from trivium.models.chat import open_chat
from trivium.models.decode.drafts import Drafting
from trivium.types import Message


def main(count: int) -> None:
    """Print tokens a second of both, the runs saved, and whether every output was the same."""
    torch.set_num_threads(2)
    chat = open_chat("transformers:", context=2048)
    passage_of = {passage.id: passage.text for passage in corpus("squad")}
    plain_seconds = drafted_seconds = 0.0
    tokens = runs = same = 0
    for question in questions("squad", "test")[:count]:
        passage = passage_of[next(iter(question.relevant))]
        order = f"{passage}\n\nCopy word for word what the text above says about this: {question.text}"
        drafting = Drafting(chat, [passage])
        began = time.perf_counter()
        plain = chat.complete([Message("user", order)], max_tokens=96, logprobs=0)
        middle = time.perf_counter()
        drafted = drafting.complete([Message("user", order)], max_tokens=96)
        drafted_seconds += time.perf_counter() - middle
        plain_seconds += middle - began
        same += plain.text == drafted.text.rstrip("\ufffd")
        tokens += plain.usage.completion_tokens
        runs += drafting.spent[0].calls
    print(
        json.dumps(
            {
                "questions": count,
                "same": same,
                "tokens": tokens,
                "runs": runs,
                "plain_tokens_a_second": round(tokens / plain_seconds, 2),
                "drafted_tokens_a_second": round(tokens / drafted_seconds, 2),
                "faster": round(plain_seconds / drafted_seconds, 2),
            }
        )
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)
