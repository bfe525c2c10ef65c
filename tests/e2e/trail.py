"""A second verifier of the audit log, written from doc/audit-format.md and nothing else."""
import hashlib
import pathlib
import re
import subprocess
import time

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
except ImportError:  # the chain can be checked without
    Ed25519PublicKey = None

HEX32 = rb"([0-9a-f]{64})"
NUMBER = rb"(0|[1-9][0-9]{0,19})"
LINE = re.compile(rb'\{"seq":' + NUMBER + rb',"time":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)",'
                  rb'"type":"([a-z]+)"(.*),"h":"' + HEX32 + rb'"\}')
HEADER = re.compile(rb',"format":([12]),"log":"' + HEX32 + rb'","epoch":' + NUMBER + rb',"public_key":"'
                    + HEX32 + rb'","previous_seq":' + NUMBER + rb',"previous_hash":"' + HEX32 +
                    rb'","open":(' + NUMBER + rb'|\[(?:' + NUMBER + rb'(?:,' + NUMBER + rb')*)?\])')
CHECKPOINT = re.compile(rb',"epoch":' + NUMBER + rb',"hash":"' + HEX32 +
                        rb'","signature":"([0-9a-f]{128})"')
EPOCH = re.compile(rb',"epoch":' + NUMBER + rb',"hash":"' + HEX32 + rb'","next_key":"' + HEX32 +
                   rb'","signature":"([0-9a-f]{128})"')
RETIRED = re.compile(rb',"first":' + NUMBER + rb',"last":' + NUMBER + rb',"hash":"' + HEX32 +
                     rb'","segment":"')
START = re.compile(rb',"version":"[^"]*","pid":' + NUMBER + rb',"fields_key":"[0-9a-f]{16}",'
                   rb'"heartbeat":' + NUMBER)
REQUEST = re.compile(rb',"id":"([A-Za-z0-9._:+/=@-]{1,128})"')
OUTCOME = re.compile(REQUEST.pattern + rb',"intent":' + NUMBER)
CONTROL = re.compile(rb"[\x00-\x1f\x7f]")


class Broken(Exception):
    """Where and why."""


def raw(digits):
    return bytes.fromhex(digits.decode())


