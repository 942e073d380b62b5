from __future__ import annotations

from trivium.patterns import PATTERNS


def test_patterns_are_listed_with_their_calls_and_papers(run) -> None:
    shown = run("patterns")
    assert shown.status == 0
    for name in PATTERNS:
        assert name in shown.out
    rows = {row["name"]: row for row in run("patterns", "--json").json["patterns"]}
    assert list(rows) == list(PATTERNS)
    assert rows["naive"]["paper"] == "Lewis et al. 2020, arXiv:2005.11401"
    assert rows["retrieve_only"]["calls"] == "0"
