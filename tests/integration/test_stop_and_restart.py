#!/usr/bin/python3
"""Goal: a node that is told to stop ends cleanly, and one that comes back is known to its ring as the node it was.
Method: signals at nodes with frames in flight; second lives with the same data_dir."""

import signal

from nodes import Story, endless, main, until


class StopAndRestart(Story):
    def busy(self, **more):
        node = self.node("a", source=endless(), **more).ready()
        until(lambda: node.source()["in_flight"] > 2 and node.source()["completed"] > 2, "frames are in flight")
        return node

    def test_admitted_frames_finish_after_sigterm_and_sigint(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number):
                source = self.stops_well(self.busy(), number)["sources"][0]
                self.assertEqual(source["completed"], source["admitted"], source)

    def test_frames_that_do_not_finish_in_time_are_reported_as_failed(self):
        node = self.node("a", source=endless(), limit=0.01, scheduler={"stop_timeout_s": 0.5}).ready()
        until(lambda: node.source()["in_flight"] > 2, "frames are in flight")
        source = self.stops_well(node)["sources"][0]
        self.assertGreater(source["failed_reasons"]["stopped"], 0)

    def test_a_second_signal_ends_a_node_at_once(self):
        node = self.node("a", source=endless(), limit=0.01, scheduler={"stop_timeout_s": 3600}).ready()
        until(lambda: node.source()["in_flight"] > 2, "frames are in flight")
        node.kill()
        until(lambda: node.status()["stopping"], "it stops")
        self.assertIsNone(node.process.poll())
        source = self.stops_well(node)["sources"][0]
        self.assertGreater(source["failed_reasons"]["stopped"], 0)
        self.assertIn("asked twice", node.log())

    def test_a_node_that_comes_back_is_the_same_node_in_a_new_life(self):
        a = self.node("a").ready()
        for life, end in enumerate((signal.SIGTERM, signal.SIGKILL, signal.SIGTERM), start=1):
            b = self.node("b", seeds=[a]).ready()
            self.ring(a, b)
            member = next(member for member in a.status()["ring"] if member["name"] == "b")
            status = b.status()
            self.assertEqual(status["incarnation"], life)
            self.assertEqual((member["id"], member["address"]), (status["id"], status["address"]))
            identity = status["id"] if life == 1 else identity
            self.assertEqual(status["id"], identity)
            b.kill(end)
            b.wait()
            a.sees("a")
        self.stops_well(a)


main()
