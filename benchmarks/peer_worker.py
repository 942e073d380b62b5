"""One peer as its own documentation sets it up, driven over standard input. Runs in the peer's environment.

Every peer gets the texts in memory and keeps its index in memory: its default. Only the model (the same weights
as Trivium's) and the batch size are set. The peers are plain classes of one shape: `__init__` loads the model,
`index` embeds and stores, `search` returns ids, best first.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from remember import remember
from wire import serve


class LlamaIndex:
    """`VectorStoreIndex` in memory; questions by its default retriever."""

    def __init__(self, model: str, batch: int) -> None:
        from llama_index.core import Settings
        from llama_index.embeddings.huggingface import HuggingFaceEmbedding

        Settings.llm = None
        self.embedder = HuggingFaceEmbedding(model_name=model, embed_batch_size=batch)
        Settings.embed_model = self.embedder

    def index(self, ids: list[str], texts: list[str], split: bool) -> None:
        """Store the texts: as nodes as they are, or as documents through the default splitter."""
        from llama_index.core import Document, VectorStoreIndex
        from llama_index.core.schema import TextNode

        if split:
            documents = [Document(text=text, id_=id) for id, text in zip(ids, texts, strict=True)]
            self.store = VectorStoreIndex.from_documents(documents)
        else:
            nodes = [TextNode(text=text, id_=id) for id, text in zip(ids, texts, strict=True)]
            self.store = VectorStoreIndex(nodes)
        self.split = split

    def search(self, question: str, k: int, variant: str) -> list[str]:
        """Return the ids of the documents (or nodes) found."""
        retriever = self.store.as_retriever(similarity_top_k=k)
        return [hit.node.ref_doc_id if self.split else hit.node.node_id for hit in retriever.retrieve(question)]


class LangChain:
    """`FAISS.from_texts`: a flat index by L2 distance, over unit vectors."""

    def __init__(self, model: str, batch: int) -> None:
        from langchain_huggingface import HuggingFaceEmbeddings

        self.embedder = HuggingFaceEmbeddings(model_name=model, encode_kwargs={"batch_size": batch})

    def index(self, ids: list[str], texts: list[str], split: bool) -> None:
        """Store the texts; LangChain splits nothing by itself."""
        from langchain_community.vectorstores import FAISS

        self.store = FAISS.from_texts(texts, self.embedder, ids=ids)

    def search(self, question: str, k: int, variant: str) -> list[str]:
        """Return the ids of the texts found."""
        return [hit.id for hit in self.store.similarity_search(question, k=k)]


class Haystack:
    """`InMemoryDocumentStore` with its embedding retriever (default) or its BM25 retriever (variant)."""

    def __init__(self, model: str, batch: int) -> None:
        from haystack_integrations.components.embedders.sentence_transformers import (
            SentenceTransformersDocumentEmbedder,
            SentenceTransformersTextEmbedder,
        )

        self.embedder = SentenceTransformersDocumentEmbedder(model=model, batch_size=batch, progress_bar=False)
        self.embedder.warm_up()
        self.asker = SentenceTransformersTextEmbedder(model=model, progress_bar=False)
        self.asker.warm_up()

    def index(self, ids: list[str], texts: list[str], split: bool) -> None:
        """Store the texts; Haystack splits nothing unless a splitter is put in the pipeline."""
        from haystack import Document
        from haystack.components.retrievers.in_memory import InMemoryBM25Retriever, InMemoryEmbeddingRetriever
        from haystack.document_stores.in_memory import InMemoryDocumentStore

        store = InMemoryDocumentStore()
        documents = [Document(id=id, content=text) for id, text in zip(ids, texts, strict=True)]
        store.write_documents(self.embedder.run(documents=documents)["documents"])
        self.dense = InMemoryEmbeddingRetriever(store)
        self.bm25 = InMemoryBM25Retriever(store)

    def search(self, question: str, k: int, variant: str) -> list[str]:
        """Return the ids of the documents found."""
        if variant == "bm25":
            found = self.bm25.run(query=question, top_k=k)
        else:
            found = self.dense.run(query_embedding=self.asker.run(text=question)["embedding"], top_k=k)
        return [document.id for document in found["documents"]]


class Txtai:
    """`Embeddings` with path and content: dense by default, `hybrid=True` as the variant."""

    def __init__(self, model: str, batch: int) -> None:
        from txtai import Embeddings

        self.make: Callable[[bool], Any] = lambda hybrid: Embeddings(
            path=model, content=True, encodebatch=batch, hybrid=hybrid
        )
        self.stores = {"": self.make(False)}

    def index(self, ids: list[str], texts: list[str], split: bool) -> None:
        """Store the texts; txtai splits nothing unless a pipeline is put before."""
        self.rows = [(id, text, None) for id, text in zip(ids, texts, strict=True)]
        self.stores = {"": self.stores[""]}
        self.stores[""].index(self.rows)

    def search(self, question: str, k: int, variant: str) -> list[str]:
        """Return the ids of the texts found."""
        if variant not in self.stores:
            self.stores[variant] = self.make(variant == "hybrid")
            self.stores[variant].index(self.rows)
        return [hit["id"] for hit in self.stores[variant].search(question, k)]


PEERS: dict[str, Callable[[str, int], Any]] = {
    "llamaindex": LlamaIndex,
    "langchain": LangChain,
    "haystack": Haystack,
    "txtai": Txtai,
}


def main() -> None:
    """Serve the peer named on the command line."""
    systems: list[Any] = []

    def load(model: str, batch: int, kept: str = "") -> dict[str, Any]:
        start = time.perf_counter()
        if kept:
            remember(kept, "txtai" if sys.argv[1] == "txtai" else "sentence_transformers")
        systems[:] = [PEERS[sys.argv[1]](model, batch)]
        return {"seconds": time.perf_counter() - start}

    def index(ids: list[str], texts: list[str], split: bool = False) -> dict[str, Any]:
        start = time.perf_counter()
        systems[0].index(ids, texts, split)
        return {"seconds": time.perf_counter() - start, "chunks": len(texts)}

    def search(questions: list[str], k: int, variant: str = "") -> dict[str, Any]:
        start = time.perf_counter()
        rankings = [systems[0].search(question, k, variant) for question in questions]
        return {"seconds": time.perf_counter() - start, "rankings": rankings}

    serve({"load": load, "index": index, "search": search})


if __name__ == "__main__":
    main()
