"""Promises of worker.comments: readers' comments stand apart, with name and age as written."""

import pytest

from services.shared.contracts import Comment
from worker import tree
from worker.body import comments

FIRST = Comment(text="About time somebody wrote about this.", author="A reader", age="3 hours ago")
ANSWER = Comment(text="I was there.\nIt was like that.", author="Eastsider", age="1 day ago")

BARE = (
    '<div class="comment"><b>A reader</b> <span>3 hours ago</span>'
    "<p>About time somebody wrote about this.</p></div>"
    '<div class="comment"><b>Eastsider</b> <span>1 day ago</span>'
    "<p>I was there.</p><p>It was like that.</p></div>"
)
NESTED = (
    '<ol class="comment-list"><li class="comment even" id="comment-1"><article '
    'class="comment-body"><footer class="comment-meta"><div class="comment-author vcard">'
    '<b class="fn">A reader</b> <span class="says">says:</span></div><div '
    'class="comment-metadata"><a href="#c1"><time>3 hours ago</time></a></div></footer><div '
    'class="comment-content"><p>About time somebody wrote about this.</p></div></article>'
    '<ol class="children"><li class="comment odd"><b class="fn">Eastsider</b><time>1 day ago'
    "</time><p>I was there.</p><p>It was like that.</p></li></ol></li></ol>"
)


def read(body: str) -> tuple[Comment, ...]:
    """Return the comments of a page with this body."""
    root = tree.parse(f"<html><body><h1>Title</h1><p>The article.</p>{body}</body></html>")
    assert root is not None
    return comments.read(root)


@pytest.mark.parametrize(
    "body",
    [
        BARE,
        NESTED,
    ],
    ids=["bare", "answers inside"],
)
def test_comments_in_order_with_name_and_age(body: str) -> None:
    """Each comment once, an answer after what it answers, nothing of one in the other."""
    assert read(body) == (FIRST, ANSWER)


@pytest.mark.parametrize(
    "body",
    [
        '<div class="comment"><p>Share this.</p></div>',
        '<div class="comments-count"><b>12</b><p>comments</p></div>',
        '<div class="comment-form"><b>Your name</b><p>Write what you think.</p></div>',
        '<div class="comment"><b>A reader</b></div>',
        '<div class="comment"><h3>Our view</h3><b>The editor</b><p>Build the wall now.</p></div>',
        '<div class="comment"><b>Name *</b><p>Never shown.</p><input name="email"></div>',
    ],
)
def test_what_is_no_comment(body: str) -> None:
    """Forms, counts and boxes without a name or a text give none."""
    assert read(body) == ()
