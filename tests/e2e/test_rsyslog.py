"""conf/rsyslog-cention.conf in a real rsyslogd: every record arrives as valid RFC 5424, over restarts, too.

CENTION_SYSLOG_KILLS: how often the sending rsyslogd is ended, and killed, under load.
"""
import json
import os
import random
import signal
import subprocess
import threading
import time

import pytest

import rsyslog
import speed
import trail
from lookalike import Authority
from rig import until

KILLS = int(os.environ.get("CENTION_SYSLOG_KILLS", "4"))
KINDS = ("TLS", "RELP")

pytestmark = [pytest.mark.skipif(bool(rsyslog.missing()), reason=rsyslog.missing()),
              pytest.mark.skipif(bool(speed.missing()), reason=speed.missing())]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    authority = Authority(tmp_path_factory.mktemp("siem-ca"), "SIEM CA")
    return {"ca": authority.file,
            "server": authority.issue("server", ("DNS:" + rsyslog.NAME,)),
            "host": authority.issue("host", ("DNS:" + rsyslog.HOST,))}


@pytest.fixture
def upstream():
    with speed.Upstream() as server:
        yield server


@pytest.fixture
def receiver(tmp_path, certificates):
    with rsyslog.Receiver(tmp_path / "receiver", certificates) as process:
        yield process


def pair(make_rig, upstream, segment_bytes, compress):
    rig = make_rig(url=upstream.url)
    rig.keeper_settings["audit"].update(segment_bytes=segment_bytes, compress=compress)
    rig.write_conf()
    return rig.start()


def records(folder):
    """{seq: line} of all segments, and the seq that each begins with."""
    lines, starts = {}, []
    for path in trail.segments(folder):
        starts.append(trail.number(path))
        for i, line in enumerate(trail.content(path).split(b"\n")[:-1]):
            lines[starts[-1] + i] = line
    return lines, starts


def compare(lines, starts, messages):
    """Every record once or more, its bytes, in order within its segment; {what: how many}."""
    assert lines
    seen, last, doubles = set(), {}, 0
    for seq, line in messages:
        assert lines.get(seq) == line, seq
        if seq in seen:
            doubles += 1
            continue
        segment = max(s for s in starts if s <= seq)
        assert seq > last.get(segment, 0), "%d after %d" % (seq, last[segment])
        seen.add(seq)
        last[segment] = seq
    lost = sorted(set(lines) - seen)
    return {"records": len(lines), "segments": len(starts), "messages": len(messages),
            "lost": len(lost), "doubles": doubles, "which": lost[:5]}


def settled(receiver, lines):
    """What has come when all has, or when nothing more has for 10 seconds."""
    count, since = -1, 0
    while True:
        now = receiver.count()
        if now != count:
            count, since = now, time.monotonic()
            messages = receiver.messages() if now >= len(lines) else []
            if set(lines) <= {seq for seq, _ in messages}:
                return messages
        elif time.monotonic() - since > 10:
            return receiver.messages()
        time.sleep(0.2)  # the file has no event of its own


def test_the_sample_is_accepted(tmp_path, certificates):
    for kind in KINDS:
        rsyslog.Sender(tmp_path / kind, tmp_path, 6514, certificates, kind).check()


def test_strict_receiver(make_rig, upstream, tmp_path, certificates):
    """Octet counting, grammar, bytes and order under load, with segments that come and go."""
    rig = pair(make_rig, upstream, 262144, False)
    with rsyslog.Strict(certificates) as strict:
        with rsyslog.Sender(tmp_path / "sender", rig.audit_folder, strict.port, certificates, "TLS") as sender:
            until(lambda: strict.connections or strict.taken, 20, what="a connection")
            for i in range(3):
                name = 'Łódź "%d" \\ \u0001\x7f 日本 🙂' % i
                assert rig.call("POST", "/v1/org", {"name": name}).status == 200
            seen = speed.load(rig.port, 16, 10, lambda: len(strict.taken) > 6000)
            assert seen["failed"] == 0
            rig.stop()
            lines, starts = records(rig.audit_folder)
            strict.wait_for(len(lines))
            facts = compare(lines, starts, strict.taken)
            sender.end()
    print("\nstrict TLS receiver:", facts, "%d bytes" % strict.bytes)
    assert facts["segments"] >= 3
    assert (facts["lost"], facts["doubles"]) == (0, 0)
    assert any("Łódź".encode() in line for line in lines.values())


