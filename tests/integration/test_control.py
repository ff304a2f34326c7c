#!/usr/bin/python3
"""Goal: a person at the shell sees what a node does, and can stop it. Method: the commands of `eddy` against two running
nodes, and against sockets where nobody answers."""

import json
import socket
import subprocess

from nodes import EDDY, ENVIRONMENT, PATIENCE_S, Story, endless, free_port, main, run, until


class Control(Story):
    def pair(self):
        a = self.node("a", source=endless()).ready()
        b = self.node("b", seeds=[a]).ready()
        self.ring(a, b)
        until(lambda: a.source()["completed"] > 0, "a has a result")
        return a, b

    def test_status_shows_ring_queues_and_sources_and_as_json_the_same(self):
        a, b = self.pair()
        shown = run(EDDY, "status", a.socket, b.socket)
        self.assertEqual((shown.returncode, shown.stderr), (0, ""))
        for word in ("walkway", "reservoir", "successor", a.address, b.address):
            self.assertIn(word, shown.stdout)
        told = run(EDDY, "status", "--json", a.socket, b.socket)
        self.assertEqual((told.returncode, told.stderr), (0, ""))
        statuses = [json.loads(line) for line in told.stdout.splitlines()]
        self.assertEqual([status["schema"] for status in statuses], ["eddy.status/1"] * 2)
        self.assertEqual([status["name"] for status in statuses], ["a", "b"])
        for status, address in zip(statuses, (a.address, b.address)):
            self.assertEqual(status["address"], address)
            self.assertEqual([(m["self"], m["successor"], m["predecessor"]) for m in status["ring"]],
                             [(True, False, False), (False, True, True)])
            for source in status["sources"]:
                self.assertEqual(source["captured"], source["completed"] + source["failed"] + source["dropped"] +
                                 source["in_flight"])
            for queue in status["queues"]:
                self.assertLessEqual(queue["frames"], queue["frames_max"])

    def test_status_shows_whom_the_node_cannot_reach_and_why_until_it_does(self):
        port = free_port()
        a = self.node("a", relay=True, seeds=[f"127.0.0.1:{port}"]).ready()
        until(lambda: a.status()["unreached"], "the seed was tried")
        (unreached,) = a.status()["unreached"]
        self.assertEqual((unreached["address"], unreached["problem"]), (f"127.0.0.1:{port}", "refused"))
        shown = run(EDDY, "status", a.socket)
        self.assertIn("not reached", shown.stdout)
        self.assertIn("connection refused", shown.stdout)
        b = self.node("b", relay=True, node={"listen": f"127.0.0.1:{port}"}).ready()
        self.ring(a, b)
        self.assertEqual(a.status()["unreached"], [])
        self.stops_well(b)
        self.stops_well(a)

    def test_watch_tells_of_progress_until_the_nodes_are_gone_and_stop_ends_them(self):
        a, b = self.pair()
        watch = subprocess.Popen([EDDY, "watch", "--every", "0.2", a.socket, b.socket], env=ENVIRONMENT, text=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            self.assertIn("2 nodes | walkway: ", watch.stdout.readline())
            self.assertIn("2 nodes | walkway: ", watch.stdout.readline())
            stopped = run(EDDY, "stop", a.socket, b.socket)
            self.assertEqual((stopped.returncode, stopped.stderr), (0, ""))
            self.ends_well(a)
            self.ends_well(b)
            self.assertEqual(watch.wait(PATIENCE_S), 0, watch.stderr.read())
        finally:
            watch.kill()
            watch.communicate()
        self.assertIn("asked on the control socket", a.log())
        self.assertFalse(a.socket.exists(), "a node takes its socket with it")

    def test_a_node_that_is_asked_to_leave_hands_its_frames_over_and_none_is_tried_again(self):
        a, b = self.pair()
        until(lambda: a.source()["completed"] > 20, "frames go round")
        left = run(EDDY, "leave", b.socket)
        self.assertEqual((left.returncode, left.stderr, left.stdout), (0, "", f"{b.socket} has left\n"))
        self.assertFalse(b.socket.exists())
        self.ends_well(b)
        self.ring(a)
        done = a.source()["completed"]
        until(lambda: a.source()["completed"] > done + 5, "a goes on alone")
        self.assertEqual(a.source()["failed"], 0)
        self.stops_well(a)

    def test_where_nobody_answers_the_command_says_so_and_fails(self):
        deaf = self.folder / "deaf.sock"
        with socket.socket(socket.AF_UNIX) as silent:
            silent.bind(str(deaf))
            for path, words in ((self.folder / "gone.sock", "is the node running?"), (deaf, "is the node running?")):
                for command in ("status", "stop"):
                    with self.subTest(f"{command} {path}"):
                        asked = run(EDDY, command, path)
                        self.assertEqual((asked.returncode, asked.stdout), (1, ""))
                        self.assertIn(str(path), asked.stderr)
                        self.assertIn(words, asked.stderr)
            silent.listen()
            asked = run(EDDY, "status", deaf)
            self.assertEqual((asked.returncode, "no answer in time" in asked.stderr), (1, True), asked.stderr)
        self.assertEqual(run(EDDY, "watch", "--wait", "0.2", self.folder / "gone.sock").returncode, 1)
        self.assertEqual(run(EDDY, "stop").returncode, 2)
        self.assertEqual(run(EDDY, "leave").returncode, 2)
        for node in (self.folder / "gone.sock", "nobody"):
            left = run(EDDY, "leave", node)
            self.assertEqual((left.returncode, left.stdout), (1, ""))
            self.assertIn(f"no node {node} found", left.stderr)
        nobody = run(EDDY, "status")
        self.assertEqual((nobody.returncode, "no node found" in nobody.stderr), (1, True), nobody.stderr)

    def test_a_socket_left_by_a_dead_node_is_taken_over_and_strange_questions_are_answered(self):
        a = self.node("a").ready()
        a.process.kill()
        a.wait()
        self.assertTrue(a.socket.exists())
        a = self.node("a").ready()
        self.assertIn("unknown request", a.ask("make coffee")["error"])
        self.assertIn("error", a.ask("\x00\xff"))
        self.assertEqual(a.status()["incarnation"], 2)
        self.stops_well(a)


main()
