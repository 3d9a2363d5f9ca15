"""Addresses: what is a vendor's host, and the many ways in which something else looks like one."""

from __future__ import annotations

import pytest

from sluice.core.errors import SettingInvalid, VendorAnswerBroken
from sluice.sources.urls import check_base_url, is_public, resolve

BASE = check_base_url("https://api.vendor.com/v1")

BYPASSES = [
    "",
    "api.vendor.com",
    "//api.vendor.com",
    "ftp://api.vendor.com",
    "file:///etc/passwd",
    "gopher://api.vendor.com",
    "javascript:alert(1)",
    "http://api.vendor.com",
    "HTTPS://api.vendor.com",
    "https:/api.vendor.com",
    "https:///api.vendor.com",
    "https://",
    "https:// api.vendor.com",
    " https://api.vendor.com",
    "https://api.vendor.com ",
    "https://api.vendor.com\n",
    "https://api.vendor.com\r\nHost: evil.com",
    "https://api.vendor.com\t",
    "https://api.vendor.com\0",
    "https://api.vendor.com\\@evil.com",
    "https://user@api.vendor.com",
    "https://user:pass@api.vendor.com",
    "https://api.vendor.com@evil.com",
    "https://api.vendor.com:443@evil.com",
    "https://api.vendor.com#@evil.com",
    "https://api.vendor.com?@evil.com",
    "https://api.vendor.com/?next=1",
    "https://api.vendor.com/#part",
    "https://api.vendor.com/a/../b",
    "https://api.vendor.com/./b",
    "https://api.vendor.com/%2e%2e/b",
    "https://api.vendor.com//evil.com",
    "https://api.vendor.com:8443",
    "https://api.vendor.com:80",
    "https://api.vendor.com:0",
    "https://api.vendor.com:99999",
    "https://api.vendor.com:",
    "https://API.vendor.com",
    "https://api.vendor.com.",
    "https://.api.vendor.com",
    "https://api..vendor.com",
    "https://-api.vendor.com",
    "https://api_1.vendor.com",
    "https://vendor",
    "https://ap\u0131.vendor.com",
    "https://\u0430pi.vendor.com",
    "https://api\u3002vendor\u3002com",
    "https://%61pi.vendor.com",
    "https://localhost",
    "https://localhost:8000",
    "https://a.localhost",
    "https://db.internal",
    "https://metadata.google.internal",
    "https://printer.local",
    "https://host.lan",
    "https://1.0.0.127.in-addr.arpa",
    "https://127.0.0.1",
    "http://127.0.0.1:8000",
    "https://127.1",
    "https://127.0.1",
    "https://2130706433",
    "https://0x7f000001",
    "https://0x7f.0.0.1",
    "https://0177.0.0.1",
    "https://127.0.0.1.",
    "https://0.0.0.0",
    "https://0",
    "https://10.0.0.1",
    "https://172.16.0.1",
    "https://192.168.1.1",
    "https://169.254.169.254",
    "https://100.64.0.1",
    "https://192.0.2.1",
    "https://198.18.0.1",
    "https://224.0.0.1",
    "https://240.0.0.1",
    "https://255.255.255.255",
    "https://[::1]",
    "https://[::]",
    "https://[::ffff:127.0.0.1]",
    "https://[::ffff:10.0.0.1]",
    "https://[fe80::1]",
    "https://[fc00::1]",
    "https://[fd12:3456::1]",
    "https://[ff02::1]",
    "https://[64:ff9b::7f00:1]",
    "https://[2002:7f00:1::]",
    "https://[2001:db8::1]",
    "https://[::1",
    "https://[fe80::1%25eth0]",
    "https://[::127.0.0.1.evil.com]",
]


@pytest.mark.parametrize("url", BYPASSES)
def test_what_only_looks_like_a_vendor_is_refused(url):
    """A base URL is https, a plain public name or address, no port, no tricks."""
    with pytest.raises(SettingInvalid, match="base_url"):
        check_base_url(url)


def test_the_corpus_of_bypasses_is_large_enough():
    """The table above is the point of this file."""
    assert len(set(BYPASSES)) >= 80


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://api.vendor.com", "https://api.vendor.com"),
        ("https://api.vendor.com/", "https://api.vendor.com"),
        ("https://api-2.vendor.co.uk/v1/", "https://api-2.vendor.co.uk/v1"),
        ("https://api.vendor.com:443/v1", "https://api.vendor.com:443/v1"),
        ("https://8.8.8.8", "https://8.8.8.8"),
        ("https://[2606:4700::1111]", "https://[2606:4700::1111]"),
    ],
)
def test_a_plain_public_address_is_taken(url, kept):
    """Only a trailing slash is taken off."""
    assert check_base_url(url).url == kept


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000", "https://localhost:1", "http://[::1]:80/x", "http://127.8.9.1"]
)
def test_loopback_is_for_the_local_stage_only(url):
    """The same address is taken where loopback is allowed, and nowhere else."""
    assert check_base_url(url, allow_loopback=True).loopback
    with pytest.raises(SettingInvalid, match="local stage"):
        check_base_url(url)


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1", "http://api.vendor.com", "https://169.254.169.254"]
)
def test_allowing_loopback_allows_nothing_else(url):
    """The local stage may not reach private addresses or speak plain http to the world either."""
    with pytest.raises(SettingInvalid):
        check_base_url(url, allow_loopback=True)


@pytest.mark.parametrize(
    "location",
    [
        "https://evil.com/x",
        "//evil.com/x",
        "///evil.com/x",
        "/\\evil.com/x",
        "\\\\evil.com",
        "http://api.vendor.com/x",
        "https://api.vendor.com:8443/x",
        "https://user@api.vendor.com/x",
        "https://api.vendor.com@evil.com/x",
        "https://api.vendor.com.evil.com/x",
        "https://evil.com#https://api.vendor.com",
        "https://127.0.0.1/x",
        "ftp://api.vendor.com/x",
        "javascript:alert(1)",
        "data:application/json,{}",
        "https://[::1]/x",
        "",
        " /x",
        "/x y",
        "/x\n",
        "https://\u0430pi.vendor.com/x",
    ],
)
def test_a_vendors_link_never_leads_elsewhere(location):
    """Redirects and links from payloads stay on scheme, host and port of the base."""
    with pytest.raises(VendorAnswerBroken):
        resolve(BASE, location)


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/cars?scroll_id=a%20b", "https://api.vendor.com/cars?scroll_id=a%20b"),
        ("https://api.vendor.com/cars", "https://api.vendor.com/cars"),
        ("https://API.VENDOR.COM/cars", "https://api.vendor.com/cars"),
        ("https://api.vendor.com:443/cars", "https://api.vendor.com/cars"),
        ("?page=2", "https://api.vendor.com/v1?page=2"),
    ],
)
def test_a_link_on_the_same_host_is_followed(location, url):
    """Relative links and the very same host are the vendor's own."""
    assert str(resolve(BASE, location)) == url


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("10.1.2.3", False),
        ("169.254.169.254", False),
        ("127.0.0.1", False),
        ("fe80::1%eth0", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::a00:1", False),
        ("2002:a00:1::", False),
        ("224.0.0.1", False),
        ("0.0.0.0", False),  # noqa: S104 - judged, not bound
    ],
)
def test_resolved_addresses_are_judged_too(address, public):
    """What a public name leads to must itself be public."""
    assert is_public(address) is public
