"""Which addresses may be spoken to. Everything is refused that is not plainly a vendor's host.

A base URL comes from settings and is checked once. Addresses that a vendor puts into a payload or
a redirect must lie on the very same host. Names are looked at here; what they resolve to is looked
at when connecting (``deadline.py``), so that a public name for a private address is refused too.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

import httpx

from sluice.core.errors import SettingInvalid, VendorAnswerBroken

_BASE = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>[a-z0-9.-]+|\[[0-9a-f:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>(?:/[A-Za-z0-9._~-]+)*)/?"
)
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_INNER_NAMES = ("localhost", "localdomain", "local", "internal", "intranet", "lan", "arpa", "home")
_PLAIN = re.compile(r"[\x21-\x5b\x5d-\x7e]+")
"""Visible ASCII without the backslash, which browsers and libraries read in different ways."""


@dataclass(frozen=True, slots=True)
class Base:
    """A checked base URL: where requests go, and nowhere else."""

    scheme: str
    host: str
    port: int | None
    path: str
    loopback: bool

    @property
    def url(self) -> str:
        port = "" if self.port is None else f":{self.port}"
        return f"{self.scheme}://{self.host}{port}{self.path}"


def check_base_url(text: str, *, allow_loopback: bool = False) -> Base:
    """Take a base URL apart, or raise SettingInvalid.

    https with a public name or address and no port. Where ``allow_loopback``, also http or https
    with any port on 127.0.0.0/8, ``[::1]`` or ``localhost``.
    """
    match = _BASE.fullmatch(text)
    if match is None:
        raise _refused(text, "write https://host/path, without user, query, fragment or capitals")
    scheme, host, port = match["scheme"], match["host"], match["port"]
    if any(part in (".", "..") for part in match["path"].split("/")):
        raise _refused(text, "the path has '.' or '..' in it")
    loopback = _is_loopback(host)
    if loopback and not allow_loopback:
        raise _refused(text, "a loopback address is for the local stage only")
    if not loopback:
        _check_public(text, scheme, host, port)
    if port is not None and not 0 < int(port) < 65536:
        raise _refused(text, "the port is out of range")
    return Base(scheme, host, int(port) if port else None, match["path"], loopback)


def resolve(base: Base, location: str) -> httpx.URL:
    """The absolute URL of a redirect or of a payload's link; VendorAnswerBroken if it leaves us.

    Scheme, host and port must be the base's own; user names are refused.
    """
    if not _PLAIN.fullmatch(location) or location.startswith("//"):
        raise VendorAnswerBroken("the vendor names an address that cannot be trusted")
    try:
        url = httpx.URL(base.url).join(location)
    except (httpx.InvalidURL, ValueError, TypeError) as error:
        raise VendorAnswerBroken("the vendor names an address that cannot be read") from error
    home = httpx.URL(base.url)
    if (url.scheme, url.raw_host, url.port) != (home.scheme, home.raw_host, home.port):
        raise VendorAnswerBroken("the vendor names an address on another host")
    if url.userinfo or not url.raw_path.startswith(b"/"):
        raise VendorAnswerBroken("the vendor names an address that cannot be trusted")
    return url


def is_public(address: str) -> bool:
    """True for an IP address that is reachable on the internet and belongs to nobody's inside."""
    ip = ipaddress.ip_address(address.split("%", 1)[0])
    mapped = getattr(ip, "ipv4_mapped", None) or getattr(ip, "sixtofour", None)
    if mapped is not None and not is_public(str(mapped)):
        return False
    nat64 = ip.version == 6 and ip in ipaddress.ip_network("64:ff9b::/96")
    return ip.is_global and not ip.is_multicast and not nat64


def is_loopback_address(address: str) -> bool:
    return ipaddress.ip_address(address.split("%", 1)[0]).is_loopback


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _check_public(text: str, scheme: str, host: str, port: str | None) -> None:
    if scheme != "https":
        raise _refused(text, "use https")
    if port not in (None, "443"):
        raise _refused(text, "only the default port is allowed")
    try:
        public = is_public(host.strip("[]"))
    except ValueError:
        _check_name(text, host)
        return
    if not public:
        raise _refused(text, "a private, local or reserved address is not a vendor")


def _check_name(text: str, host: str) -> None:
    labels = host.split(".")
    if len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels):
        raise _refused(text, "the host is not a full name such as api.example.com")
    # A last label with a digit first is how 127.1, 0x7f.1 and 2130706433 pass for names.
    if not labels[-1][0].isalpha() or labels[-1] in _INNER_NAMES:
        raise _refused(text, "the host is not a public name")


def _refused(text: str, why: str) -> SettingInvalid:
    return SettingInvalid(f"base_url {text!r} is refused: {why}")
