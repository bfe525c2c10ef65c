"""The audit log can be proved: chain, signatures, segments, and the tool that verifies them."""
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import threading

import pytest

import trail
from rig import program, until, needs_signatures

# How many random places the mutation test changes. All of the promised 10,000 take minutes.
MUTATIONS = int(os.environ.get("CENTION_MUTATIONS", "400"))


def ctl(*arguments):
    return subprocess.run([program("cention-proxyctl"), "audit", *map(str, arguments)],
                          capture_output=True, text=True, timeout=60)


def small_segments(rig, size=4096, **more):
    rig.keeper_settings["audit"].update(segment_bytes=size, **more)
    rig.write_conf()
    return rig


@pytest.fixture
def log(make_rig):
    """A stopped keeper's log of several segments."""
    rig = small_segments(make_rig()).start()
    for i in range(24):
        assert rig.call("POST", "/v1/org", {"name": "n%d" % i}).status == 200
        until(lambda: rig.records("outcome")[-1:], what="an outcome")
    rig.keeper.stop()
    assert len(trail.segments(rig.audit_folder)) >= 3
    return rig


def test_sound(log):
    folder = log.audit_folder
    result = ctl("verify", folder)
    assert result.returncode == 2, result.stderr
    assert result.stdout.startswith("sound: ") and "can't be proved" in result.stdout
    identity = ctl("identity", folder).stdout.strip()
    assert len(identity.replace("-", "")) == 64
    assert log.keeper.wait_line(r"audit_log_created .*identity=(\S+)").group(1) == identity
    assert log.records("segment")[0]["public_key"] == identity.replace("-", "")
    head = log.folder / "head.json"
    head.write_text(ctl("head", folder).stdout)
    result = ctl("verify", "--key", identity, "--head", head, folder)
    assert (result.returncode, result.stderr) == (0, ""), result.stdout
    assert "whole" in result.stdout
    result = ctl("verify", "--head", head, *reversed(trail.segments(folder)))
    assert result.returncode == 0
    assert ctl("verify", "-c", log.keeper_conf, "--head", head).returncode == 0
    # Any later epoch's key pins it too, an unknown one doesn't.
    keys = [r["public_key"] for r in log.records("segment")]
    assert len(set(keys)) == len(keys)
    assert ctl("verify", "--key", keys[-1].upper(), "--head", head, folder).returncode == 0
    wrong = "0" * 63 + "1"
    result = ctl("verify", "--key", wrong, "--head", head, folder)
    assert result.returncode == 1 and "pinned key" in result.stderr
    # From a later segment on it is sound as far as it goes.
    assert ctl("verify", "--head", head, *trail.segments(folder)[1:]).returncode == 0


def test_the_segments_are_what_was_promised(log):
    paths = trail.segments(log.audit_folder)
    assert [oct(p.stat().st_mode & 0o777) for p in paths] == (
        ["0o440"] * (len(paths) - 1) + ["0o640"])
    kept = sorted(p.name for p in log.audit_folder.glob(".epoch-*.key"))
    assert kept == [".epoch-%d.key" % len(paths)]
    assert oct((log.audit_folder / kept[0]).stat().st_mode & 0o777) == "0o600"
    assert log.events()[-1]["type"] == "stop" and log.records()[-1]["type"] == "checkpoint"
    assert [r["epoch"] for r in log.records("segment")] == list(range(1, len(paths) + 1))


def test_a_second_s_checkpoint(rig):
    rig.call("POST", "/v1/org", {"name": "n"})
    until(lambda: rig.records()[-1]["type"] == "checkpoint", 5, "a checkpoint")
    count = len(rig.records())
    head = rig.folder / "head.json"
    head.write_text(ctl("head", rig.audit_folder).stdout)
    assert json.loads(head.read_text())["seq"] == count - 1
    assert ctl("verify", "--head", head, rig.audit_folder).returncode == 0
    rig.call("POST", "/v1/org", {"name": "n"})
    result = ctl("verify", "--head", head, rig.audit_folder)
    assert result.returncode == 2 and "by the head" in result.stdout


def test_the_heartbeat(make_rig):
    rig = make_rig()
    rig.keeper_settings["audit"]["heartbeat"] = 1.0
    rig.write_conf()
    rig.start_keeper()
    until(lambda: len(rig.records("checkpoint")) >= 3, 15, "three checkpoints of an idle log")


