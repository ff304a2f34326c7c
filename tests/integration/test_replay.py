#!/usr/bin/python3
"""Goal: nodes that replay a profile behave as nodes that compute, but for what they find; their speed can be changed and
their cameras ended from outside. Method: real processes with a profile made here, whose times are lower bounds of what
must have passed; a machine may be busy with other things, so there are next to no upper ones."""

import time

from nodes import EDDY, FRAME_S, LAYERS, PATIENCE_S, ReplayStory, main, picture, run, until


class Replay(ReplayStory):
    def account(self, node):
        """(frames completed, lane-seconds computed) of a node, at one instant."""
        report = node.ask("report")
        return sum(source["completed"] for source in report["sources"]), report["nodes"][0]["busy_s"]

    def test_three_replayed_nodes_share_the_frames_of_two_cameras_and_finish_them_all(self):
        began = time.time()
        start = {"start_members": 3}
        a = self.replayed("a", node=start, source=picture(frames=150, when_full="block")).ready()
        self.assertIn("computes nothing", a.log())
        b = self.replayed("b", node=start, seeds=[a], source=picture("back", frames=60, when_full="block")).ready()
        c = self.replayed("c", {"replay_speed": 2.0}, node=start, seeds=[a]).ready()
        self.ring(a, b, c)
        until(lambda: all(member["chain_hash"] for member in a.status()["ring"]), "a knows the others' models")
        self.assertEqual({member["chain_hash"] for member in a.status()["ring"]}, {"5a" * 32})
        self.assertEqual(a.status()["model"], "toy")
        doctor = run(EDDY, "doctor", "--config", a.config)
        self.assertEqual(doctor.returncode, 0, doctor.stdout)
        self.assertIn(f"{LAYERS} layers, hash 5a5a5a5a; replayed", doctor.stdout)
        a.done_with("front")
        b.done_with("back")
        reports = [self.stops_well(node) for node in (a, b, c)]
        for node, report, frames in ((a, reports[0], 150), (b, reports[1], 60)):
            (source,) = report["sources"]
            self.assertEqual((source["captured"], source["completed"]), (frames, frames), source)
            for line in node.results():
                self.assertEqual((line["detections"], line["classes"]), ([], []))
                self.assertTrue(began <= line["settled_unix_s"] <= time.time(), line)
        self.assertGreater(reports[0]["sources"][0]["path"]["distributed"], 0)
        busy = [report["nodes"][0]["busy_s"] for report in reports]
        for report in reports:
            self.assertGreater(report["nodes"][0]["runs"], 0)
        # Every layer of every frame was waited for somewhere; a second of c's counts for two.
        self.assertGreaterEqual(busy[0] + busy[1] + 2 * busy[2], 210 * FRAME_S)

    def test_the_speed_of_a_replay_changes_from_the_next_run_on(self):
        local = {"policy": "local"}
        a = self.replayed("a", {"replay_speed": 0.5}, scheduler=local, source=picture(when_full="drop-oldest")).ready()

        def frames_at(count):
            """So many frames, begun from now on, and how long they took."""
            first = until(lambda: (now := self.account(a))[0] > before[0] and now, "the run that had begun has ended")
            last = until(lambda: (now := self.account(a))[0] >= first[0] + count and now, "more frames are done")
            return last[0] - first[0], last[1] - first[1]

        before = self.account(a)
        frames, busy_s = frames_at(3)
        self.assertGreaterEqual(busy_s, frames * FRAME_S / 0.5)
        for refused in ("replay-speed 0", "replay-speed 1001", "replay-speed", "replay-speed fast"):
            self.assertIn("a number above 0 and at most 1000", a.ask(refused)["error"])
        self.assertIn("0.1", a.ask("replay-speed 0.1")["ok"])
        before = self.account(a)
        frames, busy_s = frames_at(3)
        self.assertGreaterEqual(busy_s, frames * FRAME_S / 0.1)
        a.ask("replay-speed 1000")
        before = self.account(a)
        frames, busy_s = frames_at(30)
        self.assertLess(busy_s, frames * FRAME_S)  # a thousandth of it was asked
        self.stops_well(a)
        relay = self.node("relay", relay=True).ready()
        self.assertIn("does not replay", relay.ask("replay-speed 1")["error"])
        self.stops_well(relay)

    def test_a_node_whose_cameras_are_ended_goes_on_for_the_others(self):
        cameras = [picture("front", 20, when_full="drop-oldest"), picture("back", 20, when_full="block")]
        a = self.replayed("a", source=cameras).ready()
        b = self.replayed("b", seeds=[a], source=picture("yard", 60, when_full="drop-oldest")).ready()
        self.ring(a, b)
        until(lambda: all(a.source(name)["completed"] > 0 for name in ("front", "back")), "a has results")
        for _ in range(2):
            stopped = run(EDDY, "stop", "--cameras", a.socket)
            self.assertEqual((stopped.returncode, stopped.stderr), (0, ""))
        for name in ("front", "back"):
            a.done_with(name)
        captured = [a.source(name)["captured"] for name in ("front", "back")]
        runs = a.runs()
        until(lambda: a.runs() > runs + 20, "a works for b")
        self.assertEqual(b.source("yard")["state"], "live")
        self.assertFalse(a.status()["stopping"])
        self.ring(a, b)
        report = self.stops_well(a)
        self.assertEqual([source["captured"] for source in report["sources"]], captured)
        for source in report["sources"]:
            self.assertEqual((source["failed"], source["dropped"].get("stopping", 0)), (0, 0), source)
        self.assertEqual(a.log().count("all cameras end"), 1)
        self.stops_well(b)

    def test_cameras_that_wait_for_a_ring_can_be_ended_too_and_never_start(self):
        a = self.replayed("a", node={"start_members": 2}, source=picture()).ready()
        self.assertIn("ok", a.ask("stop-cameras"))
        a.done_with("front")
        b = self.replayed("b", seeds=[a]).ready()
        self.ring(a, b)
        self.assertEqual(a.source("front")["captured"], 0)
        self.assertEqual(self.stops_well(a)["sources"][0]["captured"], 0)
        self.stops_well(b)

    def test_a_run_of_hours_does_not_hold_a_node_that_is_to_end(self):
        a = self.replayed("a", {"replay_speed": 1e-5}, scheduler={"stop_timeout_s": 0.5}, source=picture()).ready()
        until(lambda: a.runs() > 0, "a run has begun")
        self.stops_well(a)  # the run would outlast all patience

    def test_a_profile_that_no_camera_can_feed_is_refused_when_the_node_starts(self):
        odd = self.profile("odd", frame_bytes=1000)
        a = self.node("a", relay=True, limit=1, compute={"replay": odd}, source=picture())
        self.assertEqual(a.wait(), 2)
        self.assertIn("1000 bytes are no picture of 3 bytes a pixel", a.log())
        self.stops_well(self.node("b", relay=True, limit=1, compute={"replay": odd}).ready())


main()
