#!/usr/bin/python3
"""Goal: three nodes share one network over two cameras, every frame is accounted for, and what they find is what the
whole model finds. Method: three processes for a few seconds, each too slow to serve its camera alone."""

import json

from nodes import EDDY, SQUARE, WALKWAY, Story, camera, free_port, main, run


class MainJob(Story):
    def test_three_nodes_share_the_work_of_two_cameras_and_find_what_one_model_finds(self):
        ports = [free_port() for _ in "abc"]
        inputs = {"a": ("walkway", WALKWAY, 8), "b": ("square", SQUARE, 12)}
        seeds = [f"127.0.0.1:{port}" for port in ports]
        nodes = {}
        for name, port in zip("abc", ports):
            source = ()
            if name in inputs:
                stream, video, rate = inputs[name]
                source = camera(stream, video, rate_per_s=rate, loop=True, when_full="drop-oldest")
            listen = {"listen": f"127.0.0.1:{port}", "start_members": 3}
            nodes[name] = self.node(name, seeds=seeds, source=source, limit=0.08, flags=["--for", "8"], node=listen)

        for name, node in nodes.items():
            report = self.ends_well(node)
            self.assertGreater(report["nodes"][0]["runs"], 0, f"{name} did no work")
        for name, (stream, video, rate) in inputs.items():
            source = nodes[name].report()["sources"][0]
            self.assertGreaterEqual(source["captured"], 6 * rate)
            self.assertGreater(source["completed"], 5)
            self.assertGreater(source["path"]["distributed"], 0)
            self.assertEqual(source["failed"], 0, source)
            checked = self.check_results(nodes[name], stream, video)
            self.assertGreaterEqual(checked["fraction"], 0.99)
            self.assertGreater(checked["distributed"], 0)
            self.assertGreater(checked["boxes"], 0)

        merged = run(EDDY, "report", *(node.report_path for node in nodes.values()), "--json")
        self.assertEqual(merged.returncode, 0, merged.stderr)
        merged = json.loads(merged.stdout)
        self.assertEqual([source["name"] for source in merged["sources"]], ["walkway", "square"])
        self.assertEqual([node["name"] for node in merged["nodes"]], ["a", "b", "c"])


main()
