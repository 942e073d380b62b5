"""Compare the roads on the user's own questions, and say which to take next, with the gain measured.

`measure.py` runs the arms, `decide.py` turns their figures into a ranking with reasons, `report.py` shows both.
"""
