"""Over real pages with known truth, where they are at hand: no article is taken for something else.

The pages stand in the folder that RASID_CORPORA names, or beside the project.
"""

import pytest

from benchmarks.extraction import corpora, load_scorer
from services.shared.contracts import RawPage, Rejection
from worker.extract import extract

pytestmark = pytest.mark.skipif(
    not (corpora() / "score.py").is_file(),
    reason=f"no corpora in {corpora()}; RASID_CORPORA names their folder",
)


@pytest.mark.filterwarnings("ignore")  # what the libraries say of strange pages is not the subject
def test_no_article_is_refused_as_a_list_or_for_a_paywall() -> None:
    """Of hundreds of real articles, not one is called a list, a gallery, a video or a teaser."""
    refused, seen = [], 0
    for page in load_scorer(corpora()).pages(["abe", "wcxb", "dates", "arabic"]):
        read = extract(RawPage(body=page.html, origin="corpora", final_url=page.url))
        seen += 1
        if isinstance(read, Rejection) and read.reason in {"not_article", "paywall"}:
            refused.append((page.url, read))
    assert refused == []
    assert seen > 0
