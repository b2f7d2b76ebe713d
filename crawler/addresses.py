"""A host name goes in; the addresses we may connect to come out, as a rule public ones only.

The check stands where a connection is made, on the very address it is made to, so that neither a
redirect nor a name that changes its address between check and use gets around it.
"""

from collections import OrderedDict
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Self

from scrapy import Request
from scrapy.core.downloader.handlers.http11 import HTTP11DownloadHandler
from scrapy.crawler import Crawler
from scrapy.exceptions import CannotResolveHostError
from scrapy.http import Response
from twisted.internet.interfaces import IHostnameResolver, IResolutionReceiver
from zope.interface import implementer, provider

from services.shared import urls
from services.shared.errors import InvalidUrl

# Twisted describes its parts with zope's interfaces, which say nothing to a type checker: so Any.

PUBLIC_ONLY = "RASID_PUBLIC_ADDRESSES_ONLY"
NAT64 = IPv6Network("64:ff9b::/96")
#: Python 3.11 takes more for global than the IANA's registries do: of IPv6 only this is given out,
GLOBAL_UNICAST = IPv6Network("2000::/3")
#: but for these (documentation, segment routing, and what is handed on to IPv4 somewhere).
RESERVED = tuple(
    ip_network(text)
    for text in (
        "2001::/23",
        "2001:db8::/32",
        "3fff::/20",
        "192.0.0.0/24",
        "192.88.99.0/24",
        # Azure's metadata and health service, which only machines there can reach.
        "168.63.129.16/32",
    )
)
#: Hosts of which no address was passed on lately, but some refused, newest last: a resolver
#: cannot say why it failed.
_refused: OrderedDict[str, None] = OrderedDict()
REMEMBERED = 10_000


def is_public(text: str) -> bool:
    """Return whether the IP address is one of the public Internet, also inside IPv6 wrappings."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return all(_is_global(part) for part in _parts(address))


def _is_global(address: IPv4Address | IPv6Address) -> bool:
    if not address.is_global or address.is_multicast or any(address in net for net in RESERVED):
        return False
    return isinstance(address, IPv4Address) or address in GLOBAL_UNICAST


def _parts(address: IPv4Address | IPv6Address) -> list[IPv4Address | IPv6Address]:
    """Return the address, or the IPv4 addresses that packets to it end at."""
    if isinstance(address, IPv4Address):
        return [address]
    if address.ipv4_mapped:
        return [address.ipv4_mapped]
    if address.sixtofour:
        return [address, address.sixtofour]
    if address.teredo:
        return [address, *address.teredo]
    if address in NAT64:
        return [IPv4Address(int(address) & 0xFFFFFFFF)]
    return [address]


class AddressNotPublic(CannotResolveHostError):
    """A host has no address that we may connect to, but others."""

    def __init__(self, host: str) -> None:
        """Name the host."""
        super().__init__(host)
        self.host = host


class PublicHandler(HTTP11DownloadHandler):
    """Scrapy's handler, which tells our refusal of an address from a name that has none."""

    async def download_request(self, request: Request) -> Response:
        """Send the request and return the answer.

        Raises:
            AddressNotPublic: it must not be sent.
        """
        try:
            return await super().download_request(request)
        except CannotResolveHostError as error:
            host = urls.host(request.url)
            if host in _refused:
                raise AddressNotPublic(host) from error
            raise


def _one_spelling(host: str) -> str:
    # A connection is given the letters of a name, and an IPv6 address without its brackets.
    try:
        return urls.host(f"http://[{host}]/" if ":" in host else f"http://{host}/")
    except InvalidUrl:
        return host


@implementer(IHostnameResolver)
class PublicResolver:
    """Twisted's resolver, which gives the connection only addresses we may connect to.

    It keeps no cache: hosts move, a crawler runs for months, and asks each host but seldom.
    """

    def __init__(self, reactor: Any, *, public_only: bool) -> None:
        """Stand in front of the reactor's resolver."""
        self._reactor = reactor
        self._resolver: Any = reactor.nameResolver
        self._public_only = public_only

    @classmethod
    def from_crawler(cls, crawler: Crawler, reactor: Any) -> Self:
        """Return the resolver that Scrapy's settings ask for."""
        return cls(reactor, public_only=crawler.settings.getbool(PUBLIC_ONLY, default=True))

    def install_on_reactor(self) -> None:
        """Have every connection of this process resolved here."""
        self._reactor.installNameResolver(self)

    def resolveHostName(  # noqa: N802 - Twisted's interface
        self,
        resolutionReceiver: Any,  # noqa: N803
        hostName: str,  # noqa: N803
        *args: object,
        **kwargs: object,
    ) -> Any:
        """Resolve the name and pass on what may be connected to."""
        receiver = resolutionReceiver
        if self._public_only:
            receiver = _PublicReceiver(resolutionReceiver, hostName)
        # A dot at the end is the same host to us, but not to every system.
        name = hostName.rstrip(".")
        return self._resolver.resolveHostName(receiver, name, *args, **kwargs)


@provider(IResolutionReceiver)
class _PublicReceiver:
    def __init__(self, receiver: Any, host: str) -> None:
        self._receiver = receiver
        self._host = _one_spelling(host)
        self._passed_count = self._refused_count = 0

    def resolutionBegan(self, resolution: Any) -> None:  # noqa: N802
        self._receiver.resolutionBegan(resolution)

    def addressResolved(self, address: Any) -> None:  # noqa: N802
        if is_public(str(address.host)):
            self._passed_count += 1
            self._receiver.addressResolved(address)
        else:
            self._refused_count += 1

    def resolutionComplete(self) -> None:  # noqa: N802
        _refused.pop(self._host, None)
        if self._refused_count and not self._passed_count:
            _refused[self._host] = None
        while len(_refused) > REMEMBERED:
            _refused.popitem(last=False)
        self._receiver.resolutionComplete()
