"""Promises of worker.clean: what stands below a body is told by its shape and its words."""

import pytest

from worker import clean

BODY = [
    "The council voted on Tuesday to open the bridge to traffic again, officials said.",
    "Lorries must wait until the second bearing has been replaced, which will take a month.",
    "The mayor called it a good day for the valley | and went home on foot across the river.",
]
NOTICE = (
    "نرحب بكم ولكي لا نضطر إلى مراجعة التعليقات قبل نشرها ننصحكم بقراءة إرشادات الاستخدام جيدا قبل "
    "أن تكتبوا شيئا. وللعلم فإن مشاركاتكم كلها يمكن أن تستخدم مع الاسم والصورة، استنادا إلى سياسة "
    "الخصوصية وبما يتوافق مع شروط استخدام الموقع، وشكرا لكم على المشاركة معنا دائما."
)
RIGHTS = (
    "© 2019 Valley Press. This report may not be published, broadcast or redistributed without the "
    "agency's consent in writing."
)


@pytest.mark.parametrize(
    "foot",
    [
        "Home | Video | World | Economy | Sport",
        "© 2013 The Valley Herald Network. All Rights Reserved.",
        "The views expressed below do not necessarily reflect those of this newspaper, its owners.",
        "الآراء الواردة أدناه لا تعبر عن رأي الصحيفة، بل تعكس وجهات نظر أصحابها فقط، وهم مسؤولون.",
        NOTICE,
    ],
)
def test_menus_rights_and_notices_below_the_body_are_cut(foot: str) -> None:
    """A menu in a line, an owner's mark and a notice on comments are no text."""
    assert clean.clean([*BODY, foot], []) == BODY


@pytest.mark.parametrize(
    "last",
    [
        "A | B, he wrote on the board, and then he added the sign for the river in blue chalk.",
        "The views expressed at the meeting were many, and the mayor listened to them until ten.",
        RIGHTS,
    ],
)
def test_a_sentence_is_left(last: str) -> None:
    """One phrase, or one stroke, does not make a sentence of the body into a notice."""
    assert clean.clean([*BODY, last], []) == [*BODY, last]
