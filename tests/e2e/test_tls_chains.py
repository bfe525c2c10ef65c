"""TLS towards the upstream, by itself (tls_drive.c): certificate chains that are made here, one for each
case, and handshakes of peers that do not play fair."""
import datetime
import ipaddress
import re
import socket
import ssl
import struct
import subprocess
import threading

import pytest

from rig import BUILD

pytest.importorskip("cryptography")
from cryptography import x509  # noqa: E402
from cryptography.x509 import ocsp  # noqa: E402
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa  # noqa: E402
from cryptography.x509.oid import NameOID  # noqa: E402

DRIVE = BUILD / "tests" / "e2e" / "tls_drive"
pytestmark = pytest.mark.skipif(not DRIVE.exists(), reason="`make check` has not run")
NOW = datetime.datetime.utcnow()
KEYS = {}  # by kind: making one takes time


def key(kind="ec", n=0):
    make = {"ec": lambda: ec.generate_private_key(ec.SECP256R1()),
            "ec384": lambda: ec.generate_private_key(ec.SECP384R1()),
            "rsa": lambda: rsa.generate_private_key(65537, 2048),
            "rsa1024": lambda: rsa.generate_private_key(65537, 1024),
            "ed25519": ed25519.Ed25519PrivateKey.generate,
            "dsa": lambda: dsa.generate_private_key(2048)}[kind]
    if (kind, n) not in KEYS:
        KEYS[kind, n] = make()
    return KEYS[kind, n]


def name_of(cn):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cn)])


def alternatives(names):
    out = []
    for name in names:
        try:
            out.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            out.append(x509.DNSName(name))
    return x509.SubjectAlternativeName(out)


class Certificate:
    """One with its key; issue() makes one below it. Serial numbers are unique."""

    serial = 1000

    def __init__(self, cn, own, issuer=None, names=None, ca=False, days=(-1, 30), hash=None,
                 constraints=None, path=None, usage=None, issuer_name=None):
        signer = issuer.key if issuer else own
        Certificate.serial += 1
        builder = (x509.CertificateBuilder().subject_name(name_of(cn))
                   .issuer_name(name_of(issuer_name) if issuer_name else issuer.it.subject if issuer
                                else name_of(cn))
                   .public_key(own.public_key()).serial_number(Certificate.serial)
                   .not_valid_before(NOW + datetime.timedelta(days[0]))
                   .not_valid_after(NOW + datetime.timedelta(days[1])))
        if names:
            builder = builder.add_extension(alternatives(names), False)
        if ca is not None:
            builder = builder.add_extension(x509.BasicConstraints(ca, path if ca else None), True)
        if constraints:
            permitted, excluded = ([x509.DNSName(n) for n in c] or None for c in constraints)
            builder = builder.add_extension(x509.NameConstraints(permitted, excluded), True)
        if usage:
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), False)
        if hash is None:
            hash = None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256()
        self.key, self.cn = own, cn
        self.it = builder.sign(signer, hash)

    def issue(self, cn, kind="ec", n=1, **kwargs):
        return Certificate(cn, key(kind, n), self, **kwargs)

    def revoke(self, *certificates, days=30):
        builder = (x509.CertificateRevocationListBuilder().issuer_name(self.it.subject)
                   .last_update(NOW - datetime.timedelta(2)).next_update(NOW + datetime.timedelta(days)))
        for certificate in certificates:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder().serial_number(certificate.it.serial_number)
                .revocation_date(NOW - datetime.timedelta(1)).build())
        return builder.sign(self.key, hashes.SHA256())


def root(kind="ec", cn="Root", n=0, **kwargs):
    return Certificate(cn, key(kind, n), ca=True, **kwargs)


def pem(*things):
    return b"".join(getattr(t, "it", t).public_bytes(serialization.Encoding.PEM) for t in things)


class Case:
    def __init__(self, name, good, chain, anchors, host="example.com", words=(), versions=None, ciphers=None):
        self.name, self.good, self.chain, self.anchors = name, good, chain, anchors
        self.host, self.words, self.versions, self.ciphers = host, words, versions, ciphers


