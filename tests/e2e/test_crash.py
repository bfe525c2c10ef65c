"""The keeper is killed, or the power goes, at random moments under load; the proxy stays.

Each time, on the log as it is before anyone repairs it: every success that a client saw has its
outcome, every request that the upstream saw its intent, and what goes on from there is sound.
Checked each time: all new lines by the second verifier, the newest 20 segments by the tool once
the next keeper is up; all of the log by both at the end.

CENTION_KILLS, CENTION_POWER_LOSSES: how often; CENTION_SEED: of the random moments.
"""
import os
import time

import pytest

import trail
from outage import Ledger, Load, PowerLoss, chance
from rig import Daemon, program, needs_signatures

KILLS = int(os.environ.get("CENTION_KILLS", "12"))
POWER_LOSSES = int(os.environ.get("CENTION_POWER_LOSSES", "8"))


class Scene:
    """Daemons with tiny segments, clients, and a ledger. `power` is None for mere kills."""

    def __init__(self, make_rig, plain, segment_bytes=16384, lie=None, power=False, **audit):
        self.dice = chance()
        self.rig = make_rig(url=plain.url)
        self.rig.keeper_settings["audit"].update(audit, segment_bytes=segment_bytes)
        self.rig.write_conf()
        self.power = PowerLoss(self.rig, self.dice, lie) if power else None
        self.rig.start()
        self.load = Load(self.rig, seed=self.dice.random())
        self.ledger = Ledger(self.rig, self.load, plain)

    def lose(self):
        """A random moment after the first success; then the checks on what is left."""
        self.load.resume()
        self.load.wait_for(1)
        time.sleep(self.dice.uniform(0.0, 0.35))
        self.rig.keeper.kill()
        self.load.park()
        self._check()

    def _check(self):
        if self.power:
            self.power.strike()
        self.ledger.after_loss()

    def interrupted_start(self):
        """A keeper that is killed while it starts, wherever it is then."""
        keeper = Daemon(program("cention-keeperd"), "-c", str(self.rig.keeper_conf),
                        env=self.rig.keeper_env)
        time.sleep(self.dice.uniform(0.0, 0.04))
        keeper.kill()
        self.ledger.facts["starts killed"] += 1
        self._check()

    def start(self):
        self.rig.start_keeper()
        self.ledger.after_start()

    def run(self, losses):
        began = time.monotonic()
        try:
            for _ in range(losses):
                self.lose()
                while self.dice.random() < 0.25:
                    self.interrupted_start()
                self.start()
            self.load.resume()
            self.load.wait_for(20)
            self.load.park()
        finally:
            self.load.stop()
        self.rig.stop()
        self.ledger.at_the_end()
        print("%.1f s, %s%s" % (time.monotonic() - began, dict(self.load.counts),
                                ", %s" % dict(self.power.facts) if self.power else ""))
        assert self.ledger.facts["successes"] > losses


@needs_signatures
@pytest.mark.parametrize("archive", [{}, {"compress": True, "keep_segments": 120}],
                         ids=["plain", "archived"])
def test_killed(make_rig, plain, archive):
    Scene(make_rig, plain, **archive).run(KILLS)


@needs_signatures
@pytest.mark.parametrize("archive", [{}, {"compress": True, "keep_segments": 30}],
                         ids=["plain", "archived"])
def test_power_loss(make_rig, plain, archive):
    scene = Scene(make_rig, plain, power=True, **archive)
    scene.run(POWER_LOSSES)
    assert scene.power.facts["unsynced tails"] + scene.power.facts["names at stake"] > 0


@pytest.mark.parametrize("lie", ["fdatasync", "directory"])
def test_a_lying_disk_is_found_out(make_rig, plain, lie):
    """Proof that the test above can fail: a disk that claims what it did not do loses records."""
    scene = Scene(make_rig, plain, 1024 * 1024, power=True, lie=lie)
    with pytest.raises(AssertionError, match="on record"):
        scene.lose()
    scene.load.stop()
