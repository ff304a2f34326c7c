"""Something that listens where a node is looked for: a node made by hand, which says whatever a test wants it to, or a
program that is no node at all."""

import hashlib
import hmac
import os
import socket
import struct
import subprocess
import threading
import time

from nodes import ROOT

SCHEMA = ROOT / "src" / "transport" / "schema" / "eddy.capnp"
VERSION, CONTROL, DIALLER, ACCEPTOR = 2, 0, 0, 1


def preamble(role, version=VERSION):
    return b"EDDY" + struct.pack("<HBB", version, CONTROL, role)


def envelope(text):
    """A message from its text form, by the `capnp` tool."""
    encoded = subprocess.run(["capnp", "encode", str(SCHEMA), "Envelope"], input=text.encode(), capture_output=True)
    assert encoded.returncode == 0, encoded.stderr
    return encoded.stdout


def data(octets):
    return f'0x"{octets.hex()}"' if octets else '""'


def digest(message):
    """SHA-256 over a message's segments with their lengths, as in handshake.cpp."""
    count = struct.unpack_from("<I", message)[0] + 1
    sizes = struct.unpack_from(f"<{count}I", message, 4)
    at, text = (4 * (count + 1) + 7) // 8 * 8, b""
    for words in sizes:
        text += f"{words * 8}:".encode() + message[at:at + words * 8]
        at += words * 8
    return hashlib.sha256(text).digest()


def read_exactly(connection, count):
    got = b""
    while len(got) < count:
        more = connection.recv(count - len(got))
        if not more:
            raise ConnectionError("hung up")
        got += more
    return got


def read_message(connection):
    first = read_exactly(connection, 8)
    count = struct.unpack_from("<I", first)[0] + 1
    table = first + read_exactly(connection, (4 * (count + 1) + 7) // 8 * 8 - 8)
    return table + read_exactly(connection, 8 * sum(struct.unpack_from(f"<{count}I", table, 4)))


class Stranger:
    """Listens on a port of the loopback and does `talk(connection)` with everyone who comes."""

    def __init__(self, test, talk):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.talk = talk
        test.addCleanup(self.listener.close)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection):
        with connection:
            try:
                self.talk(connection)
            except OSError:
                pass


def until_closed(connection):
    while connection.recv(65536):
        pass


class FakeNode(Stranger):
    """Proves itself like a real node, and tells of itself what it is given: `clock_ahead_s`, `version`, …"""

    def __init__(self, test, *, name="fake", cluster="story", key="", node_id=None, chain_hash=b"", clock_ahead_s=0.0,
                 version=VERSION, host=None):
        self.name, self.cluster, self.key, self.version = name, cluster, key, version
        self.node_id = node_id or hashlib.sha1(name.encode()).digest()
        self.chain_hash, self.clock_ahead_s, self.host = chain_hash, clock_ahead_s, host
        super().__init__(test, self.shake_hands)

    def hello(self):
        host, port = self.address.split(":")
        return envelope(f"""(hello = (cluster = "{self.cluster}", member = (node = {data(self.node_id)}, incarnation = 3,
            name = "{self.name}", host = "{self.host or host}", port = {port}), instance = {data(os.urandom(16))},
            nonce = {data(os.urandom(32))}, keyed = {"true" if self.key else "false"},
            chainHash = {data(self.chain_hash)}, wallClockUsec = {int((time.time() + self.clock_ahead_s) * 1e6)}))""")

    def shake_hands(self, connection):
        read_exactly(connection, 8)
        connection.sendall(preamble(ACCEPTOR, self.version))
        theirs = read_message(connection)
        ours = self.hello()
        connection.sendall(ours)
        read_message(connection)  # their proof
        transcript = (b"eddy proof of the acceptor" + preamble(DIALLER) + preamble(ACCEPTOR) + digest(theirs)
                      + digest(ours))
        mac = hmac.new(self.key.encode(), transcript, hashlib.sha256).digest()
        connection.sendall(envelope(f"(proof = (mac = {data(mac)}))"))
        until_closed(connection)
