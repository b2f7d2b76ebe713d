"""Promises of the JSON-LD reader: which node is the article's, and who it names."""

import json
from typing import Any

import pytest

from worker import tree
from worker.fields import jsonld

PERSON = {"@type": "Person", "@id": "#mira", "name": "Mira Aalto"}


def nodes(*scripts: Any, title: str = "") -> list[jsonld.Node]:
    """Return the articles of a page with these scripts: values, or text as it is."""
    texts = (item if isinstance(item, str) else json.dumps(item) for item in scripts)
    markup = "".join(f"<script type='application/ld+json'>{text}</script>" for text in texts)
    root = tree.parse(f"<html><head><title>{title}</title>{markup}</head><body>x</body></html>")
    assert root is not None
    return jsonld.articles(root)


@pytest.mark.parametrize(
    "author",
    [
        "Mira Aalto",
        ["Mira Aalto"],
        {"@type": "Person", "name": "Mira Aalto"},
        [{"@type": "Person", "name": ["Mira Aalto"]}],
        {"@list": [{"name": "Mira Aalto"}]},
        {"@id": "#mira"},
        [{"@id": "#mira"}],
    ],
)
def test_an_author_is_read_in_any_shape(author: Any) -> None:
    """Text, object, list, or a reference to a node elsewhere in the graph."""
    graph = {"@graph": [{"@type": "NewsArticle", "author": author}, PERSON]}
    assert jsonld.names(nodes(graph)[0]["author"]) == ["Mira Aalto"]


def test_a_reference_reaches_another_script() -> None:
    """The author may be described in a script of its own."""
    found = nodes({"@type": ["NewsArticle", "Thing"], "author": {"@id": "#mira"}}, PERSON)
    assert jsonld.names(found[0]["author"]) == ["Mira Aalto"]


def test_an_article_of_another_page_comes_last() -> None:
    """Of several articles, the one that the page's title speaks of is the page's."""
    other = {"@type": "NewsArticle", "headline": "Ferry timetable"}
    own = {"@type": "NewsArticle", "headline": "Old bridge reopens"}
    found = nodes([other, own], title="Old bridge reopens | The Quay")
    assert [node["headline"] for node in found] == ["Old bridge reopens", "Ferry timetable"]


def test_a_node_without_a_type_is_an_article_by_what_it_has() -> None:
    """Headline and date make an article; a headline alone does not."""
    assert nodes({"headline": "A", "datePublished": "2024-01-02"})
    assert not nodes({"headline": "A"})


@pytest.mark.parametrize(
    "author",
    [
        '{"@type": "Person", "name": "Mira Aalto"}',
        '[{"@type": "Person", "name": "Mira Aalto"}]',
        '"Mira Aalto"',
    ],
)
def test_what_is_plain_is_saved_from_broken_json(author: str) -> None:
    """Flat fields are read where quotes in the text end the JSON too early; its type is kept."""
    broken = (
        '{"@type": "NewsArticle", "headline": "A", "articleBody": "he said "yes" to it",'
        f'"isAccessibleForFree": false, "commentCount": 12, "author": {author}}}'
    )
    (node,) = nodes(broken)
    assert jsonld.is_news(node)
    assert jsonld.names(node["author"]) == ["Mira Aalto"]
    assert (node["isAccessibleForFree"], node["commentCount"]) == ("false", "12")


def test_all_authors_are_saved_from_broken_json() -> None:
    """A list of authors is read whole, and no other name with it."""
    broken = (
        '{"@type": "NewsArticle", "author": [{"name": "A. Bo"}, {"name": "C. Du"}],'
        '"publisher": {"name": "The Quay"}, "x": "a "b" c"}'
    )
    assert nodes(broken)[0]["author"] == ["A. Bo", "C. Du"]
