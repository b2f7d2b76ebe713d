"""An http(s) address goes in; the address to fetch, its identity, its host or its site comes out.

`clean` gives an address that leads to the same page without tracking. `key` gives an identity: two
addresses with one key are one article; a key is compared and stored, never fetched.
"""

import hashlib
import re
import tomllib
from collections.abc import Callable
from functools import cache, lru_cache
from pathlib import Path
from urllib.parse import parse_qsl, quote_from_bytes, unquote, unquote_to_bytes

import can_ada
import tldextract

from services.shared import combining
from services.shared.errors import InvalidUrl

#: A key is at most this long, so that it fits a btree index; a longer one ends in its sha256.
MAX_KEY_LENGTH = 1800
#: Of DNS, with a dot at the end.
MAX_HOST_LENGTH = 254

# Soft hyphen, zero-width space, direction marks, byte order mark: pasted along, never meant.
# ZWNJ and ZWJ are letters of a Persian path: kept in the address, folded in the key.
_PASTED = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")
_ESCAPED_AMPERSAND = re.compile("&(?:amp;)+")
_ESCAPE = re.compile("%([0-9A-Fa-f]{2})")
_STRAY_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
# A letter joins the escapes after it, since they may be its combining accent.
_NON_ASCII_RUN = re.compile("[A-Za-z]?(?:%[89A-F][0-9A-F])+")

#: Parameters that only say how the reader came here.
_TRACKING = re.compile(
    r"""(?ix) ^\??(?:
      utm(?:_.*)? | mtm_.* | matomo_.* | piwik_.*
    | pk_(?:campaign|kwd|keyword|source|medium|content)
    | (?:fb|g|d|y|ys|tw|tt|gb|wb)(?:clid|raid) | msclkid | gclsrc
    | gad_(?:source|campaign(?:id)?)
    | ga_.* | _ga | _gl | gs_l | usqp | srsltid | aoh | amp_(?:gsa|js_v|lite|markup) | _x_tr_.*
    | fb_(?:action_ids|action_types|source|ref) | action_(?:object|type|ref)_map
    | igshid | igsh | li_fat_id | __twitter_impression | soc_(?:src|trk)
    | mc_(?:eid|cid|tc) | mkt_tok | _hs(?:enc|mi) | __hs(?:tc|sc|fp) | hsctatracking
    | vero_(?:id|conv) | oly_(?:anon|enc)_id | rb_clickid | wickedid | _openstat | echobox
    | at_(?:medium|campaign|custom\d*|link_.*|ptr_name|bbc_team|format) | xtor | xtref
    | ns_(?:mchannel|source|campaign|linkname|fee) | ocid | cmpid | s_cid | ncid | smid
    | wt_?z?mc(?:_.*)? | guccounter | guce_.* | tsrc | spm | traffic_source | campaign_id
    | ref_?(?:src|url) | taid | wprss | replytocom | comment-?sort
    )$"""
)
#: Parameters that track only when their value says so: `?ref=twitter`, but not `?ref=771`.
_SOMETIMES_TRACKING = frozenset(
    {"amp", "cmp", "feature", "from", "ito", "origin", "output", "outputtype", "partner", "print"}
    | {"ref", "referrer", "rss", "share", "source", "src", "via"}
)
_TRACKING_VALUE = re.compile(
    r"(?i)^(?:1|true|yes|amp|app|copy|e?mail|emb_.*|facebook|fb|feed|google|home(?:page)?|linkedin"
    r"|mobile|newsletter|nf|print|push|rss(?:_?feed)?|share|social|t\.me|telegram|tw|twitter|web"
    r"|whatsapp|x|youtu\.?be|)$"
)
_SESSION = re.compile(
    r"(?i)^(?:(?:php|asp|j)?sess(?:ion)?_?(?:id\w*)?|cfid|cftoken|zenid|oscsid|sid)$"
)
_SESSION_VALUE = re.compile("^[0-9A-Za-z,-]{16,}$")
_PATH_SESSION = re.compile("(?i);(?:jsessionid|phpsessid|sid)=[^/]*")

_FRONT_HOST = re.compile(r"^(?:www\d?|m|mobile|amp|wap|touch)\.(?=[^.]+\.[^.]+)")
_INDEX_PAGE = re.compile(r"(?i)/(?:index|default)\.(?:html?|php|aspx?|jsp|shtml)$")
_AMP_NAME = re.compile(r"(?i)\.amp(?=(?:\.html?)?$)")
_AMP_END = re.compile(r"(?i)/amp(?:\.html?)?$")
_AMP_START = re.compile("(?i)^/amp(?=/)")
_ARTICLE_MARK = re.compile(r"[\d%.-]")


