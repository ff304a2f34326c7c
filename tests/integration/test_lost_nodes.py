#!/usr/bin/python3
"""Goal: the others go on when a node is killed or hangs while it holds frames. Method: sources that block and have a
fixed number of frames; a node is killed, or stopped and continued, once it has frames of others waiting."""

import signal

from nodes import SQUARE, Story, camera, main, until

FRAMES = 40


class LostNodes(Story):
    def start(self):
        """a and b have cameras, c has none; nobody captures before all three are there. A frame has time enough on slow
        machines as well: with its four, c may be busy for a quarter of a minute there."""
        cameras = {"a": camera(rate_per_s=20, frames=FRAMES), "b": camera("square", SQUARE, rate_per_s=20, frames=FRAMES)}
        started = []
        for name in "abc":
            started.append(self.node(name, source=cameras.get(name, ()), limit=0.12 if name in cameras else 0.03,
                                     node={"start_members": 3}, scheduler={"frame_timeout_s": 120},
                                     seeds=[each.ready() for each in started[:1]]))
        return [node.ready() for node in started]

    def holds_frames(self, node):
        """Waits until it begins a run, which takes it a third of a second."""
        before = node.runs()
        until(lambda: node.runs() > before + 1, f"{node.name} works for the others")

    def all_done(self, node, name):
        node.done_with(name)
        source = self.stops_well(node)["sources"][0]
        self.assertEqual(source["captured"], FRAMES)
        self.assertEqual(source["completed"], FRAMES, source)
        return source

    def test_frames_on_a_worker_that_is_killed_are_done_by_the_others(self):
        a, b, c = self.start()
        self.holds_frames(c)
        c.kill(signal.SIGKILL)
        self.assertEqual(c.wait(), -signal.SIGKILL)
        self.ring(a, b)
        attempts = self.all_done(b, "square")["attempts"] + self.all_done(a, "walkway")["attempts"]
        self.assertGreater(attempts, 2 * FRAMES, "no frame was lost with c: the story told nothing")

    def test_a_killed_camera_node_takes_no_frame_of_the_other_camera_with_it(self):
        a, b, c = self.start()
        self.holds_frames(c)
        until(lambda: b.source("square")["completed"] > 3, "b has results")
        b.kill(signal.SIGKILL)
        self.ring(a, c)
        self.all_done(a, "walkway")
        # Nobody waits for the results of what b sent: c is through with it, or has thrown it away.
        self.stops_well(c)

    def test_a_worker_that_hangs_is_given_up_and_taken_back_when_it_wakes(self):
        a, b, c = self.start()
        self.holds_frames(c)
        c.kill(signal.SIGSTOP)
        self.ring(a, b)
        c.kill(signal.SIGCONT)
        self.ring(a, b, c)
        # Results that c still had come late and must not count twice.
        self.all_done(a, "walkway")
        self.all_done(b, "square")
        self.stops_well(c)


main()
