"""Which topics are subscribed, and whom a topic belongs to."""

import pytest

from mysense.channels.mqtt.topics import MOST, Topics, checked, shared


def filters(topic="IoS", projects=".+", serials=".+", group=""):
    return Topics(checked(topic), projects, serials).filters(group)


@pytest.mark.parametrize(
    ("topic", "whole"),
    [
        ("IoS", "IoS/{project}/{serial}"),
        ("IoS/", "IoS/{project}/{serial}"),
        ("/IoS", "/IoS/{project}/{serial}"),
        ("a/b c/ü", "a/b c/ü/{project}/{serial}"),
        ("kits/{serial}/up", "kits/{serial}/up"),
        ("{project}/+/{serial}", "{project}/+/{serial}"),
        ("+", "+"),
        ("#", "#"),
        ("kits/#", "kits/#"),
    ],
)
def test_a_topic_says_where_the_names_stand_or_they_stand_behind_it(topic, whole):
    assert checked(topic) == whole


@pytest.mark.parametrize(
    ("topic", "why"),
    [
        ("a//b", "a level of it is empty"),
        ("a/{project", "a brace stands alone"),
        ("a/\0", "a level of it is empty"),
        ("a/b+", r"\+ stands for a whole level"),
        ("a/#/b", "# for all that follow"),
        ("a/##", r"\+ stands for a whole level"),
        ("a/+#", r"\+ stands for a whole level"),
        ("kit-{serial}/{project}", "each stand for a whole level"),
        ("{project}{serial}", "each stand for a whole level"),
        ("{node}/a", r"\{node\} means nothing here"),
        ("$share/us/IoS", "the option group"),
    ],
)
def test_a_topic_that_cannot_be_is_told(topic, why):
    with pytest.raises(ValueError, match=why):
        checked(topic)


def test_all_nodes_are_subscribed_with_what_may_follow_their_topic():
    assert filters() == ["IoS/+/+", "IoS/+/+/ident", "IoS/+/+/data", "IoS/+/+/station"]


def test_a_few_names_are_subscribed_one_by_one():
    assert filters("IoS", "BdP|Fleet")[::4] == ["IoS/BdP/+", "IoS/Fleet/+"]
    assert filters("IoS", "BdP", "a|b")[::4] == ["IoS/BdP/a", "IoS/BdP/b"]
    assert filters("kits/{serial}", "BdP", "a|b")[::4] == ["kits/a", "kits/b"]


def test_a_pattern_subscribes_all_and_passes_over_the_others():
    topics = Topics(checked("IoS"), "B.*", ".+[0-9]")

    assert topics.filters()[0] == "IoS/+/+"
    assert topics.wants("BdP", "k7")
    assert not topics.wants("ABdP", "k7")
    assert not topics.wants("BdP", "k7x")


def test_many_names_are_not_subscribed_one_by_one():
    many = "|".join(f"n{n}" for n in range(MOST + 1))

    assert filters("IoS", "BdP", many)[0] == "IoS/BdP/+"
    assert filters("IoS", many, "a|b")[0] == "IoS/+/+"
    assert filters("IoS", "a|b|c", "|".join(f"n{n}" for n in range(MOST)))[::4] == ["IoS/a/+", "IoS/b/+", "IoS/c/+"]


def test_a_group_shares_everything_but_idents():
    assert filters(group="us") == [
        "$share/us/IoS/+/+", "IoS/+/+/ident", "$share/us/IoS/+/+/data", "$share/us/IoS/+/+/station",
    ]  # fmt: skip
    assert filters("kits/#", group="us") == ["$share/us/kits/#"]


def test_a_group_has_a_name_that_can_stand_in_a_topic():
    assert shared("us-2.a_b") == "us-2.a_b"
    for name in ("a/b", "a+", "#", "a b"):
        with pytest.raises(ValueError, match="cannot be a group"):
            shared(name)


def test_who_may_write_a_topic_does_not_speak_for_another_node():
    topics = Topics(checked("/a/{project}/{serial}"), ".+", ".+")

    topics.check("/a/BdP/k1", "BdP", "k1")
    topics.check("/a/BdP/k1/data", "BdP", "k1")
    for names in (("BdP", "k2"), ("Bdp", "k1")):
        with pytest.raises(ValueError, match="this topic is not"):
            topics.check("/a/BdP/k1/data", *names)


def test_a_topic_without_places_says_nothing_about_names():
    Topics("kits/#", ".+", ".+").check("kits/x/y", "BdP", "k1")
    Topics("+/{serial}", ".+", ".+").check("x/k1", "BdP", "k1")


@pytest.mark.parametrize("name", ["", "a b", "../x", "ü", "a/b", "x" * 65, "-a"])
def test_a_name_that_cannot_be_is_refused(name):
    with pytest.raises(ValueError, match="cannot be a name"):
        Topics("#", ".+", ".+").check("x", "BdP", name)
