"""python3 tests/lookalike --dir DIR --key ID:SECRET:WORKSPACE ...

Serves until SIGTERM. Prints one JSON line with the URL and the CA file when it is ready, and one
with what it received when it ends.
"""
import argparse
import json
import pathlib
import signal
import sys
import threading

if __package__ in (None, ""):
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
    from lookalike import Authority, LookAlike
else:
    from . import Authority, LookAlike


def _key(text):
    key_id, secret, workspace = text.split(":")
    return {"id": key_id, "secret": secret, "workspace": workspace}


def main():
    parser = argparse.ArgumentParser(prog="lookalike", description=__doc__.splitlines()[0])
    parser.add_argument("--dir", required=True, help="folder for the throw-away CA")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--key", type=_key, action="append", required=True)
    parser.add_argument("--nested", choices=("flatten", "json"), default="flatten")
    parser.add_argument("--authorization", choices=("scheme", "literal"), default="scheme")
    options = parser.parse_args()
    authority = Authority(options.dir)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *ignored: ended.set())
    with LookAlike(options.key, authority.issue(), options.nested, options.authorization,
                   options.port) as server:
        print(json.dumps({"url": server.url, "ca": str(authority.file)}), flush=True)
        ended.wait()
        print(json.dumps({
            "received": len(server.requests),
            "accepted": len(server.accepted),
            "refused": [[r.method, r.target, r.problem] for r in server.requests if r.problem],
        }), flush=True)


if __name__ == "__main__":
    main()
