#!/usr/bin/python3
"""Goal: three times as many frames as two nodes can serve cost no more memory the longer it lasts; the frames too many
are dropped with their reason. Method: nodes that replay 24 ms a frame and a camera of 250 frames/s, whose frames, were
they kept, would take 14 MB a second. By hand, for longer: OVERLOAD_S=180 tests/integration/test_overload.py prints what
is resident on the way."""

import os

from nodes import FRAME_S, ReplayStory, main, picture, until

SECONDS = float(os.environ.get("OVERLOAD_S", 10))
RATE_PER_S = round(3 * 2 / FRAME_S)
FRAME_BYTES = 160 * 120 * 3
MARGIN_BYTES = 16 << 20  # in the second half: heaps settle, but 70 MB come in that time
RESERVOIR = 8
IN_FLIGHT_MAX = RESERVOIR + 256  # a source's reservoir, and what may be admitted and not finished


class Overload(ReplayStory):
    def resident(self, *nodes):
        return [node.ask("report")["nodes"][0]["rss_bytes"] for node in nodes]

    def overload(self, when_full):
        replay = {"replay": self.profile(f"frames-{when_full}", frame_bytes=FRAME_BYTES)}
        start = {"start_members": 2}
        source = picture("front", RATE_PER_S, when_full=when_full, reservoir_frames=RESERVOIR)
        a = self.replayed("a", replay, node=start, source=source).ready()
        b = self.replayed("b", replay, node=start, seeds=[a]).ready()
        self.ring(a, b)
        samples = []
        parts = 10
        for part in range(1, parts + 1):
            due = SECONDS * RATE_PER_S * part / parts
            until(lambda: a.source("front")["captured"] >= due, f"{due} frames came", 60 + SECONDS)  # noqa: B023
            samples.append(self.resident(a, b))
            self.assertLessEqual(a.source("front")["in_flight"], IN_FLIGHT_MAX)
            if "OVERLOAD_S" in os.environ:
                print(f"{SECONDS * part / parts:.0f} s: {[round(each / 2**20, 1) for each in samples[-1]]} MiB", flush=True)
        report = self.stops_well(a)
        self.stops_well(b)
        for node in range(2):
            half = max(sample[node] for sample in samples[: parts // 2])
            self.assertLess(max(sample[node] for sample in samples), half + MARGIN_BYTES, samples)
        (source,) = report["sources"]
        self.assertEqual(source["failed"], 0, source)
        self.assertGreater(source["completed"], 0)
        self.assertLessEqual(set(source["dropped"]), {"reservoir_full", "capture_queue_full", "stopping"})
        self.assertGreater(sum(source["dropped"].values()), source["captured"] / 3, source)

    def test_a_source_that_drops_its_oldest_frames(self):
        self.overload("drop-oldest")

    def test_a_source_that_drops_its_newest_frames(self):
        self.overload("drop-newest")


main()
