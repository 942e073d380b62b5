"""The question sets of the field, one family a file."""
