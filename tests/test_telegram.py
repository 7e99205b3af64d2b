"""The values that everything else passes around."""

import pytest

from mysense.state import State
from mysense.telegram import PRIVATE, Field, Ident, Location, check_name, clean


def test_numbers_of_other_libraries_that_are_none_are_missing_too():
    class Number(float):
        """As numpy has them."""

    assert clean({"temp": Number("nan"), "rh": Number("inf"), "hpa": Number(1000)}) == {"hpa": 1000}


def test_idents_that_say_the_same_have_the_same_digest_whenever_they_began():
    a = Ident("Demo", "1", meta={"x": "1", "y": "2"})
    b = Ident("Demo", "1", meta={"y": "2", "x": "1"}, since=5)

    assert a.digest == b.digest
    assert a != b
    assert a == Ident("Demo", "1", meta={"x": "1", "y": "2"})


@pytest.mark.parametrize(
    "change",
    [{"project": "Other"}, {"serial": "2"}, {"label": "roof"}, {"geolocation": Location(1, 2)},
     {"fields": (Field("temp", "F"),)}, {"fields": (Field("temp", "C", "DHT22"),)}, {"meta": {"x": "2"}}],
)  # fmt: skip
def test_every_item_of_an_ident_counts(change):
    same = {"project": "Demo", "serial": "1", "fields": (Field("temp", "C"),), "meta": {"x": "1"}}

    assert Ident(**same).digest != Ident(**{**same, **change}).digest


def test_an_ident_cannot_be_changed_from_outside():
    meta = {"x": "1"}
    ident = Ident("Demo", "1", meta=meta)
    meta["x"] = "2"

    assert ident.meta["x"] == "1"
    with pytest.raises(TypeError):
        ident.meta["x"] = "3"


def test_private_items_are_left_out_unless_named():
    ident = Ident("Demo", "1", meta=dict.fromkeys(PRIVATE, "secret") | {"description": "roof"}, since=3)

    assert ident.public().meta == {"description": "roof"}
    assert ident.public(["street"]).meta == {"description": "roof", "street": "secret"}
    assert ident.public().since == 3
    plain = Ident("Demo", "1")
    assert plain.public() is plain


def test_a_place_is_written_as_it_was_read():
    assert str(Location.parse("51.420635, 6.1356117,22.9")) == "51.420635,6.1356117,22.9"
    assert str(Location.parse("51.433,6.22,13")) == "51.433,6.22,13"


@pytest.mark.parametrize("text", ["", "51", "a,b", "51,6,1,2", "91,6", "51,181", "nan,6", "51,inf"])
def test_what_is_no_place_is_refused(text):
    with pytest.raises(ValueError, match=r"lat,lon|goes from"):
        Location.parse(text)


@pytest.mark.parametrize("name", ["BdP", "test_sense", "33004d45", "a.b-c", "x" * 64])
def test_names_of_kits_are_kept(name):
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name", ["", 'my "kit"', "a b", "a,b", "a\nb", "käse", "_x", "../etc", "-rf", "a/b", "x" * 65, "a\n"]
)
def test_names_that_would_break_a_database_a_topic_or_a_file_are_refused(name):
    with pytest.raises(ValueError, match="cannot be a name"):
        check_name(name)


def test_state_knows_what_changed():
    state = State({"a": "1", "b": "2"})
    state["a"] = "1"
    state["c"] = "3"
    del state["b"]

    assert state.take_changes() == {"c": "3", "b": None}
    assert state.take_changes() == {}
    assert dict(state) == {"a": "1", "c": "3"}
