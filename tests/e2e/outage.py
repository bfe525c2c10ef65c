"""What the tests of kills, power losses and failing disks share.

`Load` is a number of keep-alive clients that remember every answer; `Ledger` reads the audit log
as a kill left it and holds the promises against it; `Preload` puts a library of tests/e2e/preload
into the keeper; `PowerLoss` rebuilds the audit folder from what was durable.
"""
import collections
import errno
import fcntl
import hashlib
import json
import mmap
import os
import random
import shutil
import struct
import subprocess
import threading

import pytest

import trail
from rig import BUILD, head, program, read_answer, sanitized


def chance():
    """A source of randomness; its seed is printed, and CENTION_SEED sets it."""
    seed = int(os.environ.get("CENTION_SEED") or int.from_bytes(os.urandom(4), "big"))
    print("CENTION_SEED=%d" % seed)
    return random.Random(seed)


# ---- clients


class Load:
    """`clients` threads that make changes over keep-alive connections until stop().

    Every request has its own X-Request-Id and body. `answers` maps the id to what the client was
    told: (status, answer of the daemon's own or None).
    """

    def __init__(self, rig, clients=16, seed=0, fat=80):
        self.rig, self.answers, self.fat = rig, {}, fat
        self.counts = collections.Counter()
        self._changed = threading.Condition()
        self._paused, self._parked, self._ended = True, 0, False
        self._threads = [threading.Thread(target=self._run, daemon=True,
                                          args=(n, random.Random("%s-%d" % (seed, n))))
                         for n in range(clients)]
        for thread in self._threads:
            thread.start()

    # -- the test's side

    def resume(self):
        with self._changed:
            self._paused = False
            self._changed.notify_all()

    def park(self, seconds=30.0):
        """Returns when every client has its last answer and asks for nothing more."""
        with self._changed:
            self._paused = True
            done = self._changed.wait_for(lambda: self._parked == len(self._threads), seconds)
            assert done, "%d of %d clients wait for an answer" % (
                len(self._threads) - self._parked, len(self._threads))

    def stop(self):
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(30)

    def wait_for(self, count, seconds=20.0, of=lambda status: 200 <= status < 300):
        """Waits until so many more answers of that kind have come."""
        with self._changed:
            wanted = self._count(of) + count
            done = self._changed.wait_for(lambda: self._count(of) >= wanted, seconds)
            assert done, (count, self.counts)

    def _count(self, of):
        return sum(n for status, n in self.counts.items() if of(status))

    def told_success(self):
        with self._changed:
            return {i: a for i, a in self.answers.items() if 200 <= a[0] < 300}

    # -- a client's side

    def _wait_turn(self):
        with self._changed:
            if self._paused and not self._ended:
                self._parked += 1
                self._changed.notify_all()
                self._changed.wait_for(lambda: not self._paused or self._ended)
                self._parked -= 1
            return not self._ended

    def _run(self, number, dice):
        sock = stream = None
        own, turn = [], 0  # objects that this client made
        while self._wait_turn():
            turn += 1
            name = "c%d-%d" % (number, turn)
            try:
                if sock is None:
                    sock = self.rig.raw()
                    stream = sock.makefile("rb")
                answer = self._one(sock, stream, name, dice, own)
            except OSError:
                answer = None
            if answer is None:
                if sock:
                    stream.close()
                    sock.close()
                sock = None
            status = answer.status if answer else 0
            with self._changed:
                self.counts[status] += 1
                if answer:
                    mine = answer.json if status >= 300 and b'"code"' in answer.body else None
                    self.answers[name] = (status, mine, hashlib.sha256(answer.body).hexdigest())
                self._changed.notify_all()
                if status in (0, 503) and not self._ended and not self._paused:
                    self._changed.wait(0.01)  # not to spin while there is no keeper
        if sock:
            stream.close()
            sock.close()

    def _one(self, sock, stream, name, dice, own):
        kind = dice.choice(("POST", "POST", "PUT", "DELETE")) if own else "POST"
        path, body = "/v1/org", b""
        if kind != "POST":
            path = "/v1/org/%d" % (own[-1] if kind == "PUT" else own.pop())
        if kind != "DELETE":
            body = json.dumps({"name": name + "x" * dice.randrange(self.fat)}).encode()
        sock.sendall(head(kind, path, body, extra=["X-Request-Id: " + name]))
        answer = read_answer(stream)
        if answer and kind == "POST" and answer.status == 200:
            own.append(answer.json["id"])
        return answer


