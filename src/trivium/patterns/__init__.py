"""The ways to answer a question, one file each: a short function that reads like its paper."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from trivium.patterns.adaptive import adaptive
from trivium.patterns.advanced import advanced
from trivium.patterns.chain_of_thought import chain_of_thought
from trivium.patterns.chain_of_verification import chain_of_verification
from trivium.patterns.closed_book import closed_book
from trivium.patterns.compressed import compressed
from trivium.patterns.crag import crag
from trivium.patterns.decompose import decompose
from trivium.patterns.decompose_in_turn import decompose_in_turn
from trivium.patterns.dsp import dsp
from trivium.patterns.flare import flare
from trivium.patterns.genread import genread
from trivium.patterns.hippo import hippo
from trivium.patterns.hyde import hyde
from trivium.patterns.instructed import instructed
from trivium.patterns.ircot import ircot
from trivium.patterns.iter_retgen import iter_retgen
from trivium.patterns.listwise import listwise
from trivium.patterns.long_context import long_context
from trivium.patterns.marginal import rag_sequence, rag_token
from trivium.patterns.multi_query import multi_query
from trivium.patterns.naive import naive
from trivium.patterns.recite import recite
from trivium.patterns.retrieve_only import retrieve_only
from trivium.patterns.rewrite import rewrite
from trivium.patterns.rm3 import rm3
from trivium.patterns.routed import routed
from trivium.patterns.self_query import self_query
from trivium.patterns.self_rag import self_rag
from trivium.patterns.speculative import speculative
from trivium.patterns.step_back import step_back
from trivium.types import Answer

PATTERNS: Mapping[str, Callable[..., Answer]] = {
    "closed_book": closed_book,
    "instructed": instructed,
    "chain_of_thought": chain_of_thought,
    "retrieve_only": retrieve_only,
    "long_context": long_context,
    "naive": naive,
    "advanced": advanced,
    "rewrite": rewrite,
    "hyde": hyde,
    "multi_query": multi_query,
    "step_back": step_back,
    "decompose": decompose,
    "decompose_in_turn": decompose_in_turn,
    "listwise": listwise,
    "compressed": compressed,
    "rm3": rm3,
    "self_query": self_query,
    "iter_retgen": iter_retgen,
    "ircot": ircot,
    "crag": crag,
    "genread": genread,
    "recite": recite,
    "dsp": dsp,
    "self_rag": self_rag,
    "adaptive": adaptive,
    "chain_of_verification": chain_of_verification,
    "flare": flare,
    "hippo": hippo,
    "routed": routed,
    "rag_sequence": rag_sequence,
    "rag_token": rag_token,
    "speculative": speculative,
}
ALONE = ("closed_book", "instructed", "chain_of_thought", "genread", "recite")
"""Those that are shown no passage and need no knowledge base."""
