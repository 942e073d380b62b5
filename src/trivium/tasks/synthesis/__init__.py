"""Makes question sets from a knowledge base's own documents, with a chat model or without."""

from trivium.tasks.synthesis.kinds import KINDS, WITH_CHAT, WITHOUT_CHAT
from trivium.tasks.synthesis.make import KindReport, MakeReport, make_questions

__all__ = ["KINDS", "WITHOUT_CHAT", "WITH_CHAT", "KindReport", "MakeReport", "make_questions"]
