"""Tune a model: the third road. Methods, the loop, embedders and rerankers; needs the extra `tune`."""
