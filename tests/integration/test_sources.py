#!/usr/bin/python3
"""Goal: each kind of input, each policy of a full reservoir and each way to lose a frame does what it says, and a broken
video hurts nobody. Method: small inputs, and nodes too slow for them."""

import random
import shutil

from nodes import MEDIA, RESNET, WALKWAY, Story, camera, main

SLOW = 0.05  # some 0.4 s a frame


class Sources(Story):
    def sourced(self, source, **more):
        """The ended source's row of the report."""
        node = self.node("a", source=source, **more).ready()
        node.done_with(source["name"])
        return self.stops_well(node)["sources"][0], node

    def hurried(self, when_full, **more):
        """40 frames in 0.8 s, of which a slow node can serve two."""
        source = camera(rate_per_s=50, frames=40, when_full=when_full, reservoir_frames=2)
        return self.sourced(source | more, limit=SLOW, scheduler={"queue_frames": 1, "frame_timeout_s": 300})

    def test_a_classifier_knows_a_cat_and_an_espresso(self):
        pictures = self.folder / "pictures"
        pictures.mkdir()
        for name in ("chelsea.png", "coffee.png"):
            shutil.copy(MEDIA / name, pictures)
        # Two nodes, so that the classes cross the ring as well.
        a = self.node("a", source=camera("pictures", pictures, frames=12, loop=True, rate_per_s=100),
                      node={"start_members": 2}, model={"path": str(RESNET)}).ready()
        b = self.node("b", seeds=[a], model={"path": str(RESNET)}).ready()
        a.done_with("pictures")
        source = self.stops_well(a)["sources"][0]
        self.stops_well(b)
        self.assertEqual(source["completed"], 12)
        for line in a.results():
            best = line["classes"][0]
            self.assertEqual(best["name"], "espresso" if line["k"] % 2 else "Egyptian_cat")
            self.assertGreater(best["score"], 0.7)
            self.assertEqual(len(line["classes"]), 5)
            self.assertEqual(line["detections"], [])
        checked = self.check_results(a, "pictures", pictures, model=RESNET)
        self.assertEqual((checked["fraction"], checked["distributed"]), (1.0, source["path"]["distributed"]))

    def test_a_synthetic_camera_keeps_its_own_pace(self):
        source, node = self.sourced(camera("test", "lavfi:testsrc2=size=640x480:rate=10", frames=10), limit=1.0)
        self.assertEqual((source["captured"], source["completed"]), (10, 10))
        self.check_results(node, "test", "lavfi:testsrc2=size=640x480:rate=10")

    def test_block_serves_every_frame(self):
        source, _ = self.hurried("block", frames=15)
        self.assertEqual((source["captured"], source["completed"]), (15, 15))

    def test_drop_newest_keeps_what_came_first(self):
        source, node = self.hurried("drop-newest")
        self.assertEqual(source["captured"], 40)
        self.assertEqual(set(source["dropped"]) - {"reservoir_full", "capture_queue_full"}, set())
        kept = [line["k"] for line in node.results("completed")]
        self.assertTrue({0, 1, 2} <= set(kept), kept)

    def test_drop_oldest_keeps_what_came_last(self):
        source, node = self.hurried("drop-oldest")
        self.assertEqual(source["captured"], 40)
        self.assertGreater(source["dropped"]["reservoir_full"], 20)
        kept = [line["k"] for line in node.results("completed")]
        self.assertTrue({38, 39} <= set(kept), kept)

    def test_frames_past_their_deadline_are_dropped_for_that_reason(self):
        # All of them would take half a minute and more; those that are served in time took their part of the deadline.
        source, node = self.hurried("block", frames=80, deadline_ms=8000)
        self.assertEqual(source["captured"], 80)
        self.assertGreater(source["dropped"]["deadline"], 20)
        self.assertEqual(set(source["dropped"]), {"deadline"})
        self.assertGreater(source["completed"], 0)
        for line in node.results("completed"):
            self.assertLess(line["completion_ms"], 8000 + 4000)  # it is looked for every 50 ms, if the machine runs

    def test_a_corrupt_video_ends_and_every_frame_of_it_is_accounted_for(self):
        whole = bytearray(WALKWAY.read_bytes()[:600_000])  # half a dozen pictures in, the rest is missing
        noise = random.Random(20220911)
        for _ in range(2000):
            whole[noise.randrange(20_000, len(whole))] ^= 1 << noise.randrange(8)
        broken = self.folder / "broken.avi"
        broken.write_bytes(whole)
        source, node = self.sourced(camera("broken", broken, rate_per_s=50), limit=1.0)
        self.assertGreater(source["captured"], 5)
        self.assertEqual(source["completed"], source["captured"])
        self.assertIn("corrupt", node.log())

    def test_two_cameras_at_one_node_do_not_starve_each_other(self):
        """One floods, the other is slow: both get their share, and each has its own numbering."""
        flood = camera("flood", rate_per_s=100, loop=True, when_full="drop-oldest")
        calm = camera("calm", "lavfi:testsrc2=size=320x240:rate=2", frames=6)
        node = self.node("a", source=[flood, calm], limit=0.3).ready()
        node.done_with("calm")
        flooded, calmed = self.stops_well(node)["sources"]
        self.assertEqual(calmed["completed"], 6)
        self.assertGreater(flooded["completed"], 6)


main()
