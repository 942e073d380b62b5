from __future__ import annotations

import pytest

from trivium.cli.options import metadata, names, place
from trivium.cli.screen import Screen
from trivium.errors import UsageError


def test_principals() -> None:
    assert names(" user:ada, group:legal,,user:ada ") == ("user:ada", "group:legal")
    assert names("") == ()


def test_metadata_values_have_types() -> None:
    given = ["year=2024", "price=3.5", "draft=TRUE", "code=007", "name=a=b", "empty=", "n=-3", "x=nan", "y=1_000"]
    assert metadata(given) == {
        "year": 2024, "price": 3.5, "draft": True, "code": "007", "name": "a=b", "empty": "", "n": -3, "x": "nan",
        "y": "1_000",
    }  # fmt: skip
    assert type(metadata(["year=2024"])["year"]) is int


@pytest.mark.parametrize("pair", ["year", "=2024", " =x"])
def test_metadata_that_is_no_pair(pair: str) -> None:
    with pytest.raises(UsageError, match="key=value"):
        metadata([pair])


def test_the_place_is_the_nearest_named(run, kb, monkeypatch) -> None:
    assert place(Screen(), "") == ".trivium"
    monkeypatch.setenv("TRIVIUM_KB", "from-env")
    for arguments, wanted in (
        (("list",), "from-env"),
        (("--kb", "before", "list"), "before"),
        (("list", "--kb", "after"), "after"),
        (("--kb", "before", "list", "--kb", "after"), "after"),
    ):
        assert run(*arguments).status == 0
        assert kb.calls[-1][1][0] == wanted
