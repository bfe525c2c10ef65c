"""Malformed or ambiguous HTTP: 400 `bad_request`, a closed connection, and nothing upstream."""
import collections
import string
import time

import pytest

from rig import read_answer

POST = b"POST /v1/org HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
BODY = b'{"name":"n"}'
GOOD = POST + b"Content-Length: 12\r\n\r\n" + BODY

CASES = {
    "bare LF": GOOD.replace(b"\r\n", b"\n"),
    "one bare LF": GOOD.replace(b"h\r\n", b"h\n"),
    "bare CR": GOOD.replace(b"h\r\n", b"h\r"),
    "CR in a value": GOOD.replace(b"Host: h", b"Host: h\rX: y"),
    "obs-fold": GOOD.replace(b"Host: h\r\n", b"Host: h\r\nX: a\r\n b\r\n"),
    "obs-fold by tab": GOOD.replace(b"Host: h\r\n", b"Host: h\r\nX: a\r\n\tb\r\n"),
    "space before the colon": GOOD.replace(b"Host: h", b"Host : h"),
    "tab before the colon": GOOD.replace(b"Host: h", b"Host\t: h"),
    "space before the first field": GOOD.replace(b"\r\nHost", b"\r\n Host"),
    "no colon": GOOD.replace(b"Host: h", b"Host: h\r\nnothing"),
    "empty name": GOOD.replace(b"Host: h", b"Host: h\r\n: x"),
    "NUL in a value": GOOD.replace(b"Host: h", b"Host: h\r\nX: a\0b"),
    "NUL in a name": GOOD.replace(b"Host: h", b"Host: h\r\nX\0: a"),
    "control in a value": GOOD.replace(b"Host: h", b"Host: h\r\nX: a\x01"),
    "DEL in a value": GOOD.replace(b"Host: h", b"Host: h\r\nX: a\x7f"),
    "bytes in a name": GOOD.replace(b"Host: h", b"Host: h\r\nX\xc3\xa9: a"),
    "parenthesis in a name": GOOD.replace(b"Host: h", b"Host: h\r\nX(y): a"),
    "TE and CL": POST + b"Content-Length: 12\r\nTransfer-Encoding: chunked\r\n\r\n" + BODY,
    "CL and TE": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 12\r\n\r\n0\r\n\r\n",
    "TE gzip, chunked": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "TE chunked, chunked": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "TE twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "TE identity": POST + b"Transfer-Encoding: identity\r\n\r\n",
    "TE chunked, gzip": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "TE chunked;q=1": POST + b"Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n",
    "TE \"chunked\"": POST + b"Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
    "TE chunked,": POST + b"Transfer-Encoding: chunked,\r\n\r\n0\r\n\r\n",
    "TE vertical tab": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "TE space before the colon": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "TE xchunked": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "TE empty": POST + b"Transfer-Encoding: \r\n\r\n",
    "TE in HTTP/1.0": POST.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "CL +12": POST + b"Content-Length: +12\r\n\r\n" + BODY,
    "CL -1": POST + b"Content-Length: -1\r\n\r\n" + BODY,
    "CL 0xc": POST + b"Content-Length: 0xc\r\n\r\n" + BODY,
    "CL 12, 12": POST + b"Content-Length: 12, 12\r\n\r\n" + BODY,
    "CL 1 2": POST + b"Content-Length: 1 2\r\n\r\n" + BODY,
    "CL 1_2": POST + b"Content-Length: 1_2\r\n\r\n" + BODY,
    "CL 12.0": POST + b"Content-Length: 12.0\r\n\r\n" + BODY,
    "CL 1e1": POST + b"Content-Length: 1e1\r\n\r\n" + BODY,
    "CL 12;": POST + b"Content-Length: 12;\r\n\r\n" + BODY,
    "CL \"12\"": POST + b"Content-Length: \"12\"\r\n\r\n" + BODY,
    "CL of other digits": POST + "Content-Length: \u0661\u0662\r\n\r\n".encode() + BODY,
    "CL empty": POST + b"Content-Length:\r\n\r\n" + BODY,
    "CL twice": POST + b"Content-Length: 12\r\nContent-Length: 12\r\n\r\n" + BODY,
    "CL twice, different": POST + b"Content-Length: 12\r\ncontent-length: 1\r\n\r\n" + BODY,
    "CL of 20 digits": POST + b"Content-Length: 00000000000000000012\r\n\r\n" + BODY,
    "no Host": GOOD.replace(b"Host: h\r\n", b""),
    "no Host in 1.0": GOOD.replace(b"Host: h\r\n", b"").replace(b"1.1", b"1.0"),
    "empty Host": GOOD.replace(b"Host: h", b"Host: "),
    "two Hosts": GOOD.replace(b"Host: h", b"Host: h\r\nHost: h"),
    "Host with a user": GOOD.replace(b"Host: h", b"Host: a@h"),
    "Host with a path": GOOD.replace(b"Host: h", b"Host: h/x"),
    "Hosts in other cases": GOOD.replace(b"Host: h", b"Host: h\r\nhOST: h"),
    "two Hosts, one empty": GOOD.replace(b"Host: h", b"Host: h\r\nHost:"),
    "Host list": GOOD.replace(b"Host: h", b"Host: a, b"),
    "Host with a bad port": GOOD.replace(b"Host: h", b"Host: h:8x"),
    "absolute-form": GOOD.replace(b"/v1/org", b"http://h/v1/org"),
    "absolute-form, https": GOOD.replace(b"/v1/org", b"https://api.cention.com/v1/org"),
    "authority-form": GOOD.replace(b"/v1/org", b"h:80"),
    "CONNECT to a path": GOOD.replace(b"POST", b"CONNECT"),
    "CONNECT": b"CONNECT api.cention.com:443 HTTP/1.1\r\nHost: h\r\n\r\n",
    "asterisk-form": b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
    "no slash": GOOD.replace(b"/v1/org", b"v1/org"),
    "fragment": GOOD.replace(b"/v1/org", b"/v1/org#x"),
    "bytes in the target": GOOD.replace(b"/v1/org", b"/v1/\xc3\xa9"),
    "quote in the target": GOOD.replace(b"/v1/org", b'/v1/"org'),
    "NUL in the target": GOOD.replace(b"/v1/org", b"/v1/\0org"),
    "bad percent": GOOD.replace(b"/v1/org", b"/v1/%4x"),
    "space in the target": GOOD.replace(b"/v1/org", b"/v1 /org"),
    "two spaces": GOOD.replace(b"POST ", b"POST  "),
    "tab": GOOD.replace(b"POST ", b"POST\t"),
    "bad method": GOOD.replace(b"POST", b"PO(T"),
    "no version": GOOD.replace(b" HTTP/1.1", b""),
    "HTTP/0.9": GOOD.replace(b"HTTP/1.1", b"HTTP/0.9"),
    "HTTP/1.2": GOOD.replace(b"HTTP/1.1", b"HTTP/1.2"),
    "HTTP/2.0": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "http/1.1": GOOD.replace(b"HTTP/1.1", b"http/1.1"),
    "trailing space": GOOD.replace(b"HTTP/1.1", b"HTTP/1.1 "),
    "empty line first": b"\r\n" + GOOD,
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "Expect": POST + b"Expect: something\r\nContent-Length: 12\r\n\r\n" + BODY,
}
for name, size in {"0x5": b"0x5", "+5": b"+5", "-5": b"-5", "space": b" 5", "space behind": b"5 ",
                   "capital X": b"0X5", "tab": b"\t5", "0x": b"0x",
                   "suffix h": b"5h", "underscore": b"0_5", "point": b"5.0", "NUL": b"5\0",
                   "comma": b"5,5", "other digit": "\u0665".encode(),
                   "extension": b"5;a=b", "empty": b"", "16 digits": b"0000000000000005",
                   "no hex": b"g"}.items():
    CASES["chunk size " + name] = (POST + b"Transfer-Encoding: chunked\r\n\r\n" + size +
                                   b"\r\n{\"a\":\r\n0\r\n\r\n")