def broken(folder, head=None):
    """Whether each verifier finds the log broken, and what the tool says."""
    result = ctl("verify", *(["--head", head] if head else []), folder)
    try:
        verifier = trail.verify(folder)
        if head:
            known = json.loads(head.read_text())
            ours = (known["seq"], bytes.fromhex(known["hash"])) in verifier.heads
        else:
            ours = True
    except trail.Broken:
        ours = False
    return result.returncode == 1, not ours, result


@needs_signatures
def test_mutations(log):
    """Single bytes at random places: both verifiers find each of them."""
    chance = random.Random(4)
    paths = trail.segments(log.audit_folder)
    data = [p.read_bytes() for p in paths]
    for p in paths:
        p.chmod(0o640)
    for _ in range(MUTATIONS):
        i = chance.randrange(len(paths))
        at = chance.randrange(len(data[i]))
        changed = bytearray(data[i])
        changed[at] ^= chance.randrange(1, 256)
        paths[i].write_bytes(changed)
        tool, ours, result = broken(log.audit_folder)
        assert tool and ours, "segment %d, byte %d: %s" % (i, at, result)
        assert "line " in result.stderr and "byte offset " in result.stderr
        assert paths[i].name in result.stderr or paths[min(i + 1, len(paths) - 1)].name in (
            result.stderr)
        paths[i].write_bytes(data[i])
    assert ctl("verify", log.audit_folder).returncode == 2


@needs_signatures
def test_lines_and_segments(log):
    """Every line dropped, doubled, swapped; every truncation at a record; segments moved."""
    head = log.folder / "head.json"
    head.write_text(ctl("head", log.audit_folder).stdout)
    paths = trail.segments(log.audit_folder)
    cases = 0
    for number, path in enumerate(paths):
        path.chmod(0o640)
        whole = path.read_bytes()
        lines = whole.splitlines(True)
        for i in range(len(lines)):
            changes = [lines[:i] + lines[i + 1:], lines[:i + 1] + lines[i:]]
            if i + 1 < len(lines):
                changes.append(lines[:i] + [lines[i + 1], lines[i]] + lines[i + 2:])
            for change in changes:
                path.write_bytes(b"".join(change))
                tool, ours, result = broken(log.audit_folder, head)
                last = path == paths[-1] and i + 1 == len(lines) and change == lines[:i]
                # The last record is the checkpoint that the head holds: without it nothing is
                # forged, but the log no longer ends where the head does.
                assert (tool and ours) or (last and result.returncode == 2), result
                cases += 1
            path.write_bytes(b"".join(lines[:i]))
            kept = [(p, p.read_bytes()) for p in paths[number + 1:]]
            for p, _ in kept:
                p.unlink()
            result = ctl("verify", "--head", head, log.audit_folder)
            covered = path == paths[-1] and i + 1 >= len(lines)
            assert result.returncode == (2 if covered else 1), (i, result)
            without = ctl("verify", log.audit_folder)
            assert without.returncode == (1 if i == 0 else 2), (i, without)
            cases += 1
            for p, text in kept:
                p.write_bytes(text)
            path.write_bytes(whole)
    for path in paths[:-1]:
        text = path.read_bytes()
        path.unlink()
        tool, ours, result = broken(log.audit_folder)
        assert tool and ours, result
        path.write_bytes(text)
        cases += 1
    print("lines and segments: %d changes" % cases)
    assert cases > 150
    assert ctl("verify", "--head", head, log.audit_folder).returncode == 0


def test_a_segment_of_another_log(log, make_rig, tmp_path):
    other = small_segments(make_rig()).start()
    for i in range(24):
        other.call("POST", "/v1/org", {"name": "n%d" % i})
    other.stop()
    folder = tmp_path / "mixed"
    shutil.copytree(log.audit_folder, folder)
    stolen = trail.segments(other.audit_folder)[1]
    place = trail.segments(folder)[1]
    place.chmod(0o640)
    place.write_bytes(stolen.read_bytes())
    tool, ours, result = broken(folder)
    assert tool and ours and "another log" in result.stderr


