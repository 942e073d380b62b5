"""What each pattern does, what it costs in calls of the chat model, and whose idea it is: for `trivium patterns`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class About:
    """A pattern in a few words.

    Attributes:
        title: what it does, in one line.
        calls: of the chat model for one question, with the pattern's own settings ("1", "2 to 5", "1 + passages").
        paper: authors, year and arXiv number; "" where it follows no one paper.
    """

    title: str
    calls: str
    paper: str = ""


ABOUT: Mapping[str, About] = {
    "closed_book": About("The model alone, from memory", "1", "Roberts et al. 2020, arXiv:2002.08910"),
    "instructed": About("The model alone, after instructions", "1", "Wei et al. 2021, arXiv:2109.01652"),
    "chain_of_thought": About("The model alone, reasoning first", "1", "Wei et al. 2022, arXiv:2201.11903"),
    "retrieve_only": About("The best sentence of the passages, quoted", "0", "Chen et al. 2017, arXiv:1704.00051"),
    "long_context": About("Whole documents in the prompt", "1", "Li et al. 2024, arXiv:2407.16833"),
    "naive": About("The nearest passages by vector, as they are", "1", "Lewis et al. 2020, arXiv:2005.11401"),
    "advanced": About("The default: search both ways, rerank, judge, answer, prove", "0 or 1"),
    "listwise": About("Passages ordered by the chat model, in windows", "2 to 5", "Sun et al. 2023, arXiv:2304.09542"),
    "rewrite": About("Searches for a rewriting of the question", "1 or 2", "Ma et al. 2023, arXiv:2305.14283"),
    "hyde": About("Searches with a made-up passage", "1 or 2", "Gao et al. 2022, arXiv:2212.10496"),
    "multi_query": About("RAG-Fusion: several wordings, joined by rank", "1 or 2", "Rackauckas 2024, arXiv:2402.03367"),
    "step_back": About("Searches for a more general question as well", "1 or 2", "Zheng et al. 2023, arXiv:2310.06117"),
    "decompose": About(
        "Sub-questions at once, each answered by itself", "1 to 6", "Perez et al. 2020, arXiv:2002.09758"
    ),
    "decompose_in_turn": About(
        "Sub-questions one after the other (self-ask)", "1 to 9", "Press et al. 2022, arXiv:2210.03350"
    ),
    "compressed": About("Passages shortened before they are read", "1 or 2", "Xu et al. 2023, arXiv:2310.04408"),
    "rm3": About("Searches again with the words of what was found first (RM3)", "0 or 1"),
    "self_query": About(
        "Filters on metadata, drawn from the question", "0 to 2", "Poliakov and Shvai 2024, arXiv:2406.13213"
    ),
    "iter_retgen": About(
        "Searches again with the answer so far (ITER-RETGEN)", "0 to 2", "Shao et al. 2023, arXiv:2305.15294"
    ),
    "ircot": About(
        "Searches with each sentence of the reasoning (IRCoT)", "0 to 4", "Trivedi et al. 2022, arXiv:2212.10509"
    ),
    "crag": About(
        "Grades the passages, and searches more widely where they fail (CRAG)",
        "0 to 7",
        "Yan et al. 2024, arXiv:2401.15884",
    ),
    "genread": About("A passage from the model's own memory, read by it", "2", "Yu et al. 2022, arXiv:2209.10063"),
    "recite": About("Several recitations from memory, the majority answers", "6", "Sun et al. 2022, arXiv:2210.01296"),
    "dsp": About(
        "Solved examples, hops of search, an answer from all", "2 to 4", "Khattab et al. 2022, arXiv:2212.14024"
    ),
    "self_rag": About(
        "Answers from each passage alone; its own reflection picks one (Self-RAG)",
        "0 to 13",
        "Asai et al. 2023, arXiv:2310.11511",
    ),
    "adaptive": About(
        "From memory, from one search or several, by difficulty", "0 to 5", "Jeong et al. 2024, arXiv:2403.14403"
    ),
    "chain_of_verification": About(
        "Drafts, looks up what would prove it, answers again", "0 to 6", "Dhuliawala et al. 2023, arXiv:2309.11495"
    ),
    "flare": About(
        "Searches where the next sentence is unsure (FLARE)", "0 to 7", "Jiang et al. 2023, arXiv:2305.06983"
    ),
    "hippo": About(
        "Walks the graph of entities from those of the question", "0 or 1", "Gutierrez et al. 2024, arXiv:2405.14831"
    ),
    "routed": About(
        "No retrieval, or the knowledge base that the question is about", "0 to 2", "Wang et al. 2023, arXiv:2310.05002"
    ),
    "rag_sequence": About(
        "Each passage read by itself, whole answers weighed over all",
        "1 a passage",
        "Lewis et al. 2020, arXiv:2005.11401",
    ),
    "rag_token": About(
        "Each passage read by itself, each token weighed over all", "1 a passage", "Lewis et al. 2020, arXiv:2005.11401"
    ),
    "speculative": About(
        "Passages as drafts of the answer: the same words sooner", "1", "He et al. 2023, arXiv:2311.08252"
    ),
}
"""By the name in `trivium.patterns.PATTERNS`."""