def names():
    """Which names a certificate is good for: those of its subjectAltName, and no others."""
    r = root()
    for host, san, good in (
            ("example.com", ["example.com"], True), ("example.com.", ["example.com"], True),
            ("EXAMPLE.com", ["example.com"], True), ("example.com", ["EXAMPLE.COM"], True),
            ("a.example.com", ["*.example.com"], True), ("a.b.example.com", ["*.example.com"], False),
            ("example.com", ["*.example.com"], False), ("example.com", ["*.com"], False),
            ("a.example.com", ["a*.example.com"], False), ("ab.example.com", ["a*.example.com"], False),
            ("a.example.com", ["*a.example.com"], False), ("a.example.com", ["*"], False),
            ("example.com", ["other.com"], False), ("example.com", ["example.com.evil.org"], False),
            ("example.com", ["evilexample.com"], False), ("example.com", ["other.com", "example.com"], True),
            ("127.0.0.1", ["127.0.0.1"], True), ("127.0.0.1", ["127.0.0.2"], False),
            ("127.0.0.1", ["localhost"], False), ("example.com", ["127.0.0.1"], False),
            ("example.com", ["a%d.example.com" % i for i in range(50)] + ["example.com"], True),
            ("example.com", ["a%d.example.com" % i for i in range(50)], False)):
        leaf = r.issue("whatever", names=san)
        yield Case("%s for %s" % (host, san[0] if len(san) < 3 else "many"), good, [leaf], [r], host,
                   () if good else ("mismatch", "it is for"))
    for cn, host in (("example.com", "example.com"), ("*.example.com", "a.example.com"),
                     ("127.0.0.1", "127.0.0.1")):
        yield Case("common name only: %s" % cn, False, [r.issue(cn)], [r], host,
                   ("mismatch", "subjectAltName"))
    yield Case("common name beside other names", False, [r.issue("example.com", names=["other.com"])], [r],
               words=("mismatch", "other.com"))


def constraints():
    r = root()
    for what, permitted, excluded, cn, san, host, good in (
            ("permitted", ["example.com"], [], "x", ["example.com"], "example.com", True),
            ("permitted, below", ["example.com"], [], "x", ["a.example.com"], "a.example.com", True),
            ("permitted, another", ["example.com"], [], "x", ["evil.org"], "evil.org", False),
            ("permitted, another beside", ["example.com"], [], "x", ["example.com", "evil.org"], "evil.org",
             False),
            ("excluded", [], ["evil.org"], "x", ["evil.org"], "evil.org", False),
            ("excluded, below", [], ["evil.org"], "x", ["a.evil.org"], "a.evil.org", False),
            ("excluded, another", [], ["evil.org"], "x", ["example.com"], "example.com", True),
            ("permitted, by common name", ["example.com"], [], "*.evil.org", None, "a.evil.org", False),
            ("permitted, common name", ["example.com"], [], "a.evil.org", None, "a.evil.org", False),
            ("permitted, wildcard", ["example.com"], [], "x", ["*.evil.org"], "a.evil.org", False)):
        ca = r.issue("Bound", ca=True, constraints=(permitted, excluded))
        yield Case("constraints: " + what, good, [ca.issue("x" if cn == "x" else cn, n=2, names=san), ca], [r],
                   host)


