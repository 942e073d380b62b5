"""Tuning the retriever: embedders and rerankers, the negatives and the teachers that they learn from.

Nothing here loads torch until a module that trains is imported.
"""
