"""What can be said of a text without a model: its sentences, its language, its words.

Each module offers one or two plain functions; nothing here holds state but read-only tables and caches.
"""