def chains():
    r, other = root(), root(cn="Other", n=5)
    middle = r.issue("Middle", ca=True)
    lower = middle.issue("Lower", n=2, ca=True)
    leaf = lower.issue("x", n=3, names=["example.com"])
    direct = r.issue("x", n=3, names=["example.com"])
    yield Case("one step", True, [direct], [r])
    yield Case("three steps", True, [leaf, lower, middle], [r])
    yield Case("three steps and the root", True, [leaf, lower, middle, r], [r])
    yield Case("out of order", True, [leaf, middle, lower], [r])
    yield Case("one is missing", False, [leaf, lower], [r], words=("ca_file",))
    yield Case("another root", False, [leaf, lower, middle], [other], words=("ca_file",))
    yield Case("self-signed", False, [Certificate("x", key("ec", 7), names=["example.com"])], [r],
               words=("ca_file",))
    yield Case("root sent, not known", False, [direct, r], [other], words=("ca_file",))
    yield Case("same name, another key", False,
               [Certificate("x", key("ec", 3), root(n=8), names=["example.com"])], [r])
    yield Case("issued by a leaf", False, [direct.issue("y", n=4, names=["example.com"]), direct], [r])
    yield Case("issuer without basic constraints", False, [
        r.issue("NoCA", ca=None).issue("x", n=2, names=["example.com"]), r.issue("NoCA", ca=None)], [r])
    short = r.issue("Short", ca=True, path=0)
    deep = short.issue("Deep", n=2, ca=True)
    yield Case("path length", False, [deep.issue("x", n=3, names=["example.com"]), deep, short], [r])
    yield Case("path length kept", True, [short.issue("x", n=3, names=["example.com"]), short], [r])
    yield Case("two roots in the file", True, [direct], [other, r])
    # Anchors that are no roots.
    yield Case("intermediate as anchor", True, [leaf, lower, middle], [middle])
    yield Case("intermediate as anchor, not sent", True, [leaf, lower], [middle])
    yield Case("leaf as anchor", True, [direct], [direct])
    yield Case("another leaf as anchor", False, [direct], [r.issue("x", n=4, names=["example.com"])])
    # Cross-signed: the one that comes first leads nowhere.
    unknown = root(cn="Unknown", n=6)
    first = Certificate("Cross", key("ec", 2), unknown, ca=True)
    second = Certificate("Cross", key("ec", 2), r, ca=True)
    crossed = second.issue("x", n=3, names=["example.com"])
    yield Case("cross-signed, good one last", True, [crossed, first, second], [r])
    yield Case("cross-signed, good one first", True, [crossed, second, first], [r])
    yield Case("cross-signed, no good one", False, [crossed, first], [r], words=("ca_file",))
    old = Certificate("Cross", key("ec", 2), r, ca=True, days=(-30, -1))
    yield Case("cross-signed, the first one expired", True, [crossed, old, second], [r])


def times():
    r = root()
    for what, days, good, words in (
            ("yesterday to tomorrow", (-1, 1), True, ()), ("expired", (-10, -1), False, ("expired",)),
            ("not yet", (1, 10), False, ("not yet valid",)), ("years", (-1, 3650), True, ())):
        yield Case("leaf " + what, good, [r.issue("x", names=["example.com"], days=days)], [r], words=words)
        ca = r.issue("Middle", ca=True, days=days)
        yield Case("intermediate " + what, good, [ca.issue("x", n=2, names=["example.com"]), ca], [r],
                   words=words)
        timed = root(cn="Timed", n=9, days=days)
        yield Case("root " + what, good, [timed.issue("x", names=["example.com"])], [timed], words=words)


def usages():
    r, oid = root(), x509.oid.ExtendedKeyUsageOID
    for what, usage, good in (("server", oid.SERVER_AUTH, True), ("client", oid.CLIENT_AUTH, False),
                              ("code", oid.CODE_SIGNING, False), ("time", oid.TIME_STAMPING, False)):
        yield Case("for " + what, good, [r.issue("x", names=["example.com"], usage=usage)], [r])