TERM, KILL = signal.SIGTERM, signal.SIGKILL


def restarts(rig, sender, receiver, steps):
    """Under load: each step is of (action, which or seconds); then the end of the load."""
    load = threading.Thread(target=lambda: results.append(speed.load(
        rig.port, 8, 120, lambda: ended.is_set())))
    results, ended = [], threading.Event()
    load.start()
    try:
        for step in steps:
            before = receiver.count()
            until(lambda: receiver.count() > before + 1000, 240, what="records arrive")  # noqa: B023
            for action, what in step:
                if action == "pause":
                    time.sleep(what)  # records pile up
                elif action == "start":
                    {"sender": sender, "receiver": receiver}[what].start()
                else:
                    {"sender": sender, "receiver": receiver}[what].end(action)
    finally:
        ended.set()
        load.join()
    assert results[0]["failed"] == 0
    rig.stop()


def one(which, number, pause):
    return [(number, which), ("pause", pause), ("start", which)]


def together(number, first, second):
    return [(number, first), (number, second), ("pause", 0.3), ("start", "sender"), ("start", "receiver")]


def away(number):
    """The sender's end, and its new start, while the receiver is away."""
    return [(KILL, "receiver"), ("pause", 1.0), (number, "sender"), ("pause", 0.3), ("start", "sender"),
            ("pause", 1.0), ("start", "receiver")]


DICE = random.Random(int(os.environ.get("CENTION_SEED", "7")))
STEPS = {
    "sender ended": [one("sender", TERM, DICE.uniform(0, 0.4)) for _ in range(KILLS)],
    "sender killed": [one("sender", KILL, DICE.uniform(0, 0.4)) for _ in range(KILLS)],
    "receiver ended": [one("receiver", TERM, 1.0)] * 2,
    "receiver killed": [one("receiver", KILL, 1.0)] * 2,
    "both ended": [together(TERM, "receiver", "sender"), together(TERM, "sender", "receiver")],
    "both killed": [together(KILL, "receiver", "sender"), together(KILL, "sender", "receiver")],
    "sender ended while receiver away": [away(TERM)] * 2,
    "sender killed while receiver away": [away(KILL)] * 2,
    "receiver long away": [one("receiver", KILL, 8.0)],
}


@pytest.mark.parametrize("what", STEPS)
def test_nothing_is_lost(make_rig, upstream, tmp_path, certificates, receiver, what):
    """By RELP, under load with rotations; what comes twice is the same both times."""
    rig = pair(make_rig, upstream, 262144, False)
    with rsyslog.Sender(tmp_path / "sender", rig.audit_folder, receiver.relp, certificates,
                        "RELP") as sender:
        restarts(rig, sender, receiver, STEPS[what])
        lines, starts = records(rig.audit_folder)
        facts = compare(lines, starts, settled(receiver, lines))
    print("\nRELP, %s:" % what, facts)
    assert facts["lost"] == 0 and facts["segments"] >= 2, facts


def test_sender_is_ended_without_acknowledgements(make_rig, upstream, tmp_path, certificates, receiver):
    """Syslog over TLS, an orderly end while the receiver is there."""
    rig = pair(make_rig, upstream, 262144, False)
    with rsyslog.Sender(tmp_path / "sender", rig.audit_folder, receiver.tcp, certificates,
                        "TLS") as sender:
        restarts(rig, sender, receiver, [one("sender", TERM, 0.3)] * 3)
        lines, starts = records(rig.audit_folder)
        facts = compare(lines, starts, settled(receiver, lines))
    print("\nTLS, 3 orderly restarts of the sender:", facts)
    assert facts["lost"] == 0, facts


