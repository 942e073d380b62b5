"""The knowledge base: documents in, searches out; whole or not at all, exactly deletable, under access lists."""

from trivium.index.index import DocumentInfo, Index

__all__ = ["DocumentInfo", "Index"]