def revocations():
    r = root()
    leaf, middle = r.issue("x", names=["example.com"]), r.issue("Middle", n=2, ca=True)
    below = middle.issue("y", n=3, names=["example.com"])
    good = r.issue("z", names=["example.com"])
    yield Case("list without it", True, [good], [r, r.revoke(leaf)])
    yield Case("empty list", True, [good], [r, r.revoke()])
    yield Case("revoked", False, [leaf], [r, r.revoke(leaf)], words=("revoked",))
    yield Case("revoked intermediate", False, [below, middle], [r, r.revoke(middle)], words=("revoked",))
    yield Case("list of the root, not of the intermediate", True, [below, middle], [r, r.revoke(leaf)])
    yield Case("revoked by the intermediate", False, [below, middle], [r, middle.revoke(below)],
               words=("revoked",))
    yield Case("list that expired", False, [good], [r, r.revoke(leaf, days=-1)], words=("CRL", "ca_file"))
    yield Case("list of another root", True, [good], [r, root(cn="Other", n=5).revoke(good)])
    yield Case("forged list", False, [good], [r, Certificate("Root", key("ec", 8), ca=True).revoke()],
               words=("CRL",))


def algorithms():
    for kind in ("ec", "ec384", "rsa", "ed25519"):
        r = root(kind)
        for leaf in ("ec", "ec384", "rsa", "ed25519"):
            yield Case("%s below %s" % (leaf, kind), True, [r.issue("x", leaf, names=["example.com"])], [r])
    r = root("dsa")
    yield Case("DSA root", False, [r.issue("x", names=["example.com"])], [r])
    top = root()
    middle = top.issue("Middle", "dsa", ca=True)
    yield Case("DSA intermediate", False, [middle.issue("x", n=2, names=["example.com"]), middle], [top])
    yield Case("short RSA leaf", False, [top.issue("x", "rsa1024", names=["example.com"])], [top])
    yield Case("SHA-1", False, [top.issue("x", names=["example.com"], hash=hashes.SHA1())], [top])
    two, three = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
    leaf, by_rsa = top.issue("x", names=["example.com"]), root("rsa").issue("x", "rsa", names=["example.com"])
    yield Case("TLS 1.3", True, [leaf], [top], versions=(three, three))
    for ciphers, chain, anchors, good in (
            ("ECDHE-ECDSA-AES128-GCM-SHA256", [leaf], [top], True),
            ("ECDHE-ECDSA-AES256-GCM-SHA384", [leaf], [top], True),
            ("ECDHE-ECDSA-CHACHA20-POLY1305", [leaf], [top], True),
            ("ECDHE-RSA-AES128-GCM-SHA256", [by_rsa], [root("rsa")], True),
            ("ECDHE-ECDSA-AES128-SHA256", [leaf], [top], False), ("ECDHE-ECDSA-AES128-SHA", [leaf], [top], False),
            ("ECDHE-RSA-AES256-SHA384", [by_rsa], [root("rsa")], False),
            ("AES128-GCM-SHA256", [by_rsa], [root("rsa")], False),
            ("AES256-SHA256", [by_rsa], [root("rsa")], False), ("AES128-SHA", [by_rsa], [root("rsa")], False),
            ("DHE-RSA-AES128-GCM-SHA256", [by_rsa], [root("rsa")], False)):
        yield Case("TLS 1.2 with " + ciphers, good, chain, anchors, versions=(two, two), ciphers=ciphers,
                   words=() if good else ("forward secrecy",))