def stopped(pid):
    with open("/proc/%d/stat" % pid) as f:
        return f.read().rsplit(")", 1)[1].split()[0] == "T"


@pytest.mark.parametrize("rewinds", (True, False))
def test_places_go_back(made, tmp_path, certificates, receiver, rewinds):
    """What was sent and never acknowledged comes when the places go back, and only then."""
    sender = rsyslog.Sender(tmp_path / "sender", made.folder, receiver.relp, certificates, "RELP")
    with sender:
        until(lambda: receiver.count() == len(made.lines), 30, what="the first record")
        receiver.process.send_signal(signal.SIGSTOP)  # it acknowledges nothing more
        until(lambda: stopped(receiver.process.pid), what="a receiver that stands still")
        for i in range(20):
            made.request("a%d" % i)
        until(lambda: places(sender) > len(made.lines[0]) + 1, 30, what="a place ahead of the receiver")
        sender.end(signal.SIGKILL)
        receiver.end(signal.SIGKILL)
        receiver.start()
        sender.rewinds = rewinds
        sender.start()
        until(lambda: receiver.messages()[-1][1] == made.lines[-1], 30, what="the last record")
    came = {line for _, line in receiver.messages()}
    assert came == set(made.lines) if rewinds else came < set(made.lines)


def places(sender):
    texts = [path.read_text() for path in (sender.folder / "spool").glob("imfile-state:*")]
    return max((int(json.loads(text)["curr_offs"]) for text in texts if text), default=0)