def clean(url: str) -> str:
    """Return the address to fetch and to show: unwrapped, without tracking, in WHATWG form.

    Cleaning a clean address changes nothing. User and password are left out.

    Raises:
        InvalidUrl: not an absolute http(s) address.
    """
    # Each rewriting can uncover another wrapper or another dot segment, and each only shortens.
    for _ in range(16):
        rewritten = _rewrite(url)
        if rewritten == url:
            return url
        url = rewritten
    raise InvalidUrl(f"not an address: {url[:200]!r} unwraps again and again")


@lru_cache(maxsize=4096)
def key(url: str) -> str:
    """Return the identity of the page at `url`: ASCII, no scheme, at most MAX_KEY_LENGTH long.

    http or https, www or m, an alias of its host, AMP or not, order of parameters, index.html, a
    closing slash, letters raw or escaped: all the same. Case of the path and every meaningful
    parameter make a difference.

    Raises:
        InvalidUrl: not an absolute http(s) address.
    """
    parts = _parse(clean(url))
    query = sorted(_one_form(part) for part in parts.search.lstrip("?").split("&") if part)
    identity = "".join(
        (
            _one_host(parts.hostname),
            f":{parts.port}" if parts.port else "",
            _path_key(parts.pathname),
            f"?{'&'.join(query)}" if query else "",
            _one_form(parts.hash),
        )
    )
    if len(identity) <= MAX_KEY_LENGTH:
        return identity
    digest = hashlib.sha256(identity.encode()).hexdigest()
    return f"{identity[: MAX_KEY_LENGTH - 72]}#sha256={digest}"


def key_sha256(normalized_url: str) -> bytes:
    """Return the hash under which an address is stored: of what `key` returns."""
    return hashlib.sha256(normalized_url.encode()).digest()


def host(url: str) -> str:
    """Return the host of an address in ASCII lower case, without port: `www.example.com`.

    Raises:
        InvalidUrl: not an absolute http(s) address.
    """
    return _parse(url).hostname.rstrip(".")


def site(url: str) -> str:
    """Return the registrable domain of an address (`bbc.co.uk`), or its host where there is none.

    Raises:
        InvalidUrl: not an absolute http(s) address.
    """
    name = host(url)
    return _suffixes().extract_str(name).top_domain_under_public_suffix or name


@cache
def _suffixes() -> tldextract.TLDExtract:
    # The list that comes with the library: never fetched, never written to disk.
    return tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)


def _parse(url: str) -> can_ada.URL:
    try:
        parts = can_ada.parse(url)
    except (ValueError, TypeError) as error:  # TypeError: a lone surrogate
        raise InvalidUrl(f"not an address: {url[:200]!r}") from error
    if parts.protocol not in ("http:", "https:") or not parts.hostname.strip("."):
        raise InvalidUrl(f"not an http(s) address: {url[:200]!r}")
    if len(parts.hostname) > MAX_HOST_LENGTH:
        raise InvalidUrl(f"not a host's name: {url[:200]!r}")
    return parts


def _rewrite(url: str) -> str:
    url = _ESCAPED_AMPERSAND.sub("&", _PASTED.sub("", url.strip()))
    parts = _parse(url)
    inner = _unwrapped(parts)
    if inner:
        return inner
    path = _unescape(_PATH_SESSION.sub("", parts.pathname))
    query = "&".join(_kept_parameters(parts.search.lstrip("?")))
    fragment = parts.hash if parts.hash.startswith("#!") else ""
    port = f":{parts.port}" if parts.port else ""
    authority = parts.hostname.rstrip(".") + port
    return f"{parts.protocol}//{authority}{path}{'?' if query else ''}{query}{fragment}"


def _kept_parameters(query: str) -> list[str]:
    return [
        _unescape(part) for part in query.split("&") if part.strip("=?") and not _is_noise(part)
    ]


def _is_noise(parameter: str) -> bool:
    escaped_name, _, escaped_value = parameter.partition("=")
    name, value = unquote(escaped_name).lower(), unquote(escaped_value)
    if _SESSION.match(name):
        return name != "sid" or bool(_SESSION_VALUE.match(value))
    if name in _SOMETIMES_TRACKING:
        return bool(_TRACKING_VALUE.match(value))
    return bool(_TRACKING.match(name))