CASES["chunk too long"] = POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n"
CASES["chunk bare LF"] = POST + b"Transfer-Encoding: chunked\r\n\r\n2\n{}\n0\n\n"
CASES["chunk bad trailer"] = POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nx y\r\n\r\n"
CASES["chunk without its CRLF"] = POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}0\r\n\r\n"
CASES["chunk trailer folded"] = (POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX: y\r\n z"
                                 b"\r\n\r\n")

# RFC 9110, 5.6.2, and RFC 3986, 3.3 and 3.4: all that a field's name and a target may hold.
LETTERS = string.ascii_letters.encode() + string.digits.encode()
IN_NAME = LETTERS + b"!#$%&'*+-.^_`|~"
IN_TARGET = LETTERS + b"-._~!$&'()*+,;=:@/?"
SLOWEST = 5.0  # seconds; nothing waits for a timer (limits.header_timeout is 10)

tried = collections.Counter()


@pytest.fixture(scope="module")
def shared(tmp_path_factory, authority, certificate):
    """One pair of daemons for all cases: none of them may disturb the next."""
    from lookalike import LookAlike
    from rig import KEYS, Rig
    with LookAlike(KEYS, certificate) as server:
        rig = Rig(tmp_path_factory.mktemp("malformed"), server.url, authority.file,
                  proxy={"hosts": ["h", "127.0.0.1"]})
        yield rig.start(), server
        assert rig.proxy.process.poll() is None and rig.keeper.process.poll() is None
        print("\n%d kinds of malformed requests, %d of them also cut in pieces, %d bytes that no name or "
              "target may hold: %d requests refused, slowest %d ms" % (
                  tried["whole"], tried["cut"], tried["byte"], tried["refused"], tried["slowest"]))
        rig.stop()


