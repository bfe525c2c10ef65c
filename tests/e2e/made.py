"""Writes audit logs that no keeper wrote: chained as doc/audit-format.md says, signed by nobody."""
import hashlib
import json

ZERO = "0" * 64


class Made:
    """A log in a folder. Records get their seq, time and hash here; `raw` writes any bytes."""

    def __init__(self, folder, seq=1):
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.seq, self.hash, self.second = seq, bytes(32), 0
        self.epoch = 1
        self.lines = []
        self.path = None
        self.segment()

    def segment(self):
        """Begins the next segment; the one before ends with an epoch record."""
        if self.path:
            self.add("epoch", epoch=self.epoch, hash=self.hash.hex(), next_key=ZERO,
                     signature=ZERO * 2)
            self.epoch += 1
        self.path = self.folder / ("audit-%d.jsonl" % self.seq)
        self.path.touch()
        self.add("segment", format=1, log=ZERO, epoch=self.epoch, public_key=ZERO,
                 previous_seq=self.seq - 1, previous_hash=self.hash.hex(), open=0)

    def add(self, kind, time=None, **members):
        """The record's bytes, as they now stand in the file."""
        line = self.line(kind, time, **members)
        self.raw(line + b"\n")
        return line

    def line(self, kind, time=None, **members):
        self.second += 1
        time = time or "2026-11-24T%02d:%02d:%02d.000000Z" % (
            9 + self.second // 3600, self.second // 60 % 60, self.second % 60)
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
        return self.add("intent", id=id, client=client or {"name": "app", "uid": 1000},
                        method=method, workspace=workspace, path=path, fields=fields or {},
                        key="xyz", **more)

    def outcome(self, id, status=200, sent="all", **more):
        members = {"status": status} if status else {}
        return self.add("outcome", id=id, **members, sent=sent, duration_us=48211, **more)

    def reject(self, id, status=422, code="invalid_field", path="/v1/org/1", **more):
        return self.add("reject", id=id, client={"name": "app", "uid": 1000}, method="PUT",
                        workspace="televox", path=path, status=status, code=code,
                        error="name: too long", **more)

    def request(self, id, status=200, **more):
        return self.intent(id, **more), self.outcome(id, status)
