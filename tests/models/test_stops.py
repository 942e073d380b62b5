"""Stop strings over pieces: the same as on the whole text, however it is cut."""

from hypothesis import given
from hypothesis import strategies as st

from trivium.models.stops import StopFilter


def shown(stops, pieces):
    filter = StopFilter(stops)
    return "".join([*(filter.feed(piece) for piece in pieces), filter.rest()]), filter.found


@given(st.lists(st.text("ab\n", max_size=4), max_size=8), st.lists(st.text("ab\n", max_size=3), max_size=3))
def test_the_pieces_do_not_matter(pieces, stops):
    whole = "".join(pieces)
    places = [whole.find(stop) for stop in stops if stop and stop in whole]
    # met piece by piece, a stop string can be found that ends before one that begins earlier
    text, found = shown(stops, list(whole))
    assert found == bool(places)
    assert shown(stops, [whole]) == (whole[: min(places)] if places else whole, bool(places))
    assert not any(stop and stop in text for stop in stops)
    assert whole.startswith(text)


def test_a_beginning_is_held_back_and_given_at_the_end():
    filter = StopFilter(["END", ""])
    assert [filter.feed(piece) for piece in ("abc E", "N", "x E", "ND more", "z")] == ["abc ", "", "ENx ", "", ""]
    assert filter.found
    held = StopFilter(["END"])
    assert held.feed("the EN") + held.rest() == "the EN"