def refused(rig, server, *pieces):
    began = time.monotonic()
    with rig.raw() as sock:
        for piece in pieces:
            sock.sendall(piece)
        stream = sock.makefile("rb")
        answer = read_answer(stream)
        assert (answer.status, answer.json["code"]) == (400, "bad_request"), answer.body
        assert answer.json["outcome"] == "not-sent"
        assert answer.field("connection") == "close"
        assert stream.read() == b""
    took = time.monotonic() - began
    assert took < SLOWEST
    tried["refused"] += 1
    tried["slowest"] = max(tried["slowest"], int(took * 1000))
    assert server.connections == 0
    number = answer.field("x-request-id")
    assert [r["status"] for r in rig.records("reject") if r["id"] == number] == [400]


@pytest.mark.parametrize("name", sorted(CASES))
def test_whole(shared, name):
    refused(*shared, CASES[name])
    tried["whole"] += 1


@pytest.mark.parametrize("name", sorted(CASES)[::3])
def test_in_pieces(shared, name):
    data = CASES[name]
    tried["cut"] += 1
    for at in range(1, len(data), max(1, len(data) // 5)):
        refused(*shared, data[:at], data[at:])


@pytest.mark.parametrize("place", ["name", "target"])
def test_every_byte_outside_the_grammar(shared, place):
    """In a field's name and in a target; what is inside is told apart by test_the_good_one."""
    good, around = {"name": (IN_NAME, b"X%sY: z\r\nHost: h"), "target": (IN_TARGET, b"/v1/o%srg")}[place]
    old = {"name": b"Host: h", "target": b"/v1/org"}[place]
    # A % wants two digits, a colon ends the name, a space the target; a CR or LF alone is above.
    for byte in sorted(set(range(256)) - set(good) - set(b":" if place == "name" else b"")):
        refused(*shared, GOOD.replace(old, around % bytes([byte])))
        tried["byte"] += 1


def test_every_byte_inside_the_grammar(make_rig, lookalike):
    """The ones that the test above leaves out are no malformations."""
    rig = make_rig(proxy={"hosts": ["h", "127.0.0.1"]}).start()
    with rig.raw() as sock:
        stream = sock.makefile("rb")
        for byte in IN_NAME:
            sock.sendall(GOOD.replace(b"Host: h", b"X%cY: z\r\nHost: h" % byte))
            assert read_answer(stream).status == 200, bytes([byte])
        for byte in IN_TARGET:
            sock.sendall(GOOD.replace(b"/v1/org", b"/v1/org%c" % byte))
            assert read_answer(stream).json["code"] in ("unknown_endpoint", "bad_request"), byte
    assert len(lookalike.accepted) == len(IN_NAME)


def test_the_good_one_is_good(make_rig, lookalike):
    """The cases above differ from this one in the one thing that is wrong with them."""
    rig = make_rig(proxy={"hosts": ["h", "127.0.0.1"]}).start()
    with rig.raw(GOOD) as sock:
        assert read_answer(sock.makefile("rb")).status == 200
    assert len(lookalike.accepted) == 1
