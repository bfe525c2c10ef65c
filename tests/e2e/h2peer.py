"""An HTTP/2 server of frames made by hand, that sees how requests come and can answer badly.

Requests' heads are kept as they are (compressed); answers' use static indexes and plain literals.
"""
import collections
import select
import socket
import ssl
import struct
import threading

DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS = 1, 1, 4
REFUSED_STREAM, CANCEL = 7, 8
S_PUSH, S_STREAMS, S_WINDOW = 2, 3, 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

Request = collections.namedtuple("Request", "connection stream head body")


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def settings(**values):
    numbers = {"streams": S_STREAMS, "window": S_WINDOW}
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", numbers[k], v)
                                          for k, v in values.items()))


def _length(n):
    if n < 127:
        return bytes([n])
    out, n = bytes([127]), n - 127
    while n >= 128:
        out, n = out + bytes([n % 128 + 128]), n // 128
    return out + bytes([n])


def entry(value, huffman=False):
    """A literal of the name "a" that goes into the table (RFC 7541, 6.2.1)."""
    length = _length(len(value))
    return b"\x40\x01a" + bytes([length[0] | huffman << 7]) + length[1:] + value


def block(status=200, fields=()):
    """A field section; status None leaves it out, 200 is a static index."""
    out = b""
    if status == 200:
        out += b"\x88"
    elif status is not None:
        out += b"\x08" + _length(len(str(status))) + str(status).encode()
    for name, value in fields:
        out += b"\x00" + _length(len(name)) + name.encode() + _length(len(value)) + value.encode()
    return out


def answer(stream, body=b'{"id": 1}', status=200, fields=(("content-type", "application/json"),)):
    """An answer as two frames."""
    return frame(HEADERS, END_HEADERS, stream, block(status, fields)) + frame(
        DATA, END_STREAM, stream, body)


def reset(stream, code):
    return frame(RST, 0, stream, struct.pack(">I", code))


def goaway(last, code=0):
    return frame(GOAWAY, 0, 0, struct.pack(">II", last, code))


class Connection:
    def __init__(self, peer, sock, number):
        self.peer, self.sock, self.number = peer, sock, number
        self.lock = threading.Lock()
        self.have, self.bodies, self.heads = b"", {}, {}
        self.frames = []   # (kind, flags, stream, payload) of all that came
        self.batches = []  # requests' heads in each record that had any
        self.room = {}     # stream or 0: bytes that may be sent on it in all, once that changed
        self.closed = False

    def send(self, data):
        with self.lock:
            self.sock.sendall(data)

    def close(self, hard=False):
        """Ends the connection now: without TLS's goodbye, by RST when hard."""
        if hard:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            try:
                socket.socket.shutdown(self.sock, socket.SHUT_WR)
            except OSError:
                pass
        self.closed = True

    def _read(self):
        # Not while another thread sends: a session is not for two at a time.
        if not self.sock.pending() and not select.select([self.sock], [], [], 60)[0]:
            raise ConnectionError
        with self.lock:
            data = self.sock.recv(1 << 16)  # at most one record
        if not data:
            raise ConnectionError
        self.have += data

    def serve(self):
        while len(self.have) < len(PREFACE):
            self._read()
        if not self.have.startswith(PREFACE):
            raise ConnectionError
        self.have = self.have[len(PREFACE):]
        self.peer.opened(self)
        while not self.closed:
            heads = 0
            while len(self.have) >= 9 and not self.closed:
                size = int.from_bytes(self.have[:3], "big")
                if len(self.have) < 9 + size:
                    break
                kind, flags, stream = struct.unpack(">BBI", self.have[3:9])
                payload, self.have = self.have[9:9 + size], self.have[9 + size:]
                heads += kind == HEADERS
                self._frame(kind, flags, stream, payload)
            if heads:
                with self.peer.arrived:
                    self.batches.append(heads)
            if not self.closed:
                self._read()

    def _frame(self, kind, flags, stream, payload):
        with self.peer.arrived:
            self.frames.append((kind, flags, stream, payload))
            if kind == WINDOW:
                self.room[stream] = self.room.get(stream, 65535) + struct.unpack(">I", payload)[0]
            self.peer.arrived.notify_all()
        if kind == SETTINGS and not flags & ACK:
            self.send(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            self.send(frame(PING, ACK, 0, payload))
        elif kind == HEADERS:
            assert flags & END_HEADERS
            self.heads[stream], self.bodies[stream] = payload, b""
            self.peer.headed(self, stream)
        elif kind == DATA:
            self.bodies[stream] += payload
            if payload and self.peer.windows:
                self.send(frame(WINDOW, 0, 0, struct.pack(">I", len(payload))) +
                          frame(WINDOW, 0, stream, struct.pack(">I", len(payload))))
        if kind in (HEADERS, DATA) and flags & END_STREAM:
            request = Request(self.number, stream, self.heads[stream], self.bodies[stream])
            with self.peer.arrived:
                self.peer.requests.append(request)
                self.peer.arrived.notify_all()
            self.peer.handler(self, request)


class Peer:
    """Listens from the constructor on. Use as a context manager.

    handler(connection, request) is called for each whole request, in its connection's thread.
    """

    def __init__(self, certificate, handler=None, hello=None, alpn="h2"):
        self.handler = handler or (lambda c, request: c.send(answer(request.stream)))
        self.hello = settings(streams=100) if hello is None else hello
        self.headed = lambda connection, stream: None
        self.windows = True
        self.requests, self.connections = [], []
        self.arrived = threading.Condition()
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(*certificate)
        self._context.set_alpn_protocols([alpn])
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.url = "https://localhost:%d" % self._listener.getsockname()[1]
        self._stopping, self._threads = False, []

    def opened(self, connection):
        connection.send(self.hello)

    def wait(self, condition, seconds=10.0, what="the peer's condition"):
        """Until condition() holds; it is asked after each frame."""
        with self.arrived:
            if not self.arrived.wait_for(condition, seconds):
                raise AssertionError(what)

    def wait_for(self, count, seconds=10.0):
        self.wait(lambda: len(self.requests) >= count, seconds, "%d requests" % count)

    def seen(self, kind):
        with self.arrived:
            return [f for c in self.connections for f in c.frames if f[0] == kind]

    def _accept(self):
        while not self._stopping:
            try:
                raw, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(raw,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, raw):
        try:
            raw.settimeout(20)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock = self._context.wrap_socket(raw, server_side=True)
        except OSError:
            raw.close()
            return
        with self.arrived:
            connection = Connection(self, sock, len(self.connections))
            self.connections.append(connection)
            self.arrived.notify_all()
        try:
            connection.serve()
        except (OSError, ssl.SSLError):
            pass
        finally:
            sock.close()

    def __enter__(self):
        self._threads.append(threading.Thread(target=self._accept, daemon=True))
        self._threads[0].start()
        return self

    def __exit__(self, *ignored):
        self._stopping = True
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()
        for connection in self.connections:
            try:
                socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self._threads:
            thread.join(5)
