"""A process that compares arms and writes down what it asked: the victim of the test beside it.

python comparer.py KB FOLDER LOG   (each line of LOG: what the chat model was asked)
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import trivium
from trivium.advise import bench
from trivium.advise.decide import decide
from trivium.advise.measure import compare
from trivium.advise.prepare import prepare
from trivium.advise.report import report_json
from trivium.models.fake import FakeChat, FakeEmbedder
from trivium.types import Document, Example, Gold, Message

TOWNS = [f"Town{n}" for n in range(60)]
ARMS = ["closed_book", "instructed", "few_shot_nearest", "retrieve_only", "advanced"]


def text_of(town: str) -> str:
    return f"{town} lies in a valley. The river at {town} is called River{town.removeprefix('Town')}."


def main() -> None:
    kb, folder, log_path = sys.argv[1:]
    log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def say(messages: Sequence[Message]) -> str:
        time.sleep(0.004)
        words = "\n".join(message.content for message in messages)
        os.write(log, f"{hashlib.sha256(words.encode()).hexdigest()[:12]}\n".encode())
        town = next(word.strip("?") for word in reversed(messages[-1].content.split()) if word.startswith("Town"))
        return f"It is River{town.removeprefix('Town')}." if int(town.removeprefix("Town")) % 3 else "I do not know."

    bench.open_chat = lambda *_, **__: FakeChat(say)  # type: ignore[assignment]
    base = trivium.open(kb, embedder=FakeEmbedder(256))
    base.add([Document(f"{town}.md", text_of(town)) for town in TOWNS])
    examples = [
        Example(
            town, f"What is the river called that flows through {town}?", (f"River{town.removeprefix('Town')}",),
            (Gold(f"{town}.md", text_of(town)),), language="en",
        )
        for town in TOWNS
    ]  # fmt: skip
    job = prepare(examples, arms=ARMS, index=base, embedder=lambda: base.embedder, folder=Path(folder))
    found = compare(job.arms, job.bench, job.parts, job.folder, tuning=job.tuning)
    told = report_json(found, decide(found))
    for arm in told["arms"]:  # type: ignore[attr-defined]
        arm.pop("seconds")
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