# ---- the log against what was promised


class Ledger:
    """Reads on in the log after every loss, each line once, with the second verifier's state.

    What it has read must stay: so it only reads a log whose keeper is dead.
    """

    def __init__(self, rig, load, upstream):
        self.rig, self.load, self.upstream = rig, load, upstream
        self.folder = rig.audit_folder
        self.verifier = trail.Verifier()
        self.number, self.path, self.offset = None, None, 0  # what is read of which segment
        self.intents, self.outcomes = set(), {}
        self.checked, self.arrived, self.orphaned = set(), {}, set()
        self.seen = 0  # of the upstream's requests
        self.facts = collections.Counter()

    # -- reading

    def read(self):
        """Takes in all whole lines; returns the bytes behind the last one."""
        torn = 0
        for path in self._from_here():
            assert torn == 0, "a torn segment is not the last: %s" % self.path
            data = trail.content(path)[self.offset if trail.number(path) == self.number else 0:]
            whole = data.rfind(b"\n") + 1
            torn = len(data) - whole
            if whole and trail.number(path) != self.number:  # without a header it goes away again
                self.number, self.offset = trail.number(path), 0
            if whole:
                self.path = path
            for line in data[:whole].split(b"\n")[:-1]:
                self._line(line)
                self.offset += len(line) + 1
        return torn

    def _from_here(self):
        paths = trail.segments(self.folder)
        if self.number is None:
            return paths
        paths = [p for p in paths if trail.number(p) >= self.number]
        assert paths and trail.number(paths[0]) == self.number, "%s is gone" % self.path
        return paths

    def _line(self, line):
        try:
            self.verifier.line(line, self.offset == 0)
        except trail.Broken as why:
            raise AssertionError("%s, byte %d: %s" % (self.path, self.offset, why)) from None
        if self.verifier.kind == b"intent":
            record = json.loads(line)
            assert record["id"] not in self.intents, "two intents: %s" % record["id"]
            self.intents.add(record["id"])
        elif self.verifier.kind == b"outcome":
            record = json.loads(line)
            assert record["id"] not in self.outcomes, "two outcomes: %s" % record["id"]
            self.outcomes[record["id"]] = record

    def rest(self):
        """The records behind what was read, without taking them in: a living keeper's."""
        while True:
            try:
                data = b"".join(trail.content(p) for p in self._from_here())[self.offset:]
                return [json.loads(line) for line in data.split(b"\n")[:-1]]
            except FileNotFoundError:
                pass  # it was compressed meanwhile

    # -- the promises

    def after_loss(self):
        """On the log as the loss left it, before anyone repairs it. Clients must be parked."""
        torn = self.read()
        self.orphaned |= self.orphans()
        self.facts["losses"] += 1
        self.facts["torn ends"] += torn > 0
        self.facts["rotations hit"] += self.rotating(torn)
        # Who runs the keeper need not be root: what goes on must be writable.
        assert self.path is None or self.path.stat().st_mode & 0o200, (
            "%s goes on, and can't be written" % self.path)
        for request in self.upstream.requests[self.seen:]:
            name = dict(request.fields)["X-Request-Id"]
            assert name not in self.arrived, "%s was sent twice" % name
            assert name in self.intents, "%s was sent without an intent on record" % name
            self.arrived[name] = request
            self.seen += 1
        told = self.load.told_success()
        for name in told.keys() - self.checked:
            record = self.outcomes.get(name)
            assert record, "%s was told of success, and no outcome is on record" % name
            assert (record["status"], record["sent"]) == (told[name][0], "all"), record
            assert record["answer_sha256"] == told[name][2], "%s got another answer than is on record" % name
            assert record["object"].startswith("/v1/org/"), record
            assert name in self.arrived, "%s was told of a success that never was" % name
        self.facts["successes"] = len(told)
        self.checked |= told.keys()
        for name, (status, own, _) in self.load.answers.items():
            if own and own.get("outcome") == "not-sent":
                assert name not in self.arrived, "%s was sent: %s" % (name, own)

    def rotating(self, torn):
        keys = len(list(self.folder.glob(".epoch-*.key")))
        newest = trail.segments(self.folder)[-1:]
        return (keys != 1 or self.verifier.kind == b"epoch" or
                bool(newest and newest[0].stat().st_size == torn))

    def orphans(self):
        return self.intents - self.outcomes.keys()

    def after_start(self):
        """With the new keeper up and nobody asking: the orphans are closed, the tool agrees."""
        orphans = self.orphans()
        closed = [r for r in self.rest() if r["type"] == "outcome"]
        assert sorted(r["id"] for r in closed) == sorted(orphans)
        assert all(r["sent"] == "unknown" for r in closed), closed
        self.facts["orphans"] = len(self.orphaned)
        newest = trail.segments(self.folder)[-20:]
        while not verified(*newest, living=True):
            newest = trail.segments(self.folder)[-20:]

    def at_the_end(self):
        """Everything once more from the first byte, by both verifiers."""
        self.read()
        assert not self.orphans(), self.orphans()
        assert self.intents == self.outcomes.keys()
        assert all(self.outcomes[name]["sent"] == "unknown" for name in self.orphaned)
        verified(self.folder)
        again = trail.verify(self.folder)
        assert (again.seq, again.last) == (self.verifier.seq, self.verifier.last)
        self.facts["requests"] = sum(self.load.counts.values())
        self.facts["records"] = again.seq
        left = trail.segments(self.folder)
        self.facts["segments left"] = len(left)
        self.facts["compressed"] = sum(path.suffix == ".zst" for path in left)
        print(", ".join("%s: %d" % fact for fact in self.facts.items()))


