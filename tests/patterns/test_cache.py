"""An answer that is given again was given by the very same models."""

from __future__ import annotations

import trivium
from trivium.models.fake import FakeChat, FakeEmbedder, FakeReranker

QUESTION = "How long does the warranty of the X-200 printer last?"


def test_an_answer_is_given_again_only_by_the_same_models(kb) -> None:
    def asked(times: int, chat: FakeChat, **models) -> int:
        opened = trivium.open(kb.root, embedder=FakeEmbedder(256), chat=chat, **models)
        for _ in range(times):
            trivium.ask(opened, QUESTION, pattern="naive")
        return len(chat.calls)

    assert asked(2, FakeChat("24 months.", name="one")) == 1
    assert asked(1, FakeChat("24 months.", name="one")) == 0
    assert asked(1, FakeChat("24 months.", name="two")) == 1
    assert asked(1, FakeChat("24 months.", name="one"), reranker=FakeReranker()) == 1
