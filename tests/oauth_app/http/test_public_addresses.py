"""Only addresses of the public internet are fetched from, whatever the version of Python takes for public."""

import socket

import pytest
from oauth2_provider.cimd import CIMDError

from oauth_app.clients import cimd
from oauth_app.http.public_addresses import is_public

PUBLIC = [
    "93.184.216.34",
    "1.1.1.1",
    "192.0.1.1",
    "2606:2800:220:1::1",
    "2a00:1450:4001::1",
    "64:ff9b::1.1.1.1",
]
OTHERS = {
    "this network": "0.0.0.0",
    "private, 10/8": "10.1.2.3",
    "private, 172.16/12": "172.31.255.255",
    "private, 192.168/16": "192.168.1.1",
    "shared by carriers": "100.64.0.1",
    "loopback": "127.255.0.1",
    "link-local": "169.254.169.254",
    "protocol assignments": "192.0.0.170",
    "documentation": "203.0.113.7",
    "6to4 relays": "192.88.99.1",
    "benchmarks": "198.19.0.1",
    "multicast": "224.0.0.1",
    "reserved": "240.0.0.1",
    "broadcast": "255.255.255.255",
    "unspecified": "::",
    "loopback of IPv6": "::1",
    "IPv4-compatible": "::127.0.0.1",
    "IPv4-compatible, public": "::93.184.216.34",
    "IPv4-mapped": "::ffff:10.0.0.1",
    "IPv4-mapped, public": "::ffff:93.184.216.34",
    "IPv4-translated": "::ffff:0:10.0.0.1",
    "NAT64 of a private address": "64:ff9b::10.0.0.1",
    "NAT64 of link-local": "64:ff9b::169.254.169.254",
    "NAT64 of multicast": "64:ff9b::224.0.0.1",
    "NAT64 of this network": "64:ff9b:1::10.0.0.1",
    "NAT64 of this network, public": "64:ff9b:1::93.184.216.34",
    "discard only": "100::1",
    "6to4 of a private address": "2002:a00:1::1",
    "6to4, public": "2002:5db8:d822::1",
    "Teredo": "2001:0:5db8:d822::f5ff:fffe",
    "ORCHID": "2001:20::1",
    "documentation of IPv6": "2001:db8::1",
    "newer documentation of IPv6": "3fff::1",
    "unique local": "fd00:ec2::254",
    "link-local of IPv6": "fe80::1",
    "link-local with a zone": "fe80::1%eth0",
    "site-local": "fec0::1",
    "multicast of IPv6": "ff02::1",
    "not yet assigned": "4000::1",
    "not an address": "localhost",
    "octal": "0177.0.0.1",
    "empty": "",
}


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_one(address):
    assert is_public(address)


@pytest.mark.parametrize("address", OTHERS.values(), ids=OTHERS)
def test_any_other_address_is_not(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", [address for address in OTHERS.values() if ":" in address or "." in address]
)
@pytest.mark.parametrize("beside", [[], ["93.184.216.34"]])
def test_no_other_address_is_connected_to(monkeypatch, address, beside):
    connected = []
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 443)) for ip in [*beside, address]]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: found)
    monkeypatch.setattr(socket.socket, "connect", lambda self, address: connected.append(address))
    with pytest.raises(CIMDError):
        cimd.NormalisingFetcher().fetch("https://client.example/metadata.json")
    assert connected == []
