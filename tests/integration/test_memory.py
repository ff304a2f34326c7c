#!/usr/bin/python3
"""Goal: a node runs only layers that its memory holds, says which, and frames are finished or fail accordingly. Method:
nodes that replay a profile whose weights are large, and nodes with SSDLite, whose memory really is counted."""

import json

from nodes import LAYERS, ReplayStory, main, picture, until

MIB = 1 << 20


class Memory(ReplayStory):
    def heavy(self, name="heavy"):
        """Six layers of 10 MiB of weights each: as loaded and as compiled they take 21.25 MiB."""
        path = self.profile(name)
        with open(path) as file:
            profile = json.load(file)
        for layer in profile["layers"]:
            layer["weight_bytes"] = 10 * MIB
        with open(path, "w") as file:
            json.dump(profile, file)
        return path

    def small(self, name, memory_mb, **more):
        return self.replayed(name, {"replay": self.heavy(), "memory_mb": memory_mb, "custody_mb": 4}, **more)

    def test_nodes_with_parts_of_a_model_finish_frames_together_and_say_what_they_hold(self):
        start = {"start_members": 2}
        a = self.small("a", 80, node=start, source=picture(rate_per_s=20, frames=100, when_full="block")).ready()
        a.logs("80 MiB hold layers 0 to 2 of 6 layers, 50 % of the model's time", "a larger memory_mb helps")
        b = self.small("b", 140, node=start, seeds=[a]).ready()
        b.logs("140 MiB hold all 6 layers")
        self.ring(a, b)
        a.done_with("front")
        report = self.stops_well(a)
        (source,) = report["sources"]
        self.assertEqual((source["captured"], source["completed"]), (100, 100), source)
        self.assertEqual(source["path"], {"local": 0, "distributed": 100})
        self.assertGreater(report["nodes"][0]["runs"], 0)
        self.stops_well(b)

    def test_a_frame_that_no_node_can_finish_fails_with_the_reason(self):
        start = {"start_members": 2}
        a = self.small("a", 80, node=start, source=picture(rate_per_s=20, frames=40, when_full="block")).ready()
        b = self.small("b", 20, node=start, seeds=[a]).ready()
        b.logs(f"hold none of the {LAYERS} layers, so this node only relays")
        self.ring(a, b)
        a.done_with("front")
        (source,) = self.stops_well(a)["sources"]
        self.assertEqual(source["failed_reasons"], {"no_memory_for_layers": 40}, source)
        self.stops_well(b)

    def test_weights_of_other_layers_are_given_back(self):
        whole = self.node("whole", limit=1).ready()
        part = self.node("part", limit=1, compute={"memory_mb": 80, "custody_mb": 2}).ready()
        whole.logs("MiB hold all")
        part.logs("80 MiB hold layers")
        resident = [node.ask("report")["nodes"][0]["rss_bytes"] for node in (whole, part)]
        self.assertLess(resident[1] + 8 * MIB, resident[0])
        until(lambda: part.status()["chain_hash"] == whole.status()["chain_hash"], "both know the same model")
        self.stops_well(whole)
        self.stops_well(part)


main()
