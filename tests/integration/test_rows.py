#!/usr/bin/python3
"""Goal: frames whose rows are divided over nodes (EdgeFlow) are found to show what the whole model finds, and none is
lost with a node. Method: three processes on loopback, each a fifth of a core, so that dividing pays; a node is killed
while it has a part of every frame."""

import signal

from nodes import WALKWAY, Story, camera, main, until

FRAMES = 40


class Rows(Story):
    def start(self, **source):
        """The first measures what rows cost, and keeps it for the others. The camera begins when a fourth node, which only
        relays, is there: so the plan is ready before the first frame."""
        started = []
        for name in "abc":
            node = self.node(name, source=camera(**source) if name == "a" else (), node={"start_members": 4},
                             scheduler={"partition": "edgeflow"}, seeds=[each.address for each in started[:1]])
            started.append(node.ready())
        started[0].logs("over rows is ready at its 3 devices")
        self.node("d", relay=True, seeds=[started[0].address]).ready()
        return started

    def test_three_nodes_make_rows_of_every_frame_and_find_what_one_model_finds(self):
        a, b, c = self.start(rate_per_s=4, frames=FRAMES)
        a.done_with()
        source = self.stops_well(a)["sources"][0]
        self.assertEqual(source["completed"], FRAMES, source)
        self.assertGreater(source["path"]["distributed"], FRAMES / 2)
        checked = self.check_results(a, "walkway", WALKWAY)
        self.assertGreaterEqual(checked["fraction"], 0.99)
        self.assertGreater(checked["boxes"], 0)
        for node in (b, c):
            self.assertGreater(self.stops_well(node)["nodes"][0]["runs"], FRAMES / 2)

    def test_frames_of_a_plan_that_lost_a_node_are_done_without_it(self):
        a, b, c = self.start(rate_per_s=20, frames=3 * FRAMES)
        before = c.runs()
        until(lambda: c.runs() > before + 5, "c makes rows")
        c.kill(signal.SIGKILL)
        self.assertEqual(c.wait(), -signal.SIGKILL)
        a.done_with()
        source = self.stops_well(a)["sources"][0]
        self.assertEqual(source["captured"], 3 * FRAMES)
        self.assertEqual(source["completed"], 3 * FRAMES, source)
        self.assertGreater(source["attempts"], 3 * FRAMES, "no frame was under way: the story told nothing")
        self.stops_well(b)


main()
