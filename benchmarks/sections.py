"""Measures how articles are told from navigation, on the links of real news pages.

    PYTHONPATH=. .venv/bin/python -m benchmarks.sections
    PYTHONPATH=. .venv/bin/python -m benchmarks.sections --show koha.net

The pages are those of the corpora (RASID_CORPORA, or ../shared/corpora) named below: of each site
its menus, and its lists of newest and related articles. The truth is, for each site, the form that
its articles' addresses have, found by reading its links; what is neither (videos, galleries) is
left out. `known` are the sites the weights were set on, `unseen` the others. newspaper4k's rule for
addresses is measured beside it where it is installed (`uv pip install --group bench`).
"""

import argparse
import gzip
import importlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from urllib.parse import unquote

from benchmarks.pages import corpora
from crawler.discovery import documents, sections

#: By a part of the page's address: the form of articles, and of what is neither.
KNOWN: Mapping[str, tuple[str, str]] = {
    "alyaum.com/": (r"/articles/\d+/", r""),
    "almadenahnews.com/": (r"/article/\d+-", r""),
    "arabic.sputniknews.com/": (r"/\d{12,}-", r""),
    "youm7.com/": (r"/story/\d{4}/", r""),
    "khabaronline.ir/": (r"/news/\d+/", r""),
    "albayan.ae/": (r"/\d{4}-\d\d-\d\d-1\.", r"PrintPage"),
    "mynet.com/": (r"-\d{9,}$", r"app-link|galeri"),
    "lexpress.fr/": (r"_\d{6,}\.html$", r"video"),
    "tribunnews.com/": (r"/\d{4}/\d\d/\d\d/", r"video|/tag/"),
    "farodevigo.es/": (r"/\d{4}/\d\d/\d\d/", r""),
    "infranken.de/": (r"-art-\d+", r"fotos"),
    "jagran.com/": (r"-\d{7,}\.html", r"search/"),
    "news.biglobe.ne.jp/": (r"/topics/[a-z]+/\d{4}/\d+|/\d{4}/[a-z0-9]+_\d+_\d+", r""),
    "ilmattino.it/": (r"-\d{6,}\.html$", r"/video/|/foto/"),
    "tucson.com/": (
        r"/article_[0-9a-f-]+\.html",
        r"/collection_|/video_|/image_|/letters/|/tncms/",
    ),
    "timesofindia.indiatimes.com/": (r"/articleshow/\d+", r"videoshow|photostory|/photos/|msid"),
    "noz.de/": (r"/artikel/\d+/", r"gallery|video|ticker|liveblog"),
    "tass.ru/": (r"/\d{6,}$", r""),
    "trojmiasto.wyborcza.pl/": (r"/7,\d+,\d+", r""),
    "lrt.lt/": (r"/\d+/\d{5,}/", r""),
    "stuff.co.nz/": (r"/\d{8,}/", r"about-stuff|/\d{8,}/stuff-"),
}
UNSEEN: Mapping[str, tuple[str, str]] = {
    "philstar.com/": (r"/\d{4}/\d\d/\d\d/\d+/", r""),
    "news18.com/": (r"-\d{6,}\.html$", r"photogallery|videos|live"),
    "hindustantimes.com/": (r"/story-\w+\.html$", r"video|photos"),
    "chicago.suntimes.com/": (r"/\d{4}/\d+/\d+/", r"video"),
    "eastbaytimes.com/": (r"/\d{4}/\d\d/\d\d/", r""),
    "koha.net/": (r"/\d{5,}/", r""),
    "avaz.ba/": (r"/\d{6}/", r""),
    "news.am/": (r"/news/\d+", r""),
    "listindiario.com/": (r"/\d{4}/\d\d/\d\d/", r""),
    "oren.mk.ru/": (r"/\d{4}/\d\d/\d\d/", r"video|photo"),
    "mk.ru/": (r"/\d{4}/\d\d/\d\d/", r"video|photo"),
    "otempo.com.br/": (r"-1\.\d+$", r"video|galeria"),
    "haniotika-nea.gr/": (r"/[a-z0-9]+(-[a-z0-9]+){4,}/?$", r"/category/"),
    "unn.com.ua/": (r"/news/\d+", r""),
}


def pages() -> Iterator[tuple[str, bytes]]:
    """Yield address and body of each page of the corpora that may be named above."""
    folder = corpora()
    if folder is None:
        raise SystemExit("no corpora: set RASID_CORPORA")
    seen = set()
    for name in ("dates", "arabic"):
        for line in (folder / name / "truth.jsonl").read_text("utf-8").splitlines():
            row = json.loads(line)
            if row["url"] not in seen:
                seen.add(row["url"])
                yield row["url"], gzip.decompress((folder / name / row["file"]).read_bytes())


def measure(labels: Mapping[str, tuple[str, str]], show: str | None) -> None:
    """Print precision and recall over the labelled pages."""
    ours: Counter[tuple[bool, bool]] = Counter()
    theirs: Counter[tuple[bool, bool]] = Counter()
    try:
        rule = importlib.import_module("newspaper.urls").valid_url
    except ImportError:
        rule = None
    count = 0
    for url, body in pages():
        label = next((label for part, label in labels.items() if part in url), None)
        root = sections.tree_of(documents.look(body, None, Counter()).text)
        if label is None or root is None:
            continue
        count += 1
        targets = sections.targets_of(root, url)
        found = {target.key for target in sections.articles(targets, url, frozenset())}
        for key, target in targets.items():
            written = unquote(target.url)
            if label[1] and re.search(label[1], written):
                continue
            truth = bool(re.search(label[0], written.partition("?")[0]))
            ours[truth, key in found] += 1
            if rule:
                theirs[truth, bool(rule(target.url))] += 1
            if show and show in url and truth != (key in found):
                print("missed " if truth else "no article", f"{target.weight:5.1f}", written[:100])
    print(f"{count} pages, {ours.total()} links, {ours[True, True] + ours[True, False]} articles")
    for name, counts in (("rasid", ours), ("newspaper4k", theirs)):
        if counts:
            right = counts[True, True]
            precision = right / (right + counts[False, True])
            recall = right / (right + counts[True, False])
            print(f"  {name:12} precision {precision:.3f} recall {recall:.3f}")


def main() -> None:
    """Measure both sets."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--show", help="print what is wrong on the pages of this site")
    arguments = parser.parse_args()
    for name, labels in (("known", KNOWN), ("unseen", UNSEEN)):
        print(name, end=": ")
        measure(labels, arguments.show)


if __name__ == "__main__":
    main()
