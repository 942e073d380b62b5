"""Whatever the access lists: no search, prompt, citation or stored answer shows a chunk that the asker may not read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import trivium
from trivium.models.fake import FakeChat, FakeEmbedder, FakeReranker
from trivium.patterns import PATTERNS
from trivium.types import Document, Message

pytestmark = pytest.mark.attack

PRINCIPALS = ["user:ada", "user:bob", "group:legal", "group:it's", "user:*", 'user:"x"', "*"]
ACCESS = st.lists(st.sampled_from(PRINCIPALS), min_size=0, max_size=3)
ASKERS = st.one_of(st.none(), st.lists(st.sampled_from([p for p in PRINCIPALS if p != "*"]), max_size=3))


def may_read(access: Sequence[str], asker: Sequence[str] | None) -> bool:
    return "*" in access or bool(set(access) & set(asker or ()))


def secret(n: int) -> str:
    return f"zebra{n}code"


class Listening(FakeChat):
    """Answers with everything it was shown, as the worst model would; remembers all of it."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        super().__init__(self._repeat)

    def _repeat(self, messages: Sequence[Message]) -> str:
        shown = "\n".join(message.content for message in messages)
        self.seen.append(shown)
        return " ".join(line for line in shown.splitlines() if "handbook" in line) or "Nothing."


@given(
    lists=st.lists(ACCESS, min_size=1, max_size=8),
    changes=st.lists(ACCESS, max_size=4),
    askers=st.lists(ASKERS, min_size=2, max_size=3),
)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_nothing_leaks(lists: list[list[str]], changes: list[list[str]], askers: list[list[str] | None]) -> None:
    with TemporaryDirectory() as folder:
        chat = Listening()
        kb = trivium.open(Path(folder) / "kb", embedder=FakeEmbedder(), chat=chat, reranker=FakeReranker())
        access = {f"/doc{n}": sorted(set(one)) or ["*"] for n, one in enumerate(lists)}
        for n, (source, one) in enumerate(access.items()):
            kb.add([Document(source, f"The handbook says that the code is {secret(n)} for the handbook.")], one)
        _look(kb, chat, access, askers)
        for (source, _), one in zip(list(access.items()), changes, strict=False):
            if one:
                access[source] = sorted(set(one))
                n = int(source.removeprefix("/doc"))
                kb.add([Document(source, f"The handbook says that the code is {secret(n)} for the handbook.")], one)
        _look(kb, chat, access, askers)


def _look(
    kb: trivium.KnowledgeBase, chat: Listening, access: dict[str, list[str]], askers: Sequence[Sequence[str] | None]
) -> None:
    question = "What does the handbook say the code is?"
    for asker in askers:
        allowed = {source for source, one in access.items() if may_read(one, asker)}
        for mode in ("hybrid", "dense", "lexical"):
            for k in (1, 20):
                found = {hit.chunk.source for hit in kb.search(question, k=k, mode=mode, principals=asker)}
                assert found <= allowed
                assert k == 1 or found == allowed
        for document in kb.documents():
            text = kb.document_text(document.id, principals=asker)
            assert bool(text) == (document.source in allowed)
        for pattern in PATTERNS:
            for _ in range(2):  # the second is answered from the cache
                chat.seen.clear()
                answer = trivium.ask(kb, question, pattern=pattern, principals=asker)
                shown = " ".join([answer.text, *(c.quote for c in answer.citations), *chat.seen])
                shown += " ".join(str(step.detail) for step in answer.trace)
                for n in range(len(access)):
                    assert f"/doc{n}" in allowed or secret(n) not in shown
                assert {hit.chunk.source for hit in answer.hits} <= allowed
                assert {citation.source for citation in answer.citations} <= allowed
