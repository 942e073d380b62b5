"""Tune a model: every method on one loop. Needs the extra `tune`; nothing here loads torch until it is used."""