def _unescape(text: str) -> str:
    """Decode what needs no escape and write the other escapes in upper case (RFC 3986, 6.2.2)."""
    if "%" not in text or _STRAY_PERCENT.search(text):
        return text
    return _ESCAPE.sub(_unescape_one, text)


def _unescape_one(match: re.Match[str]) -> str:
    code = int(match[1], 16)
    return chr(code) if code in _UNRESERVED else match[0].upper()


@cache
def host_aliases() -> dict[str, str]:
    """Return the host to take for each that is only another name for it, as the data file says."""
    return tomllib.loads(Path(__file__).with_name("host_aliases.toml").read_text("utf-8"))


def _one_host(hostname: str) -> str:
    bare = _front_off(hostname)
    return host_aliases().get(bare, bare)


def _front_off(hostname: str) -> str:
    shorter = _FRONT_HOST.sub("", hostname)
    if shorter == hostname:
        return hostname
    # m.com is a site of its own, and mobile.gov.sa must not become a public suffix.
    return shorter if _suffixes().extract_str(shorter).domain else hostname


def _path_key(path: str) -> str:
    path = re.sub("/{2,}", "/", _one_form(path)).rstrip("/")
    path = _AMP_NAME.sub("", _INDEX_PAGE.sub("", path))
    for amp in (_AMP_END, _AMP_START):
        shorter = amp.sub("", path)
        # Only beside a segment that reads like an article's: /2024/title/amp, not /topics/amp.
        if _ARTICLE_MARK.search(shorter.rpartition("/")[2]):
            path = shorter
    return path.rstrip("/") or "/"


def _one_form(escaped: str) -> str:
    """Return one spelling for text that can be composed or not, with or without invisible marks."""
    return _NON_ASCII_RUN.sub(_one_form_run, escaped) if "%" in escaped else escaped


def _one_form_run(match: re.Match[str]) -> str:
    try:
        text = unquote_to_bytes(match[0]).decode()
    except UnicodeDecodeError:
        return match[0]  # a path in an older charset
    return quote_from_bytes(combining.normalized("NFC", _INVISIBLE.sub("", text)).encode())


# --- Services that wrap another page's address ---


def _unwrapped(parts: can_ada.URL) -> str | None:
    """Return the address inside a redirect, cache or archive address, if it is one."""
    for is_wrapper, inner_of in _WRAPPERS:
        if is_wrapper(parts.hostname):
            inner = inner_of(parts)
            return inner if inner and inner.lower().startswith(("http://", "https://")) else None
    return None


def _in_path(pattern: str) -> Callable[[can_ada.URL], str | None]:
    """Read the address from the path; group 1 tells whether it is https."""
    compiled = re.compile(pattern)

    def inner_of(parts: can_ada.URL) -> str | None:
        match = compiled.match(parts.pathname)
        return match and f"http{'s' if match[1] else ''}://{match[2]}{parts.search}"

    return inner_of


def _in_query(*names: str) -> Callable[[can_ada.URL], str | None]:
    def inner_of(parts: can_ada.URL) -> str | None:
        fields = dict(parse_qsl(parts.search.lstrip("?")))
        return next((fields[name] for name in names if name in fields), None)

    return inner_of


def _in_google(parts: can_ada.URL) -> str | None:
    if parts.pathname == "/url":
        return _in_query("url", "q")(parts)
    return _in_path("/amp/(s/)?(.+)")(parts)


_WRAPPERS: tuple[tuple[Callable[[str], object], Callable[[can_ada.URL], str | None]], ...] = (
    (re.compile(r"(?:www\.)?google\.[a-z.]+$").match, _in_google),
    (re.compile(r".+\.cdn\.ampproject\.org$").match, _in_path("/(?:amp|c|v|wp|i)/(s/)?(.+)")),
    (re.compile(r"(?:lm?\.facebook|l\.instagram)\.com$").match, _in_query("u")),
    (re.compile(r"www\.bing\.com$").match, _in_query("url")),
    (
        re.compile(r"web\.archive\.org$").match,
        _in_path(r"/web/\d{4,14}(?:[a-z]{2}_)?/http(s)?:/{1,2}(.+)"),
    ),
)
