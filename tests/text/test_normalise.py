from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trivium.text.normalise import fold_marks, normalise


def test_forms_a_reader_calls_the_same() -> None:
    assert normalise("ＡＢＣ１２３") == "abc123"
    assert normalise("Straße") == normalise("STRASSE") == "strasse"
    assert normalise("ﬁne") == "fine"
    assert fold_marks("Düsseldorf café") == "Dusseldorf cafe"


@given(st.text())
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