def verified(*paths, living=False):
    """cention-proxyctl says that the log is sound: 0, or 2 when its end can't be proved.

    living=True: False when a keeper took a file away (compressed it) meanwhile.
    """
    result = subprocess.run([program("cention-proxyctl"), "audit", "verify", *map(str, paths)],
                            capture_output=True, text=True, timeout=120)
    if living and result.returncode == 1 and not all(path.exists() for path in paths):
        return False
    assert result.returncode in (0, 2), result.stderr
    return True


# ---- libraries put into the keeper


def library(name):
    """The preload of that name, made by the build's own rule."""
    if sanitized():
        pytest.skip("a sanitizer's runtime must come before any preloaded library")
    file = BUILD / "tests" / "e2e" / "preload" / (name + ".so")
    if not (BUILD / "Makefile").exists():
        pytest.skip("no %s, and no Makefile to make it" % file)
    with open(BUILD / "Makefile") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = subprocess.run(["make", "-s", "-C", str(BUILD), "tests/e2e/preload/%s.so" % name],
                              capture_output=True, text=True, timeout=60)
    assert made.returncode == 0, made.stderr
    return file


def preload(rig, name, **more):
    """The environment of a keeper with the library in it."""
    return {**os.environ, "LD_PRELOAD": str(library(name)),
            "CENTION_PRELOAD_AUDIT": str(rig.audit_folder), **more}