class Verifier:
    """Takes segments, each as (name, bytes), in order."""

    def __init__(self):
        self.log = self.key = None
        self.epoch = self.seq = self.strays = 0
        self.last = bytes(32)
        self.kind = None
        self.format = 1
        self.open = {}  # seq of an intent without an outcome, ascending: its id; None: not seen
        self.signed = 0  # the last seq that a signature covers, its own record included
        self.heads = []  # (seq, hash) of every checkpoint
        self.retired = 0  # the last seq that a retired record names
        self.first = self.given = None  # the first header's seq, and the hash it gives
        self.proof = None  # (seq, hash) of the last record in the proof
        self.heartbeat = None  # seconds, of the last start

    def prove(self, data, before):
        """The file of what stays of retired segments, in front of a segment that begins so."""
        lines = data.split(b"\n")
        if lines.pop() != b"":
            raise Broken("proof: torn")
        for number, line in enumerate(lines, 1):
            match = LINE.fullmatch(line)
            if not match or CONTROL.search(line):
                raise Broken("proof: line %d: no record" % number)
            seq, time, kind, rest, digest = match.groups()
            if int(seq) >= before:
                continue
            if (kind, int(seq) == 1) != ((b"segment", True) if number == 1 else
                                         (b"epoch", False)):
                raise Broken("proof: line %d: not here" % number)
            self.seq = int(seq) - 1
            if number == 1:
                self.header(1, rest)
            else:
                match = EPOCH.fullmatch(rest)
                if not match or int(seq) <= self.proof[0]:
                    raise Broken("proof: line %d: no epoch" % number)
                self.last = raw(match[2])
                self.signature(kind, time, rest)
            if hashlib.sha256(b"\0" + self.last + line[:-72]).digest() != raw(digest):
                raise Broken("proof: line %d: hash" % number)
            self.seq, self.last, self.kind = int(seq), raw(digest), kind
            self.proof = (self.seq, self.last)
        self.first = self.given = None

    def segment(self, name, data):
        lines = data.split(b"\n")
        if lines.pop() != b"":
            raise Broken("%s: torn" % name)
        for number, line in enumerate(lines, 1):
            try:
                self.line(line, number == 1)
            except Broken as why:
                raise Broken("%s: line %d: %s" % (name, number, why)) from None

    def line(self, line, first):
        if CONTROL.search(line):
            raise Broken("a control character")
        match = LINE.fullmatch(line)
        if not match:
            raise Broken("no record")
        seq, time, kind, rest, digest = match.groups()
        if first != (kind == b"segment"):
            raise Broken("a header must be first, and nowhere else")
        if first:
            self.header(int(seq), rest)
        if int(seq) != self.seq + 1:
            raise Broken("seq")
        if hashlib.sha256(b"\0" + self.last + line[:-72]).digest() != raw(digest):
            raise Broken("hash")
        if kind in (b"checkpoint", b"epoch"):
            self.signature(kind, time, rest)
        elif kind in (b"intent", b"outcome"):
            self.request(kind, rest)
        elif kind == b"retired":
            self.retire(rest)
        elif kind == b"start":
            self.start(rest)
        elif kind == b"stop" and (self.open or self.strays):
            raise Broken("stopped with requests open")
        self.seq, self.last, self.kind = int(seq), raw(digest), kind
        if kind in (b"checkpoint", b"epoch"):
            self.signed = self.seq

    def header(self, seq, rest):
        match = HEADER.fullmatch(rest)
        if not match:
            raise Broken("no header")
        form, log, epoch, key, previous_seq, previous_hash, unended = match.groups()[:7]
        log, key, previous_hash = raw(log), raw(key), raw(previous_hash)
        epoch, previous_seq, form = int(epoch), int(previous_seq), int(form)
        if (form == 1) == unended.startswith(b"["):
            raise Broken("open in the other format")
        count, listed = (int(unended), []) if form == 1 else (0, [int(n) for n in unended[1:-1].split(b",") if n])
        if listed != sorted(set(listed)) or listed and not 0 < listed[0] <= listed[-1] < seq:
            raise Broken("the open requests are no list")
        if self.first is None:
            self.first, self.given, self.format = seq, previous_hash, form
            if self.proof:
                if (log, key, epoch, previous_seq, previous_hash) != (
                        self.log, self.key, self.epoch, *self.proof):
                    raise Broken("the header doesn't follow what was retired")
                self.strays, self.open = count, dict.fromkeys(listed)
                return
        if self.log is None:
            if seq == 1 and (epoch, key, previous_hash, count, listed) != (1, log, bytes(32), 0, []):
                raise Broken("not a new log's header")
            self.log, self.key, self.epoch = log, key, epoch
            self.seq, self.last, self.strays, self.open = previous_seq, previous_hash, count, dict.fromkeys(listed)
            self.signed = previous_seq
            return
        if (log, key, epoch, previous_seq, previous_hash, self.kind) != (
                self.log, self.key, self.epoch, self.seq, self.last, b"epoch"):
            raise Broken("the header doesn't follow")
        if form < self.format:
            raise Broken("an older format")
        self.unended(form, count, listed)

    def unended(self, form, count, listed):
        if form == 1:
            if count != len(self.open) + self.strays:
                raise Broken("the header counts other open requests")
            return
        unseen = [n for n in listed if n not in self.open]
        if [n for n in listed if n in self.open] != list(self.open):
            raise Broken("the header leaves out an open request")
        if len(unseen) > self.strays or unseen and unseen[-1] >= self.first:
            raise Broken("the header lists a request that isn't open")
        self.open = {n: self.open.get(n) for n in listed}
        self.strays, self.format = 0, 2

    def start(self, rest):
        match = START.fullmatch(rest)
        if not match:
            raise Broken("not a start")
        self.heartbeat = int(match[2])

    def retire(self, rest):
        match = RETIRED.match(rest)
        if not match:
            raise Broken("retired what?")
        last = int(match[2])
        self.retired = max(self.retired, last)
        if last == self.first - 1 and raw(match[3]) != self.given:
            raise Broken("retired another segment")

    def signature(self, kind, time, rest):
        match = (EPOCH if kind == b"epoch" else CHECKPOINT).fullmatch(rest)
        if not match:
            raise Broken("no " + kind.decode())
        epoch, digest, *next_key, signature = match.groups()
        if int(epoch) != self.epoch or raw(digest) != self.last:
            raise Broken("signed for something else")
        message = (b"cention-audit-%s-1\0" % kind + self.log + self.epoch.to_bytes(8, "big") +
                   self.seq.to_bytes(8, "big") + self.last + time + b"".join(map(raw, next_key)))
        if Ed25519PublicKey:
            try:
                Ed25519PublicKey.from_public_bytes(self.key).verify(raw(signature), message)
            except InvalidSignature:
                raise Broken("signature") from None
        if next_key:
            self.epoch, self.key = self.epoch + 1, raw(next_key[0])
        self.heads.append((self.seq, self.last))

    def request(self, kind, rest):
        match = REQUEST.match(rest)
        if not match:
            raise Broken("no request id")
        if kind == b"intent":
            self.open[self.seq + 1] = match[1]
            return
        if self.format == 1:
            intent = next((n for n, name in self.open.items() if name == match[1]), None)
            if intent is None and self.strays:
                self.strays -= 1
                return
        else:
            said = OUTCOME.match(rest)
            intent = int(said[2]) if said else None
        if intent not in self.open:
            raise Broken("an outcome without an open intent")
        if self.open.pop(intent) not in (None, match[1]):
            raise Broken("an outcome with another id than its intent")