@needs_signatures
def test_an_old_epoch_s_key_signs_nothing_new(make_rig):
    """Whoever kept the first epoch's key can't make a checkpoint after its end."""
    rig = small_segments(make_rig())
    rig.start_keeper()
    stolen = (rig.audit_folder / ".epoch-1.key").read_bytes()
    assert len(stolen) == 32
    rig.start_proxy()
    rig.wait_ready()
    for i in range(24):
        rig.call("POST", "/v1/org", {"name": "n%d" % i})
    rig.stop()
    assert not (rig.audit_folder / ".epoch-1.key").exists()
    verifier = trail.verify(rig.audit_folder)
    time = b"2026-11-24T00:00:00.000000Z"
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    for epoch in (1, verifier.epoch):
        message = (b"cention-audit-checkpoint-1\0" + verifier.log + epoch.to_bytes(8, "big") +
                   verifier.seq.to_bytes(8, "big") + verifier.last + time)
        covered = b'{"seq":%d,"time":"%s","type":"checkpoint","epoch":%d,"hash":"%s","signature":"%s"' % (
            verifier.seq + 1, time, epoch, verifier.last.hex().encode(),
            Ed25519PrivateKey.from_private_bytes(stolen).sign(message).hex().encode())
        digest = trail.hashlib.sha256(b"\0" + verifier.last + covered).hexdigest().encode()
        path = trail.segments(rig.audit_folder)[-1]
        before = path.read_bytes()
        path.write_bytes(before + covered + b',"h":"' + digest + b'"}\n')
        tool, ours, result = broken(rig.audit_folder)
        path.write_bytes(before)
        assert tool and ours, result
        assert ("epoch" in result.stderr) or ("signature" in result.stderr)


def test_rotation_under_load(make_rig, lookalike):
    rig = small_segments(make_rig(), 16384).start()
    failed = []

    def work():
        for _ in range(60):
            answer = rig.call("POST", "/v1/org", {"name": "n"})
            if answer.status != 200:
                failed.append(answer)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failed and len(rig.records("outcome")) == 480
    assert len(trail.segments(rig.audit_folder)) > 5
    rig.stop()
    assert ctl("verify", rig.audit_folder).returncode == 2


@pytest.mark.parametrize("kills", [8])
def test_killed_while_rotating(make_rig, lookalike, kills):
    """kill -9 at random under load with tiny segments: the log goes on sound each time."""
    chance = random.Random(11)
    rig = small_segments(make_rig()).start()
    for _ in range(kills):
        stop = threading.Event()
        answers = []

        def work():
            while not stop.is_set():
                try:
                    answers.append(rig.call("POST", "/v1/org", {"name": "n"}))
                except OSError:
                    pass

        threads = [threading.Thread(target=work) for _ in range(4)]
        for t in threads:
            t.start()
        wanted = chance.randrange(5, 60)
        until(lambda: len(answers) >= wanted)
        rig.keeper.signal(signal.SIGKILL)
        rig.keeper.process.wait()
        stop.set()
        for t in threads:
            t.join()
        rig.start_keeper()
        rig.wait_ready()
        ids = {r["id"] for r in rig.records("outcome") if r["sent"] == "all"}
        assert all(a.field("X-Request-Id") in ids for a in answers if a.status == 200)
        known = [r["id"] for r in rig.records("intent")]
        assert sorted(known) == sorted(r["id"] for r in rig.records("outcome"))
        trail.verify(rig.audit_folder)
    assert {dict(r.fields)["X-Request-Id"] for r in lookalike.requests} <= set(known)


@pytest.mark.parametrize("arguments, code, words", [
    ([], 2, "usage"), (["nothing"], 2, "no command"), (["--help"], 0, "usage"),
    (["verify", "--help"], 0, "usage"), (["verify", "--key", "12"], 2, "64 hexadecimal"),
    (["verify", "--what"], 2, "usage"), (["verify", "/none"], 1, "/none"),
    (["verify", "-c", "/none.conf"], 78, "/none.conf"), (["head", "/none"], 1, "/none"),
    (["verify", "--head", "/dev/null", "/"], 1, "no head"), (["identity", "--help"], 0, "usage"),
])
def test_the_command_line(arguments, code, words):
    result = ctl(*arguments)
    assert result.returncode == code and words in result.stdout + result.stderr


def test_no_log(tmp_path):
    assert ctl("verify", tmp_path).returncode == 1
    (tmp_path / "audit-1.jsonl").write_text("")
    assert "empty" in ctl("verify", tmp_path).stderr
    pathlib.Path(tmp_path / "other").write_text("x\n")
    result = ctl("verify", tmp_path / "other")
    assert result.returncode == 1 and "line 1, byte offset 0" in result.stderr