def test_rewinding(made, tmp_path, certificates):
    """32 lines, never before the beginning; nothing else of the folder is touched."""
    sender = rsyslog.Sender(tmp_path / "sender", made.folder, 1, certificates, "RELP")
    spool = sender.folder / "spool"
    for i in range(30):
        made.request("a%d" % i)
    data = made.path.read_bytes()
    ends = [i + 1 for i, byte in enumerate(data) if byte == 10]
    state = spool / "imfile-state:12:0123456789abcdef"

    def rewound(place, name=str(made.path), extra=""):
        state.write_text('{ "filename": "%s", "prev_was_nl": 0, "curr_offs": %d, "strt_offs": 7%s }'
                         % (name.replace("/", "\\/"), place, extra))
        done = subprocess.run(["sh", str(rsyslog.REWIND), str(spool)], capture_output=True, text=True,
                              timeout=30, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        return json.loads(state.read_text())

    assert rewound(len(data)) == {"filename": str(made.path), "prev_was_nl": 0,
                                  "curr_offs": ends[-33], "strt_offs": ends[-33]}
    half = rewound(ends[-2] + 9, extra=', "prev_line_segment": "{\\"seq\\":"')
    assert half["curr_offs"] == ends[-33] and "prev_line_segment" not in half
    assert rewound(ends[3])["curr_offs"] == 0 and rewound(0)["curr_offs"] == 0
    assert rewound(len(data) + 500)["curr_offs"] == ends[-33]
    assert rewound(ends[40], name="/no/such/segment")["curr_offs"] == ends[40]
    for text in ("", '{ "filename": "/'):
        state.write_text(text)
        subprocess.run(["sh", str(rsyslog.REWIND), str(spool)], check=True, timeout=30)
        assert state.read_text() == text


def test_receiver_is_restarted_without_acknowledgements(make_rig, upstream, tmp_path, certificates,
                                                        receiver):
    """Syslog over TLS loses what was on its way, and nothing else: each loss is one gap."""
    rig = pair(make_rig, upstream, 262144, False)
    with rsyslog.Sender(tmp_path / "sender", rig.audit_folder, receiver.tcp, certificates,
                        "TLS") as sender:
        restarts(rig, sender, receiver, [one("receiver", TERM, 1.0), one("receiver", KILL, 1.0)])
        lines, starts = records(rig.audit_folder)
        messages = settled(receiver, lines)
        facts = compare(lines, starts, messages)
    seen = {seq for seq, _ in messages}
    gaps = sum(1 for seq in lines if seq not in seen and seq - 1 in seen)
    print("\nTLS, the receiver restarted and killed: %d gaps," % gaps, facts)
    assert max(lines) in seen and gaps <= 4, facts


@pytest.mark.parametrize("kind", KINDS)
def test_long_records(made, tmp_path, certificates, receiver, kind):
    """What the largest requests leave behind, and more than any setting allows."""
    for size in (8192, 65536, 300000, 1500000, 9 * 1024 * 1024, 30 * 1024 * 1024):
        made.intent("r%d" % size, fields={"name": "å" * (size // 2)})
    with rsyslog.Sender(tmp_path / "sender", made.folder, receiver.port(kind), certificates, kind):
        lines = dict(enumerate(made.lines, 1))
        facts = compare(lines, [1], settled(receiver, lines))
    print("\n%s, long records:" % kind, facts, max(map(len, made.lines)))
    assert (facts["lost"], facts["doubles"]) == (0, 0), facts


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wrong", ("name", "authority"))
def test_server_is_verified(made, tmp_path, certificates, receiver, kind, wrong):
    """Nothing goes to a server of another name or authority; all of it does when that is put right."""
    made.request("a")
    sender = rsyslog.Sender(tmp_path / "sender", made.folder, receiver.port(kind), certificates, kind)
    if wrong == "name":
        sender.configure(name="other.example.com")
    else:
        sender.configure(ca=Authority(tmp_path / "other-ca", "Another CA").file)
    with sender:
        # It is the complaint that tells that it has tried.
        until(lambda: "ertificate" in sender.said() or " name" in sender.said(), 20, what="a complaint")
        made.request("b")
        until(lambda: sender.said().count("suspended") or sender.said().count("name") > 3, 20,
              what="another try")
        sender.end(signal.SIGKILL)
        assert receiver.count() == 0
        sender.configure()
        sender.start()
        until(lambda: {line for _, line in receiver.messages()} >= set(made.lines), 30, what="all records")
    # In order; what was in hand when it was killed may come twice.
    assert list(dict.fromkeys(line for _, line in receiver.messages())) == made.lines


def test_only_segments(made, tmp_path, certificates, receiver):
    (made.folder / "audit-retired.jsonl").write_bytes(made.lines[0] + b"\n")
    (made.folder / "audit-1.jsonl.torn").write_bytes(b"{}\n")
    made.request("a")
    with rsyslog.Sender(tmp_path / "sender", made.folder, receiver.relp, certificates, "RELP"):
        until(lambda: receiver.count() >= len(made.lines), 30, what="all records")
        made.segment()
        made.request("b")
        until(lambda: receiver.count() >= len(made.lines), 30, what="those of the new segment")
    assert [line for _, line in receiver.messages()] == made.lines


def test_compressed_while_away(made, tmp_path, certificates, receiver):
    """A segment that was removed while nobody read is put where the second input looks."""
    made.request("a")
    sender = rsyslog.Sender(tmp_path / "sender", made.folder, receiver.relp, certificates, "RELP")
    with sender:
        until(lambda: receiver.count() >= len(made.lines), 30, what="the first records")
        sender.end(signal.SIGKILL)
        made.segment()
        away = made.path
        made.request("b")
        made.segment()
        made.request("c")
        subprocess.run(["zstd", "-q", "--rm", str(away)], check=True)
        sender.start()
        new = made.lines[-3:]
        until(lambda: {m for _, m in receiver.messages()} >= set(new), 30, what="the newest records")
        data = trail.content(away.with_suffix(".jsonl.zst"))
        (sender.second / ".new").write_bytes(data)
        (sender.second / ".new").rename(sender.second / away.name)
        until(lambda: {m for _, m in receiver.messages()} >= set(made.lines), 30, what="all records")
