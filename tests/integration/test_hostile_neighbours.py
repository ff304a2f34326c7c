#!/usr/bin/python3
"""Goal: nobody who lacks the key, is of another cluster, or speaks no Eddy can hurt a node with a camera, and those who
may join do, even late. Method: raw sockets and misconfigured nodes against a node that works all the while."""

import random
import socket
import struct

from nodes import PATIENCE_S, Story, endless, free_port, main, until
from stranger import VERSION

CONTROL, DIALLER = 0, 0
PREAMBLE = b"EDDY" + struct.pack("<HBB", VERSION, CONTROL, DIALLER)


def said_until_closed(port, words):
    """What a stranger hears who says `words` and waits for the other side to hang up. Not heard in time: an error."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as stranger:
        heard = b""
        try:
            stranger.sendall(words)
            while more := stranger.recv(65536):
                heard += more
        except ConnectionError:
            pass  # a reset is as good
        return heard


class HostileNeighbours(Story):
    def working(self, **more):
        node = self.node("a", source=endless(), **more).ready()
        self.goes_on(node)
        return node

    def goes_on(self, node):
        done = node.source()["completed"]
        until(lambda: node.source()["completed"] > done + 2, "the node goes on")

    def test_strangers_are_hung_up_on_and_cost_nothing(self):
        a = self.working()
        host, port = a.address.split(":")
        noise = random.Random(20220911)
        table = lambda *words: struct.pack(f"<{len(words)}I", *words)  # noqa: E731
        for name, words in (
            ("garbage", noise.randbytes(100_000)),
            ("a browser", b"GET / HTTP/1.1\r\nHost: eddy\r\n\r\n"),
            ("garbage after the preamble", PREAMBLE + noise.randbytes(100_000)),
            ("a message of 32 GiB", PREAMBLE + table(0, 0xFFFFFFFF)),
            ("four milliards of segments", PREAMBLE + table(0xFFFFFFFF, 1, 1, 1)),
            ("an empty message", PREAMBLE + table(0, 0) * 100),
            ("another version", b"EDDY" + struct.pack("<HBB", 999, CONTROL, DIALLER)),
        ):
            with self.subTest(name):
                said_until_closed(int(port), words)
        with self.subTest("half a message, then gone"):
            with socket.create_connection((host, int(port))) as stranger:
                stranger.sendall(PREAMBLE + table(0, 100) + bytes(50))
        with self.subTest("silence"):
            said_until_closed(int(port), b"")
        a.logs("warning", "127.0.0.1", "turned away", "does not speak Eddy's protocol")
        a.logs("warning", "turned away", "protocol version 999")
        a.logs("warning", "turned away", "took too long")
        self.goes_on(a)
        self.assertEqual(a.members(), ["a"])
        report = self.stops_well(a)
        self.assertLess(report["nodes"][0]["rss_bytes"], 1 << 30)

    def test_a_crowd_of_silent_strangers_does_not_keep_a_friend_out(self):
        a = self.working()
        host, port = a.address.split(":")
        crowd = [socket.create_connection((host, int(port))) for _ in range(100)]
        b = self.node("b", seeds=[a]).ready()
        self.ring(a, b)
        for stranger in crowd:
            stranger.close()
        self.goes_on(a)
        self.stops_well(a)
        self.stops_well(b)

    def test_only_nodes_of_the_cluster_with_its_key_come_in(self):
        key_file = self.folder / "cluster.key"
        key_file.write_text("correct horse battery staple\n")
        a = self.working(cluster={"key_file": str(key_file)})
        for name, cluster, here, there in (
            ("wrong-key", {"key": "incorrect horse battery"}, "differs", "differs"),
            ("no-key", {}, "the other side has none", "the other side has none"),
            ("foreign", {"name": "elsewhere", "key_file": str(key_file)}, '"elsewhere"', '"story"'),
        ):
            with self.subTest(name):
                stranger = self.node(name, seeds=[a], cluster=cluster).ready()
                a.logs("warning", "turned away", here)
                stranger.logs("warning", f"cannot connect to {a.address}", "refused", there)
                self.assertEqual((a.members(), stranger.members()), (["a"], [name]))
                self.stops_well(stranger)
        friend = self.node("friend", seeds=[a], cluster={"key_file": str(key_file)}).ready()
        self.ring(a, friend)
        self.goes_on(a)
        self.stops_well(a)
        self.stops_well(friend)

    def test_a_second_node_of_the_same_name_is_refused_and_told_why(self):
        a = self.working()
        b = self.node("b", seeds=[a]).ready()
        self.ring(a, b)
        impostor = self.node("b", seeds=[a], node={"data_dir": "state-impostor"})
        impostor.ready()
        impostor.logs("warning", "node id", "a data_dir, of its own")
        self.assertEqual(next(m for m in a.status()["ring"] if m["name"] == "b")["address"], b.address)
        self.goes_on(a)
        for node in (impostor, b, a):
            self.stops_well(node)

    def test_a_node_works_alone_until_its_seed_appears(self):
        port = free_port()
        a = self.working(seeds=[f"127.0.0.1:{port}"])
        a.logs("warning", f"127.0.0.1:{port}", "connection refused")
        a.logs("warning", f"seed 127.0.0.1:{port} not reached")
        self.assertEqual(a.members(), ["a"])
        b = self.node("b", node={"listen": f"127.0.0.1:{port}"}).ready()
        self.ring(a, b)
        until(lambda: b.runs() > 0, "b helps")
        self.goes_on(a)
        source = self.stops_well(a)["sources"][0]
        self.assertGreater(source["path"]["distributed"], 0)
        self.stops_well(b)


main()
