"""Writes audit logs that no keeper wrote, of format 1 or 2: chained as doc/audit-format.md says, and signed if asked."""
import hashlib
import json

try:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
except ImportError:  # logs without signatures can be made all the same
    Ed25519PrivateKey = None

ZERO = "0" * 64


class Key:
    """Of one epoch; one that signs nothing has zeros for its public key and signatures."""

    def __init__(self, signs):
        self.private = Ed25519PrivateKey.generate() if signs else None
        self.public = self.private.public_key().public_bytes(
            Encoding.Raw, PublicFormat.Raw) if signs else bytes(32)

    def sign(self, message):
        return self.private.sign(message).hex() if self.private else ZERO * 2

    def write(self, path):
        path.write_bytes(self.private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()))
        path.chmod(0o600)


class Made:
    """A log in a folder. Records get their seq, time and hash here; `raw` writes any bytes."""

    def __init__(self, folder, seq=1, form=2, signed=False):
        self.folder, self.form = folder, form
        folder.mkdir(exist_ok=True)
        self.seq, self.hash, self.second = seq, bytes(32), 0
        self.epoch, self.signed, self.key = 1, signed, Key(signed)
        self.log = self.key.public
        self.open = {}  # seq of an intent: its id
        self.lines = []
        self.path = None
        self.segment()

    def segment(self, form=None, **members):
        """Begins the next segment; the one before ends with an epoch record. `members`: other ones in the header."""
        if self.path:
            self.seal("epoch")
        self.form = form or self.form
        self.path = self.folder / ("audit-%d.jsonl" % self.seq)
        self.path.touch()
        self.add("segment", **{**dict(
            format=self.form, log=self.log.hex(), epoch=self.epoch, public_key=self.key.public.hex(),
            previous_seq=self.seq - 1, previous_hash=self.hash.hex(),
            open=len(self.open) if self.form == 1 else list(self.open)), **members})

    def seal(self, kind="checkpoint", time=None, **members):
        """A checkpoint, or an epoch's last act. `members`: other ones than those that are right."""
        if not time:
            time = self.time()
            self.second -= 1  # `line` counts it
        following = Key(self.signed) if kind == "epoch" else None
        message = (b"cention-audit-%s-1\0" % kind.encode() + self.log + self.epoch.to_bytes(8, "big") +
                   (self.seq - 1).to_bytes(8, "big") + self.hash + time.encode() +
                   (following.public if following else b""))
        self.add(kind, time, **{**dict(epoch=self.epoch, hash=self.hash.hex()),
                                **({"next_key": following.public.hex()} if following else {}),
                                "signature": self.key.sign(message), **members})
        if following:
            self.epoch, self.key = self.epoch + 1, following

    def time(self):
        self.second += 1
        return "2026-11-24T%02d:%02d:%02d.000000Z" % (
            9 + self.second // 3600, self.second // 60 % 60, self.second % 60)

    def add(self, kind, time=None, **members):
        """The record's bytes, as they now stand in the file."""
        line = self.line(kind, time, **members)
        self.raw(line + b"\n")
        return line

    def line(self, kind, time=None, **members):
        stamp = self.time()
        time = time or stamp
        record = {"seq": self.seq, "time": time, "type": kind, **members}
        covered = json.dumps(record, separators=(",", ":"), ensure_ascii=False)
        covered = covered[:-1].replace("\x7f", "\\u007f").encode()
        self.hash = hashlib.sha256(b"\0" + self.hash + covered).digest()
        line = covered + b',"h":"' + self.hash.hex().encode() + b'"}'
        self.seq += 1
        self.lines.append(line)
        return line

    def raw(self, data):
        with open(self.path, "ab") as f:
            f.write(data)

    def intent(self, id, method="PUT", path="/v1/org/1", fields=None, workspace="televox",
               client=None, **more):
        self.open[self.seq] = id
        return self.add("intent", id=id, client=client or {"name": "app", "uid": 1000},
                        method=method, workspace=workspace, path=path, fields=fields or {},
                        key="xyz", **more)

    def outcome(self, id, status=200, sent="all", intent=None, **more):
        """Of the oldest open intent of that id, if no other is given."""
        if intent is None:
            intent = next((seq for seq, name in self.open.items() if name == id), 0)
        self.open.pop(intent, None)
        members = {"intent": intent} if self.form == 2 and intent else {}
        if status:
            members["status"] = status
        return self.add("outcome", id=id, **members, sent=sent, duration_us=48211, **more)

    def reject(self, id, status=422, code="invalid_field", path="/v1/org/1", **more):
        return self.add("reject", id=id, client={"name": "app", "uid": 1000}, method="PUT",
                        workspace="televox", path=path, status=status, code=code,
                        error="name: too long", **more)

    def request(self, id, status=200, **more):
        return self.intent(id, **more), self.outcome(id, status)