class PowerLoss:
    """The audit folder on a disk that forgets what was not synced (preload/powerloss.c).

    By chance some of it reaches the disk all the same, but nothing on a disk that lies.
    """

    def __init__(self, rig, dice, lie=None):
        self.folder, self.dice, self.luck = rig.audit_folder, dice, not lie
        self.shadow = rig.folder / "shadow"
        # The library keeps what the disk would hold in that folder, out of the keeper's reach.
        rig.keeper_settings["sandbox"] = "off"
        rig.write_conf()
        more = {"CENTION_PRELOAD_LIE": lie or "", "CENTION_PRELOAD_SYNC_US": "2000"}
        rig.keeper_env = preload(rig, "powerloss", CENTION_PRELOAD_SHADOW=str(self.shadow), **more)
        self.facts = collections.Counter()
        self._begin()

    def _inodes(self):
        return {p.name: p.stat().st_ino for p in self.folder.iterdir()}

    def _begin(self):
        """What is in the folder now is durable."""
        shutil.rmtree(self.shadow, ignore_errors=True)
        for kind in ("inodes", "new", "kept"):
            (self.shadow / kind).mkdir(parents=True)
        (self.shadow / "names").write_text(
            "".join("%d %s\n" % (inode, name) for name, inode in self._inodes().items()))

    def strike(self):
        """The folder as the machine finds it when it is up again. The keeper must be dead."""
        durable = {}
        for line in (self.shadow / "names").read_text().splitlines():
            inode, name = line.split(" ", 1)
            durable[name] = int(inode)
        live = self._inodes()
        content = {name: self._content(inode, live) for name, inode in
                   self._names(durable, live).items()}
        for name in live:
            (self.folder / name).unlink()
        for name, (data, mode) in content.items():
            (self.folder / name).write_bytes(data)
            (self.folder / name).chmod(mode)
        self._begin()

    def _names(self, durable, live):
        """Of names that were not synced any may have changed on the disk, or not.

        Those that share a file or a name (a rename) change together.
        """
        groups = []
        for name in durable.keys() | live.keys():
            if durable.get(name) == live.get(name):
                continue
            marks = {name, durable.get(name), live.get(name)} - {None}
            joined = [g for g in groups if g & marks]
            groups = [g for g in groups if not g & marks] + [marks.union(*joined)]
        chosen = {n: i for n, i in durable.items() if live.get(n) == i}
        for group in groups:
            self.facts["names at stake"] += 1
            side = self.dice.choice((durable, live)) if self.luck else durable
            chosen.update({n: i for n, i in side.items() if n in group})
        return chosen

    def _content(self, inode, live):
        """(bytes, mode): what was durable, and perhaps some of what was not."""
        now = next((self.folder / n for n, i in live.items() if i == inode),
                   self.shadow / "kept" / str(inode))
        known = self.shadow / "inodes" / str(inode)
        if not known.exists():
            return now.read_bytes(), now.stat().st_mode & 0o7777
        old, mode = known.read_bytes(), known.stat().st_mode & 0o7777
        new = now.read_bytes()
        if old == new or not self.luck:
            return old, mode
        self.facts["unsynced tails"] += 1
        same = len(os.path.commonprefix([old, new]))
        cut = self.dice.randint(same, max(same, len(new)))
        kind = self.dice.choice(("none", "none", "some", "all", "zeros"))
        if kind == "some":  # a torn write
            return new[:cut] + old[cut:], mode
        if kind == "all":
            return new, mode
        if kind == "zeros":  # the file's size came to the disk, the blocks did not
            return new[:cut] + old[cut:] + bytes(max(0, len(new) - max(cut, len(old)))), mode
        return old, mode


class Faults:
    """The audit folder on a disk that fails when told to (preload/faults.c)."""

    OPERATIONS = ("write", "fdatasync", "fsync", "fallocate", "create", "rename")
    FIELDS = ("error", "after", "times", "calls", "failed")
    SHORT, FOR_EVER = 0x10000, 0xffffffff

    def __init__(self, rig):
        file = rig.folder / "faults"
        file.write_bytes(bytes(2 * len(self.OPERATIONS) * len(self.FIELDS) * 4))
        with file.open("r+b") as opened:
            self._map = mmap.mmap(opened.fileno(), 0)
        rig.keeper_env = preload(rig, "faults", CENTION_PRELOAD_FAULTS=str(file))

    def _at(self, operation, segment, field):
        row = self.OPERATIONS.index(operation) + (0 if segment else len(self.OPERATIONS))
        return (row * len(self.FIELDS) + self.FIELDS.index(field)) * 4

    def count(self, operation, segment=True, of="calls"):
        at = self._at(operation, segment, of)
        return struct.unpack_from("=I", self._map, at)[0]

    def _set(self, operation, segment, **fields):
        for field, value in fields.items():
            struct.pack_into("=I", self._map, self._at(operation, segment, field), value)

    def fail(self, operation, error, after=0, times=FOR_EVER, segment=True, short=False):
        """From the call after the next `after` ones on, `times` calls fail with errno `error`.

        segment=False: those on other files of the directory, or on itself. short=True: the first
        of them is a short write.
        """
        self._set(operation, segment, after=after,
                  error=getattr(errno, error) | (self.SHORT if short else 0))
        self._set(operation, segment, times=times)

    def lift(self):
        for operation in self.OPERATIONS:
            for segment in (True, False):
                self._set(operation, segment, times=0)
