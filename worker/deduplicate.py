"""A text and those that may be copies of it go in; which stories it joins, and overlaps, come out.

Two texts are copies when most of the shorter one's runs of three words stand in the longer one, in
passages rather than scattered, and from its beginning or nearly all of it. A report made of
yesterday's by changing its numbers is none; nor are two texts of one outlet that are merely much
alike, for an outlet uses its own paragraphs again. The figures are in docs/decisions.md.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from services.shared.contracts import Candidate, Overlap, Relation
from worker.fingerprint import MIN_TOKENS, RUN, Hashes, runs, word_hashes

#: Of 64 minima that two copies share at least; chance and a common quotation give fewer.
SKETCH_SHARED = 8
#: A member of a story finds others for it only when it is so long, against the longest: else cut
#: copies, of which little is left but background, would draw the follow-ups in.
RECRUITS_FROM = 0.6
#: Stories that are compared in vain, before the others are left.
STORIES_COMPARED = 6
OVERLAP_FROM = 0.2

WINDOW = 24  # words; a passage is copied where half of such a window is
LEAD = 60  # words
SHORTER_FROM = 0.3
ANOTHER_NUMBER = np.uint64(1)
ONLY_NUMBERS = runs(np.full(RUN, ANOTHER_NUMBER))[0]

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Runs:
    """The runs of a text: the different ones in order, and of each run which of these it is."""

    distinct: Hashes
    places: npt.NDArray[np.int32]

    @classmethod
    def of(cls, hashes: Hashes) -> "Runs":
        """Return the runs of these hashes, in the order they have in the text."""
        distinct, places = np.unique(hashes, return_inverse=True)
        return cls(distinct, places.astype(np.int32))


@dataclass(frozen=True, slots=True)
class Document:
    """A text made ready for comparing, and whose it is."""

    words: Hashes
    runs: Runs = field(repr=False)
    #: Its runs where any number is as good as another: what a report is filled into.
    frame: Runs = field(repr=False)
    vocabulary: Hashes = field(repr=False)
    counts: npt.NDArray[np.int64] = field(repr=False)
    #: Source, site or both; two documents that share one are of one outlet.
    outlets: frozenset[str]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two texts share; s is the shorter of them. Floats are shares, 0 to 1."""

    containment: float = 0.0  # of s's distinct runs, in the longer one
    jaccard: float = 0.0
    coverage: float = 0.0  # of s's words, in copied passages
    lead: float = 0.0  # of s's first words, in copied passages
    length: float = 0.0  # of s, against the longer one
    template: bool = False  # the copied passages differ in their numbers, and in little else
    copied: int = 0  # words of s in copied passages
    identical: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which articles this one is to be linked with, and all overlaps that were seen."""

    matches: tuple[int, ...] = ()
    overlaps: tuple[Overlap, ...] = ()


def prepare(tokens: Sequence[str], outlets: Iterable[str] = ()) -> Document:
    """Return the document of these words."""
    words = word_hashes(tokens)
    vocabulary, counts = np.unique(words, return_counts=True)
    return Document(
        words=words,
        runs=Runs.of(_masked_runs(words)),
        frame=Runs.of(runs(_framed(words))),
        vocabulary=vocabulary,
        counts=counts,
        outlets=frozenset(outlets),
    )


def _masked_runs(words: Hashes) -> Hashes:
    """Return the runs; a single number in a run counts as any number."""
    numbers = _is_number(words)
    if len(words) < RUN or not numbers.any():
        return runs(words)
    several = np.convolve(numbers.astype(np.int8), np.ones(RUN, np.int8), "valid") > 1
    masked = runs(np.where(numbers, ANOTHER_NUMBER, words))
    return np.where(several, runs(words), masked) if several.any() else masked


def choose(
    article_id: int, sketch: bytes, candidates: Sequence[Candidate], *, copies: int = 0
) -> list[int]:
    """Return the articles to compare with: of each story the likeliest member and the longest.

    `copies` is how many stories are known already to be the article's own: with so many more is it
    compared, for of ten copies that come at once each is a story of its own.
    """
    stories: dict[int, list[tuple[int, Candidate]]] = defaultdict(list)
    for candidate in candidates:
        alike = shared(sketch, candidate.sketch)
        if candidate.certain or alike >= SKETCH_SHARED:
            stories[candidate.story_id].append((alike, candidate))
    likely = sorted(stories.values(), key=lambda members: -max(n for n, _ in members))
    chosen: dict[int, None] = {}
    for members in likely[: STORIES_COMPARED + copies]:
        longest = members[0][1]
        recruiters = [
            (alike, -found.article_id)
            for alike, found in members
            if found.tokens_count >= RECRUITS_FROM * longest.longest_tokens_count or found.certain
        ]
        if recruiters:
            chosen[-max(recruiters)[1]] = None
        chosen[longest.longest_id] = None
        chosen.update((found.article_id, None) for _, found in members if found.certain)
    chosen.pop(article_id, None)
    return list(chosen)


def shared(sketch: bytes, other: bytes) -> int:
    """Return how many of their minima two sketches share; 0 where one has none."""
    if not sketch or len(sketch) != len(other):
        return 0
    return int(np.count_nonzero(np.frombuffer(sketch, np.uint8) == np.frombuffer(other, np.uint8)))


def decide(
    article_id: int,
    document: Document,
    others: Mapping[int, Document],
    story_of: Mapping[int, int],
) -> Verdict:
    """Return what to link the article with.

    `others` are the chosen articles, the likeliest first. It joins the story of the one most alike.
    Another story joins with it only if that one's member is a copy of the first's too, or if this
    article holds all of it or is much the same.
    """
    overlaps = []
    copies: dict[int, tuple[float, int, Comparison]] = {}
    for other_id, other in others.items():
        found = compare(document, other)
        relation = relate(found, same_outlet=bool(document.outlets & other.outlets))
        if relation is None:
            continue
        overlaps.append(
            Overlap(
                article_id=min(article_id, other_id),
                other_article_id=max(article_id, other_id),
                relation=relation,
                containment=found.containment,
                jaccard=found.jaccard,
                coverage=found.coverage,
            )
        )
        story = story_of[other_id]
        if relation == "same_story" and (story not in copies or found.jaccard > copies[story][0]):
            copies[story] = found.jaccard, other_id, found
    if not copies:
        return Verdict(overlaps=tuple(overlaps))
    (_, first, _), *rest = sorted(copies.values(), key=lambda copy: -copy[0])
    matches = [first]
    for _, other_id, found in rest:
        if _ties(document, others[other_id], found) or _same(others[first], others[other_id]):
            matches.append(other_id)
    return Verdict(tuple(matches), tuple(overlaps))


def _ties(document: Document, other: Document, found: Comparison) -> bool:
    """Return whether the document holds all of the other, or is much the same."""
    longer = len(document.words) > len(other.words)
    holds = longer and found.containment >= 0.8 and found.length >= 0.45  # noqa: PLR2004
    return holds or found.jaccard >= 0.6  # noqa: PLR2004


def _same(one: Document, other: Document) -> bool:
    found = compare(one, other)
    return relate(found, same_outlet=bool(one.outlets & other.outlets)) == "same_story"


def relate(found: Comparison, *, same_outlet: bool) -> Relation | None:
    """Return how two texts stand to each other; None where they share too little to tell."""
    if found.identical:
        return "same_story"
    if found.containment < OVERLAP_FROM:
        return None
    if same_outlet:
        copied = found.containment >= 0.8 and found.coverage >= 0.85  # noqa: PLR2004
    else:
        begins = found.lead >= 0.3 or found.coverage >= 0.85  # noqa: PLR2004
        copied = found.containment >= 0.45 and found.coverage >= 0.75 and begins  # noqa: PLR2004
    if not copied or found.copied < MIN_TOKENS:
        return "overlap"
    if found.template:
        return "template"
    return "same_story" if found.length >= SHORTER_FROM else "excerpt"


def compare(one: Document, other: Document) -> Comparison:
    """Return what two texts share. Symmetric; nothing where one is empty."""
    shorter, longer = sorted((one, other), key=lambda document: len(document.words))
    if not len(shorter.words):
        return Comparison()
    counts = len(shorter.runs.distinct), len(longer.runs.distinct)
    hits, hits_back = _common(shorter.runs, longer.runs)
    both = int(np.count_nonzero(hits))
    containment = both / min(counts)
    jaccard = both / (sum(counts) - both)
    length = len(shorter.words) / len(longer.words)
    if containment < OVERLAP_FROM:
        return Comparison(containment=containment, jaccard=jaccard, length=length)
    passages = _passages(_covered(shorter.runs, hits, len(shorter.words)))
    return Comparison(
        containment=containment,
        jaccard=jaccard,
        coverage=float(passages.mean()),
        lead=float(passages[:LEAD].mean()),
        length=length,
        template=_is_template(shorter, longer, passages, hits_back),
        copied=int(np.count_nonzero(passages)),
        identical=np.array_equal(one.words, other.words),
    )


def _common(one: Runs, other: Runs) -> tuple[Mask, Mask]:
    """Return which of the different runs of each the other has too. Neither may be empty."""
    at = np.searchsorted(other.distinct, one.distinct)
    at[at == len(other.distinct)] = 0
    hits: Mask = other.distinct[at] == one.distinct
    back = np.zeros(len(other.distinct), bool)
    back[at[hits]] = True
    return hits, back


def _covered(runs_of: Runs, hits: Mask, count: int) -> Mask:
    """Return which of `count` words lie in runs that are hit."""
    hit = hits[runs_of.places]
    covered = np.zeros(count, bool)
    for offset in range(count - len(hit) + 1):
        covered[offset : offset + len(hit)] |= hit
    return covered


def _framed(words: Hashes) -> Hashes:
    """Return the words, each number as any number."""
    return np.where(_is_number(words), ANOTHER_NUMBER, words)


def _passages(covered: Mask) -> Mask:
    """Return which words lie where half of what is around them is covered."""
    count = len(covered)
    if count <= WINDOW:
        return np.full(count, covered.mean() * 2 >= 1)
    before = np.concatenate(([0], np.cumsum(covered)))
    starts = np.flatnonzero((before[WINDOW:] - before[:-WINDOW]) * 2 >= WINDOW)
    edges = np.zeros(count + 1, np.int32)
    edges[starts] += 1
    edges[starts + WINDOW] -= 1
    return np.cumsum(edges[:-1]) > 0


def _is_template(shorter: Document, longer: Document, passages: Mask, longer_hits: Mask) -> bool:
    """Return whether more than a fifth of the numbers differ, on both sides, and at least three.

    Numbers that one side spells out, leaves out or adds do not count, nor do those that stand apart
    from the words both have, as the date and the counters around an article do. Where words differ
    as well it takes more: such a text is somebody's own.
    """
    if not _is_number(shorter.vocabulary).any():
        return False
    back = _passages(_covered(longer.runs, longer_hits, len(longer.words)))
    hits, hits_back = _common(shorter.frame, longer.frame)
    # A row of mere numbers is no part of the frame.
    hits &= shorter.frame.distinct != ONLY_NUMBERS
    hits_back &= longer.frame.distinct != ONLY_NUMBERS
    copied = shorter.words[passages & _covered(shorter.frame, hits, len(shorter.words))]
    others = longer.words[back & _covered(longer.frame, hits_back, len(longer.words))]
    numbers = _is_number(copied)
    changed = min(_missing(copied[numbers], longer), _missing(others[_is_number(others)], shorter))
    if np.array_equal(_framed(copied), _framed(others)):
        # Place by place: what was 4:55 for one prayer may be so for another a day later.
        changed = int(np.count_nonzero(copied != others))
    if changed < 3:  # noqa: PLR2004
        return False
    words = copied[~numbers]
    other_words = _missing(words, longer) / max(1, len(words))
    return changed / int(np.count_nonzero(numbers)) > 0.2 + 1.5 * other_words


def _missing(words: Hashes, document: Document) -> int:
    """Return how many of the words the document has not, or not so often."""
    if not len(words):
        return 0
    values, wanted = np.unique(words, return_counts=True)
    at = np.searchsorted(document.vocabulary, values)
    at[at == len(document.vocabulary)] = 0
    there = np.where(document.vocabulary[at] == values, document.counts[at], 0)
    return int(np.maximum(wanted - there, 0).sum())


def _is_number(words: Hashes) -> Mask:
    return (words & np.uint64(1)).astype(bool)