def drive(host, port, anchors, tmp_path, seconds=None):
    file = tmp_path / "anchors.pem"
    file.write_bytes(anchors)
    done = subprocess.run([DRIVE, host, str(port), file, *([str(seconds)] if seconds else [])],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    said, longest = done.stdout.splitlines()
    return said, int(longest.split()[1])


def serve(context):
    """A server of one connection: its port. It shakes hands and says nothing."""
    listener = socket.create_server(("127.0.0.1", 0))

    def one():
        with listener, listener.accept()[0] as s:
            s.settimeout(20)
            try:
                context.wrap_socket(s, server_side=True).recv(1)
            except (OSError, ValueError):
                pass
    threading.Thread(target=one, daemon=True).start()
    return listener.getsockname()[1]


def context_of(case, tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version, context.maximum_version = case.versions or (
        ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
    context.set_ciphers((case.ciphers or "ALL") + ":@SECLEVEL=0")
    file = tmp_path / "server.pem"
    file.write_bytes(case.chain[0].key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + pem(*case.chain))
    context.load_cert_chain(file)
    return context


@pytest.mark.parametrize("kind", [names, constraints, chains, times, usages, revocations, algorithms])
def test_chains(kind, tmp_path):
    wrong, n = [], 0
    for case in kind():
        n += 1
        said, _ = drive(case.host, serve(context_of(case, tmp_path)), pem(*case.anchors), tmp_path)
        if said.startswith("done") is not case.good or any(w not in said for w in case.words):
            wrong.append("%s: %s, expected %s %s" % (case.name, said, "done" if case.good else "failed",
                                                     case.words))
    print("%s: %d cases" % (kind.__name__, n))
    assert not wrong, "\n".join(wrong)


# -- stapled OCSP responses


def staple(leaf, issuer, status="GOOD", days=(-1, 1), signer=None, hash=hashes.SHA1, more=()):
    """A response of the issuer's, or of another signer's, about the leaf."""
    signer = signer or issuer
    at = [NOW + datetime.timedelta(d) for d in days]
    builder = ocsp.OCSPResponseBuilder().add_response(
        cert=leaf.it, issuer=issuer.it, algorithm=hash(), cert_status=ocsp.OCSPCertStatus[status],
        this_update=at[0], next_update=at[1], revocation_time=at[0] if status == "REVOKED" else None,
        revocation_reason=None).responder_id(ocsp.OCSPResponderEncoding.HASH, signer.it)
    if more:
        builder = builder.certificates([c.it for c in more])
    return builder.sign(signer.key, hashes.SHA256())


def staples():
    r = root()
    leaf, other = (r.issue("x", names=["example.com"]) for _ in "12")
    middle = r.issue("Middle", n=2, ca=True)
    below = middle.issue("y", n=3, names=["example.com"])
    delegated = r.issue("Responder", n=4, usage=x509.ExtendedKeyUsageOID.OCSP_SIGNING)
    plain = r.issue("Responder", n=4)
    stranger = root(cn="Root", n=5)
    yield "none", True, [leaf], r, None, ""
    yield "good", True, [leaf], r, staple(leaf, r), ""
    yield "good, by SHA-256", True, [leaf], r, staple(leaf, r, hash=hashes.SHA256), ""
    yield "good, of a delegate", True, [leaf], r, staple(leaf, r, signer=delegated, more=[delegated]), ""
    yield "good, of the intermediate", True, [below, middle], r, staple(below, middle), ""
    yield "try later", True, [leaf], r, ocsp.OCSPResponseBuilder.build_unsuccessful(
        ocsp.OCSPResponseStatus.TRY_LATER), ""
    yield "revoked", False, [leaf], r, staple(leaf, r, "REVOKED"), "says that it is revoked"
    yield "revoked, and old", False, [leaf], r, staple(leaf, r, "REVOKED", (-9, -8)), "revoked"
    yield "unknown", False, [leaf], r, staple(leaf, r, "UNKNOWN"), "doesn't know it"
    yield "old", False, [leaf], r, staple(leaf, r, days=(-9, -8)), "too old"
    yield "of the future", False, [leaf], r, staple(leaf, r, days=(1, 2)), "of the future"
    yield "of another certificate", False, [leaf], r, staple(other, r), "about another one"
    yield "of a stranger", False, [leaf], r, staple(leaf, r, signer=stranger), "not signed by its CA"
    yield "of a stranger that comes along", False, [leaf], r, staple(
        leaf, r, signer=stranger, more=[stranger]), "not signed by its CA"
    yield "of a delegate without the right", False, [leaf], r, staple(
        leaf, r, signer=plain, more=[plain]), "not signed by its CA"
    yield "of the root, not of the intermediate", False, [below, middle], r, staple(
        below, middle, signer=r), "not signed by its CA"


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_staples(version, tmp_path):
    wrong = []
    for name, good, chain, anchor, response, words in staples():
        server, more = tmp_path / "server.pem", []
        server.write_bytes(chain[0].key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption()) + pem(chain[0]))
        if chain[1:]:
            (tmp_path / "more.pem").write_bytes(pem(*chain[1:]))
            more += ["-cert_chain", tmp_path / "more.pem"]
        if response:
            (tmp_path / "staple").write_bytes(response.public_bytes(serialization.Encoding.DER))
            more += ["-status_file", tmp_path / "staple"]
        with subprocess.Popen(["openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", server,
                               version, "-naccept", "1", *more], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            port = next(int(line.rsplit(":", 1)[1]) for line in process.stdout
                        if re.match(r"ACCEPT .*:\d+", line))
            said, _ = drive("example.com", port, pem(anchor), tmp_path)
            process.kill()
        if said.startswith("done") is not good or words not in said:
            wrong.append("%s: %s" % (name, said))
    assert not wrong, "\n".join(wrong)


# -- handshakes


def raw_server(talk):
    listener = socket.create_server(("127.0.0.1", 0))

    def one():
        with listener, listener.accept()[0] as s:
            s.settimeout(20)
            try:
                talk(s)
            except OSError:
                pass
    threading.Thread(target=one, daemon=True).start()
    return listener.getsockname()[1]


def flood(record, times=2000000):
    def talk(s):
        s.recv(4096)
        block = record * 4000
        for _ in range(times // 4000):
            s.sendall(block)
        s.recv(1)
    return talk


HELLO_REQUEST = bytes.fromhex("16030300040000 0000".replace(" ", ""))
WARNING = bytes.fromhex("1503030002015a")  # user_canceled
GOODBYE = bytes.fromhex("15030300020100")
CHANGE_CIPHER = bytes.fromhex("140303000101")
FRAGMENT = bytes.fromhex("160303000102")  # of a ServerHello, a byte at a time
EMPTY = bytes.fromhex("1603030000")


@pytest.mark.parametrize("record", [HELLO_REQUEST, WARNING, GOODBYE, CHANGE_CIPHER, FRAGMENT, EMPTY],
                         ids=["HelloRequest", "warnings", "goodbyes", "ChangeCipherSpec", "fragments", "empty records"])
def test_a_flood_before_authentication(record, tmp_path):
    """No call takes long, however much comes, and the peer is given up."""
    said, longest = drive("example.com", raw_server(flood(record)), pem(root()), tmp_path)
    assert said.startswith("failed") and "no end" not in said, said
    print("longest call: %d us: %s" % (longest, said))
    assert longest < 300000


def test_key_updates(tmp_path):
    leaf = root().issue("x", names=["example.com"])
    file = tmp_path / "server.pem"
    file.write_bytes(leaf.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()) + pem(leaf))
    server = subprocess.Popen([DRIVE, "-k", file, file], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        port = int(server.stdout.readline())
        said, longest = drive("example.com", port, pem(root()), tmp_path, 10)
    finally:
        server.kill()
        server.communicate()
    print("longest call: %d us: %s" % (longest, said))
    assert said.startswith("failed") and "without a meaning" in said, said
    assert longest < 300000


@pytest.mark.parametrize("what, answer, words", [
    ("plain HTTP", b"HTTP/1.1 400 Bad Request\r\n\r\n", "plain HTTP"),
    ("SSH", b"SSH-2.0-OpenSSH_9.2\r\n", "plain HTTP"),
    ("an alert: no protocol version", bytes.fromhex("15030300020246"), "TLS 1.2 or 1.3"),
    ("an alert: no common cipher", bytes.fromhex("15030300020228"), "forward secrecy"),
    ("nothing", b"", "")])
def test_what_an_operator_is_told(what, answer, words, tmp_path):
    def talk(s):
        s.recv(4096)
        s.sendall(answer)
    said, _ = drive("example.com", raw_server(talk), pem(root()), tmp_path)
    assert said.startswith("failed") and words in said, said


def test_files_without_an_anchor(tmp_path):
    for data in (b"", b"rubbish", pem(root().revoke())):
        said, _ = drive("example.com", 1, data, tmp_path)
        assert said.startswith("refused ca_file") and re.search("no certificate", said), said
