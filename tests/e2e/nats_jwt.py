"""What a NATS operator hands out: keys and signed tokens of operator, account and user, and the
credentials file of a user. https://docs.nats.io: "JWT", version 2 of the claims; nkeys are base32 of
a prefix, the key and its CRC-16 (XMODEM)."""
import base64
import binascii
import json
import time

try:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
except ImportError:
    Ed25519PrivateKey = None

PREFIX = {"operator": 14 << 3, "account": 0, "user": 20 << 3}
SEED = 18 << 3
WITHOUT_LIMITS = dict.fromkeys(
    ("subs", "data", "payload", "imports", "exports", "conn", "leaf", "mem_storage", "disk_storage",
     "streams", "consumer"), -1)


def _nkey(head, key):
    raw = bytes(head) + key
    return base64.b32encode(raw + binascii.crc_hqx(raw, 0).to_bytes(2, "little")).decode().rstrip("=")


def _part(data):
    if isinstance(data, dict):
        data = json.dumps(data).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Entity:
    """An operator, account or user; `signer` signs what is said of it (itself: an operator)."""

    def __init__(self, kind, name, signer=None, **claims):
        self.private = Ed25519PrivateKey.generate()
        prefix = PREFIX[kind]
        raw = serialization.Encoding.Raw
        self.name = _nkey([prefix], self.private.public_key().public_bytes(
            raw, serialization.PublicFormat.Raw))
        self.seed = _nkey([SEED | prefix >> 5, (prefix & 31) << 3], self.private.private_bytes(
            raw, serialization.PrivateFormat.Raw, serialization.NoEncryption()))
        signer = signer or self
        body = _part({"typ": "JWT", "alg": "ed25519-nkey"}) + "." + _part({
            "jti": name, "iat": int(time.time()), "iss": signer.name, "sub": self.name,
            "name": name, "nats": {"type": kind, "version": 2, **claims}})
        self.token = body + "." + _part(signer.private.sign(body.encode()))

    def credentials(self):
        """Of a user, as its file holds them."""
        return ("-----BEGIN NATS USER JWT-----\n%s\n------END NATS USER JWT------\n\n"
                "-----BEGIN USER NKEY SEED-----\n%s\n------END USER NKEY SEED------\n" % (
                    self.token, self.seed))


class Operator:
    """With an account that has JetStream, and the one that the servers want for themselves."""

    def __init__(self):
        self.operator = Entity("operator", "test")
        self.system = Entity("account", "system", self.operator, limits={
            **WITHOUT_LIMITS, "mem_storage": 0, "disk_storage": 0})
        self.account = Entity("account", "audit", self.operator, limits=WITHOUT_LIMITS)

    def settings(self):
        """For a server's configuration."""
        return 'operator: %s\nsystem_account: %s\nresolver: MEMORY\nresolver_preload: {%s}' % (
            self.operator.token, self.system.name, ", ".join(
                "%s: %s" % (a.name, a.token) for a in (self.system, self.account)))

    def user(self, name, publish=(">",), subscribe=(">",), account=None):
        return Entity("user", name, account or self.account, subs=-1, data=-1, payload=-1,
                      pub={"allow": list(publish)}, sub={"allow": list(subscribe)})
