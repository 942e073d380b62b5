"""Cut a stored text into pieces to be searched: one kind of chunking per file, each a plain function.

Every kind takes a `Document` and `tokens`, a function that gives the span of each token of a text, and returns
`Piece`s, in order of their start. Each piece is an exact span of the stored text; together they cover all of it
but white space. Sizes count the tokens of `tokens`.
"""
