"""Question sets and training sets: readers for real formats, splits, leak check, synthesis."""
