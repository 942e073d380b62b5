"""A chat model that always speaks through one of its adapters."""

from __future__ import annotations

import pytest

from trivium.errors import UnknownName
from trivium.models.adapted import Adapted
from trivium.models.fake import FakeChat
from trivium.types import Message

ASK = [Message("user", "Who?")]


def test_every_request_goes_through_the_adapter() -> None:
    chat = FakeChat("me", adapters=("law", "style"))
    spoken = Adapted(chat, "law")
    assert spoken.complete(ASK).text == "me"
    assert "".join(spoken.stream(ASK)) == "me"
    spoken.complete(ASK, adapter="style")
    assert [call.adapter for call in chat.calls] == ["law", "law", "style"]
    assert (spoken.name, spoken.context, spoken.count_tokens("a b")) == (chat.name, chat.context, 2)


def test_an_adapter_that_is_not_there_is_refused_at_once() -> None:
    with pytest.raises(UnknownName, match="law"):
        Adapted(FakeChat("me", adapters=("law",)), "low")
