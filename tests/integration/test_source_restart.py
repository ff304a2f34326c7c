#!/usr/bin/python3
"""Goal: a source that is killed and comes back has forgotten no frame: numbers go on, what it left unfinished is told as
failed once, and the sums of all its lives hold. Method: kill -9 at nodes with frames in flight, second lives with the
same data_dir. A life's results are flushed once a second, so after a kill their last second may be missing: what a
killed life did is what its journal says, which the next life's report tells (`earlier_lives`)."""

import json
import signal

from nodes import ReplayStory, main, picture, until


def lines_of(node):
    """Result lines of a node that was killed: whole ones."""
    text = node.results_path.read_text()
    return [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines()]


def named(lines):
    return [(line["source"], line["incarnation"], line["k"]) for line in lines]


class SourceRestart(ReplayStory):
    def source_node(self, cameras=None, **more):
        cameras = cameras or picture(rate_per_s=120, when_full="drop-oldest")
        return self.replayed("a", source=cameras, **more).ready()

    def busy(self, node, completed=20):
        return until(lambda: (s := node.source("front"))["in_flight"] > 2 and s["completed"] > completed and s,
                     "frames are in flight")

    def killed(self, node):
        node.kill(signal.SIGKILL)
        node.wait()
        return lines_of(node)

    def row(self, report, name="front"):
        (source,) = [source for source in report["sources"] if source["name"] == name]
        lives = source["earlier_lives"]
        self.assertEqual(lives["captured"], lives["completed"] + lives["failed"] + lives["dropped"], source)
        return source, lives

    def test_frames_that_a_killed_source_left_unfinished_are_told_as_failed_once_and_the_sums_hold(self):
        b = self.replayed("b").ready()
        a = self.source_node(seeds=[b])
        self.ring(a, b)
        seen = self.busy(a)
        first = self.killed(a)
        b.sees("b")
        a = self.source_node(seeds=[b])
        self.ring(a, b)
        again = a.source("front")
        self.assertEqual(again["failed"], again["captured"] - again["completed"] - again["dropped"] - again["in_flight"])
        self.busy(a)
        report = self.stops_well(a)
        source, lives = self.row(report)
        # The journal knows at least what was seen before the kill.
        unfinished = [line for line in a.results() if line["reason"] == "source_restarted"]
        self.assertGreater(len(unfinished), 0)
        self.assertEqual(source["failed_reasons"]["source_restarted"], len(unfinished))
        self.assertGreaterEqual(lives["captured"] + len(unfinished), seen["captured"])
        self.assertGreaterEqual(lives["completed"], seen["completed"])
        # Without deadlines, admitted frames of the first life completed, failed, or failed in the second.
        self.assertEqual(lives["admitted"], lives["completed"] + lives["failed"])
        self.assertEqual({line["incarnation"] for line in unfinished}, {1})
        self.assertEqual({line["state"] for line in unfinished}, {"failed"})
        # Nothing twice, nothing that the first life told is unfinished, numbers go on.
        both = named(first) + named(a.results())
        self.assertEqual(len(set(both)), len(both))
        self.assertLessEqual(len(first), lives["captured"])
        self.assertEqual({line["position"] for line in unfinished}, {None})
        mine = [line for line in a.results() if line["incarnation"] == 2]
        self.assertEqual(sorted(line["position"] for line in mine), list(range(len(mine))))
        own = [line["k"] for line in mine]
        self.assertGreater(min(own), max(line["k"] for line in first + unfinished))
        self.assertIn(f"unfinished, and failed now: {len(unfinished)} of front", a.log())
        self.stops_well(b)

    def test_after_an_orderly_end_numbers_go_on_without_a_hole_and_nothing_is_unfinished(self):
        reports = []
        for life in (1, 2):
            a = self.source_node()
            self.busy(a, 5)
            reports.append(self.stops_well(a))
            numbers = sorted(line["k"] for line in a.results())
            captured = [self.row(report)[0]["captured"] for report in reports]
            self.assertEqual(numbers, list(range(sum(captured[:-1]), sum(captured))))
        self.assertIn("none was left unfinished", a.log())
        _, lives = self.row(reports[1])
        self.assertEqual(lives["captured"], self.row(reports[0])[0]["captured"])
        self.assertEqual(lives["completed"], self.row(reports[0])[0]["completed"])
        self.assertEqual(self.row(reports[0])[1]["captured"], 0)

    def test_a_source_that_is_killed_again_and_again_counts_each_frame_in_one_life(self):
        told, captured = [], 0
        for life in range(1, 6):
            a = self.source_node()
            seen = until(lambda: (s := a.source("front"))["completed"] > 2 and s, "it works")
            captured += seen["captured"] - seen["failed"]  # what failed is of the life before
            if life % 2 == 0:
                until(lambda: lines_of(a), "results are on disk")
            told += self.killed(a)
        a = self.source_node()
        self.busy(a)
        source, lives = self.row(self.stops_well(a))
        told += a.results()
        self.assertEqual(len(set(named(told))), len(told))
        self.assertEqual(len({k for _, _, k in named(told)}), len(told))  # not even the same number in two lives
        own = [line for line in a.results() if line["reason"] != "source_restarted"]
        self.assertGreaterEqual(lives["captured"] + source["captured"], captured + len(own))
        self.assertLessEqual(len(told), lives["captured"] + source["captured"])

    def test_frames_of_a_source_that_is_not_configured_any_more_are_told_under_its_old_name(self):
        a = self.source_node()
        self.busy(a)
        first = self.killed(a)
        a = self.source_node([picture("yard", 20, when_full="block"), picture("back", 20, when_full="block")])
        until(lambda: a.source("back")["completed"] > 2, "the new ones work")
        self.assertEqual(a.source("front")["state"], "not configured")
        report = self.stops_well(a)
        source, lives = self.row(report)
        unfinished = [line for line in a.results() if line["source"] == "front"]
        self.assertGreater(len(unfinished), 0)
        self.assertEqual((source["captured"], source["failed"]), (len(unfinished), len(unfinished)))
        self.assertEqual(len(set(named(first + unfinished))), len(first) + len(unfinished))
        self.assertGreater(lives["completed"], 0)
        a = self.source_node()
        report = self.stops_well(a)
        self.assertEqual([source["name"] for source in report["sources"]], ["front"])
        self.assertEqual(self.row(report)[1]["failed"], len(unfinished))

    def test_a_torn_or_foreign_journal_is_told_and_one_that_cannot_be_written_stops_nobody(self):
        a = self.source_node()
        self.busy(a)
        self.killed(a)
        journal = self.folder / "state-a" / "journal"
        journal.write_bytes(journal.read_bytes()[:-5])
        a = self.source_node()
        self.assertIn("its last record is torn", a.log())
        self.busy(a, 2)
        self.row(self.stops_well(a))
        journal.write_text("a letter")
        a = self.source_node()
        self.assertIn("does not begin as a journal", a.log())
        self.assertEqual(a.source("front")["earlier_lives"]["captured"], 0)
        self.stops_well(a)
        journal.unlink()
        journal.mkdir()
        a = self.source_node()
        self.assertIn("cannot read", a.status()["journal_problem"])
        self.busy(a, 2)
        report = self.stops_well(a)
        self.assertIsNone(report["sources"][0]["earlier_lives"])
        self.assertGreater(report["sources"][0]["completed"], 2)


main()
