"""The graph of a knowledge base: which entities its chunks name, and which of them stand together.

`values` what it is made of · `phrases`, `extract` entities without a model · `store` contributions on disk · `build`
kept in line with the documents · `view` as one asker sees it · `rank` personalised PageRank · `communities` · `export`
GraphML, JSON, Cypher · `draw` a picture.
"""