def segments(folder):
    """Their paths in the order of the log; of one in both forms the plain one."""
    found = {}
    for path in sorted(pathlib.Path(folder).iterdir(), key=lambda p: len(p.name), reverse=True):
        match = re.fullmatch(r"audit-([1-9]\d*)\.jsonl(\.zst)?", path.name)
        if match:
            found[int(match[1])] = path
    return [found[number] for number in sorted(found)]


def number(path):
    return int(path.name.split(".")[0].split("-")[1])


def is_written(folder):
    """Whether a keeper holds the lock of the log there."""
    try:
        inode = (folder / ".lock").stat().st_ino
    except OSError:
        return False
    with open("/proc/locks") as locks:
        return any(" FLOCK " in line and line.split()[5].endswith(":%d" % inode) for line in locks)


def whole(path):
    """The lines of a segment that may be being written: a reader beside a writer may see part of a
    write, so the line that is not whole yet is waited for. It is truncated only when the writer has
    stopped: what is returned then ends without a newline."""
    data = path.read_bytes()
    grown = time.monotonic()
    while data and not data.endswith(b"\n"):
        time.sleep(0.002)
        now = path.read_bytes()
        end = now.find(b"\n", len(data))
        if end >= 0:
            return now[:end + 1]
        if len(now) != len(data):
            data, grown = now, time.monotonic()
        elif time.monotonic() - grown > (30 if is_written(path.parent) else 1):
            break
    return data


def content(path):
    if path.suffix != ".zst":
        return whole(path)
    result = subprocess.run(["zstd", "-dcq"], input=path.read_bytes(), stdout=subprocess.PIPE,
                            check=False)
    if result.returncode:
        raise Broken("%s: can't be decompressed" % path.name)
    return result.stdout


def verify(folder):
    """Raises Broken, or returns the Verifier at the end of the log."""
    verifier = Verifier()
    proof = pathlib.Path(folder) / "audit-retired.jsonl"
    for path in segments(folder):
        if verifier.first is None and number(path) > 1 and proof.exists():
            verifier.prove(proof.read_bytes(), number(path))
        verifier.segment(path.name, content(path))
    if verifier.log is None:
        raise Broken("no log")
    if verifier.first > 1 and verifier.retired < verifier.first - 1:
        raise Broken("records before seq %d are gone" % verifier.first)
    return verifier
