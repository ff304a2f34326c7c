#!/usr/bin/python3
"""Goal: what is run for the figures keeps to its time and to experiments that exist; goals are called reached and
missed as they are; tables and docs/results.md say what was measured and nothing else. Method: made-up results."""

import dataclasses
import re
import tempfile
import unittest
from pathlib import Path

from pretended_lab import EXPERIMENTS, ROOT, told

import goals
import page
import plan
import results
import tables

TEMPLATE = (ROOT / "bench" / "figures" / "template.md").read_text(encoding="utf-8")


def results_of(*runs):
    made = results.Results()
    for run in runs:
        made.add(run["compute"], run["experiment"], [run])
    return made


def all_planned(without=(), **others):
    """Results of all that is planned of replayed compute but of those experiments."""
    planned = plan.runs(EXPERIMENTS, "replayed")
    made = results.Results(planned)
    for run in planned:
        if run.experiment not in without:
            made.add("replayed", run.experiment, [told(run.experiment, policy, makespan_s=40.0, **others)
                                                  for policy in run.policies])
    return made


def of_all_runs(made):
    """Verdicts on the goals of all replayed runs: the simulator's prediction first, then losses."""
    return [goals.predicted(made, "replayed").verdict,
            *(goals.none_of(made, "replayed", *loss).verdict for loss in goals.LOSSES)]


def cells(text):
    """Rows of a Markdown table, without the line below its header."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    return rows[:1] + rows[2:]


class Plan(unittest.TestCase):
    def test_every_run_is_of_an_experiment_that_exists_and_has_its_own_place(self):
        for compute in plan.COMPUTES:
            runs = plan.runs(EXPERIMENTS, compute)
            self.assertEqual(len({run.place("out") for run in runs}), len(runs))
            for run in runs:
                self.assertTrue((EXPERIMENTS / f"{run.experiment}.toml").exists(), run.experiment)

    def test_all_replayed_ones_take_less_than_three_quarters_of_an_hour_real_ones_little_more_than_one(self):
        for compute, minutes in (("replayed", 45), ("real", 65)):
            self.assertLess(sum(run.expected_s for run in plan.runs(EXPERIMENTS, compute)), 60 * minutes, compute)

    def test_sets_are_chosen_by_name_and_together_are_everything(self):
        apart = [run for name in plan.SETS for run in plan.runs(EXPERIMENTS, "replayed", (name,))]
        self.assertEqual(apart, plan.runs(EXPERIMENTS, "replayed"))
        self.assertEqual({run.set for run in plan.runs(EXPERIMENTS, "replayed", ("defer",))}, {"defer"})

    def test_whatever_has_a_goal_is_run(self):
        everything = results.Results()
        for compute in plan.COMPUTES:
            for run in plan.runs(EXPERIMENTS, compute):
                everything.add(compute, run.experiment,
                               [told(run.experiment, policy, compute, makespan_s=40.0) for policy in run.policies])
        self.assertEqual([goal.what for goal in goals.all_goals(everything) if goal.value is None], [])

    def test_experiments_are_chosen_by_name_beside_sets_and_keep_their_order(self):
        def names(*only):
            return [run.experiment for run in plan.runs(EXPERIMENTS, "real", only)]
        self.assertEqual(names("links-100", "fig3-three", "links-20"), ["fig3-three", "links-20", "links-100"])
        self.assertEqual(names("links-100", "defer", "defer-one"), ["defer-one", "defer-eight", "links-100"])
        self.assertEqual(names("cluster-20"), [])

    def test_real_compute_leaves_out_what_the_page_says(self):
        left_out = {name: [] for name in plan.SETS}
        real = {run.experiment: run.policies for run in plan.runs(EXPERIMENTS, "real")}
        for run in plan.runs(EXPERIMENTS, "replayed"):
            left_out[run.set] += [run.experiment] if run.experiment not in real else [
                policy for policy in run.policies if policy not in real[run.experiment]]
        self.assertEqual(left_out, {
            "fig3": ["ms-mdi", "ms-mdi", "fig3-four", "ms-mdi", "fig3-two-1000", "fig3-three-1000", "fig3-five-1000"],
            "defer": ["defer-two", "defer-four", "ar-mdi"], "cluster": [f"cluster-{n}" for n in plan.CLUSTERS],
            "links": []})

    def test_an_experiment_says_what_its_devices_can_do_and_its_sources_want(self):
        load = plan.load_of(EXPERIMENTS, "fig3-three")
        self.assertEqual(len(load.device_per_s), 3)
        self.assertAlmostEqual(load.device_per_s[0], 25, delta=0.5)
        self.assertEqual(load.sources, ((0, 2500), (1, 7500)))

    def test_makespans_are_the_largest_source_alone_and_all_together(self):
        load = plan.Load((10.0, 20.0, 20.0), ((0, 100), (1, 600)))
        self.assertEqual(load.makespan_s("local", 1), 30)
        self.assertEqual(load.makespan_s("ar-mdi", 0.5), 15)
        self.assertEqual(load.makespan_s("layered", 0.5), 7)
        self.assertEqual(load.both_sources_s(1), 10)
        self.assertEqual(plan.Load((10.0, 90.0), ((0, 100), (1, 100))).both_sources_s(1), 100 / 90)

    def test_windows_of_batches_end_before_a_source_does(self):
        for compute in plan.COMPUTES:
            for run in plan.runs(EXPERIMENTS, compute, ("fig3",)):
                load = plan.load_of(EXPERIMENTS, run.experiment)
                self.assertLess(run.warm_up_s + run.window_s, 0.9 * load.both_sources_s(run.part), run.experiment)

    def test_only_real_compute_names_a_model_and_only_batches_a_part_of_their_frames(self):
        for run in plan.runs(EXPERIMENTS, "replayed"):
            self.assertNotIn("--model", run.arguments())
            self.assertEqual("--frames-part" in run.arguments(), run.set == "fig3")
        real = {run.set: run.model for run in plan.runs(EXPERIMENTS, "real")}
        self.assertEqual(real, {"fig3": plan.MOBILENET, "defer": plan.RESNET, "links": plan.MOBILENET})

    def test_arguments_are_those_of_the_command(self):
        run = plan.runs(EXPERIMENTS, "real", ("fig3",), 0.25)[0]
        self.assertEqual(
            " ".join(run.arguments()),
            "lab run configs/experiments/fig3-two.toml --policy local,ar-mdi,layered --compute real --model "
            f"build/models/mobilenet_v2.pt --warm-up-s {run.warm_up_s:g} --window-s {run.window_s:g} "
            "--frames-part 0.25 --json")


class Goals(unittest.TestCase):
    def test_a_goal_is_reached_from_just_what_is_asked(self):
        for fraction, reached in ((0.9, True), (0.8999, False), (1.0, True)):
            goal = goals.fraction(results_of(told("links-20", "layered", fraction=fraction)), "replayed", 5, 20)
            self.assertEqual((goal.reached, goal.asked), (reached, "≥ 0.900"))
            self.assertEqual(goal.verdict, "reached" if reached else "**missed**")

    def test_faster_links_ask_for_more_and_real_compute_for_less(self):
        asked = {(compute, mbit): goals.fraction(results.Results(), compute, 2, mbit).asked
                 for compute in plan.COMPUTES for mbit in (20, 100, 1000)}
        self.assertEqual(list(asked.values()), ["≥ 0.900", "≥ 0.950", "≥ 0.950", "≥ 0.800", "≥ 0.850", "≥ 0.850"])

    def test_what_was_not_measured_is_neither_reached_nor_missed(self):
        for goal in goals.all_goals(results.Results()):
            self.assertEqual((goal.verdict, goal.reached), ("not measured", False), goal.what)

    def test_goals_of_replayed_compute_come_first(self):
        computes = [goal.compute for goal in goals.all_goals(results.Results())]
        self.assertEqual(computes, ["replayed"] * computes.count("replayed") + ["real"] * computes.count("real"))

    def test_time_saved_is_of_the_base_in_the_same_file(self):
        made = results_of(told("fig3-five", "local", makespan_s=45.0), told("fig3-five", "layered", makespan_s=13.5))
        goal = goals.saved(made, "replayed", 5, 100, "local")
        self.assertEqual((goal.shown, goal.asked, goal.verdict), ("70.0 %", "≥ 68.0 %", "reached"))
        self.assertIsNone(goals.saved(made, "replayed", 5, 100, "ar-mdi").value)
        self.assertIsNone(goals.saved(made, "replayed", 5, 1000, "local").value)
        self.assertAlmostEqual(made.ideal_saved("replayed", "fig3-five"), 1 / 3)

    def test_time_is_not_saved_by_a_run_without_end(self):
        for mine, other in ((None, 45.0), (45.0, None), (None, None)):
            made = results_of(told("fig3-five", "local", makespan_s=other),
                              told("fig3-five", "layered", makespan_s=mine))
            goal = goals.saved(made, "replayed", 5, 100, "local")
            self.assertEqual((goal.value, goal.shown, goal.verdict), (None, "–", "**missed**"))
            self.assertIn("5 workers, 100 Mbit/s, replayed compute: –, asked ≥ 68.0 %", tables.goals_summary(made))
        for policy in ("local", "layered"):
            made = results_of(told("fig3-five", policy))
            self.assertEqual(goals.saved(made, "replayed", 5, 100, "local").verdict, "not measured")

    def test_over_links_that_were_not_shaped_nothing_is_reached(self):
        made = all_planned(isolation="loopback", fraction=0.99)
        replayed = [goal for goal in goals.all_goals(made) if goal.compute == "replayed"]
        self.assertEqual({goal.verdict for goal in replayed}, {"not shaped"})
        self.assertIn(f"{len(replayed)} measured over links that were not shaped, ", tables.goals_summary(made))
        one_of_two = results_of(told("fig3-five", "local", makespan_s=45.0, isolation="loopback"),
                                told("fig3-five", "layered", makespan_s=13.5))
        self.assertEqual(goals.saved(one_of_two, "replayed", 5, 100, "local").verdict, "not shaped")
        lost = results_of(told("links-20", "layered", isolation="loopback", lost=1))
        self.assertEqual(goals.none_of(lost, "replayed", *goals.LOSSES[0]).verdict, "**missed**")

    def test_goals_of_all_runs_are_reached_when_all_that_is_planned_is_there(self):
        self.assertEqual(set(of_all_runs(all_planned())), {"reached"})
        clusters = [f"cluster-{nodes}" for nodes in plan.CLUSTERS]
        made = all_planned(without=("defer-two", *clusters))
        self.assertEqual(set(of_all_runs(made)), {"not all was run: defer-two, all of cluster"})
        self.assertIn("4 of all runs, of which some are missing", tables.goals_summary(made))
        self.assertIn("not all was run: defer-two, all of cluster", cells(tables.prediction(made))[1][-1])
        del made.by_name["replayed", "fig3-two", "ms-mdi"]
        self.assertEqual(made.missing("replayed"), ["fig3-two ms-mdi", "defer-two", "all of cluster"])

    def test_a_loss_is_missed_whatever_else_is_missing(self):
        made = all_planned(without=("defer-two",), lost=1)
        self.assertEqual(of_all_runs(made)[1:3], ["**missed**", "not all was run: defer-two"])

    def test_a_run_without_prediction_is_missing_where_predictions_are_judged(self):
        made = all_planned(without=("links-20",))
        made.add("replayed", "links-20", [told("links-20", "layered", over_simulated=None)])
        self.assertEqual(of_all_runs(made), ["not all was run: links-20", "reached", "reached", "reached"])

    def test_twenty_nodes_end_clean(self):
        def verdict(**others):
            return goals.clean_end(results_of(told("cluster-20", "layered", **others)), "replayed", 20).verdict
        self.assertEqual(goals.clean_end(results.Results(), "replayed", 20).verdict, "not measured")
        self.assertEqual(verdict(), "reached")
        for bad in ({"lost": 1}, {"duplicated": 1}, {"sources": [{"name": "a", "captured": 9, "failed": 1}]}):
            self.assertEqual(verdict(**bad), "**missed**")
        self.assertIn("a 20-node run ends clean: frames lost, delivered twice or failed",
                      [goal.what for goal in goals.all_goals(results.Results())])

    def test_eight_nodes_count_by_the_less_flattering_of_two_single_ones(self):
        eight, alone = told("defer-eight", "layered", per_s=18.0), told("defer-eight", "local", per_s=2.0)
        self.assertEqual(goals.defer_times(results_of(eight, alone), "replayed").value, 9)
        one = told("defer-one", "layered", per_s=4.0)
        goal = goals.defer_times(results_of(eight, alone, one), "replayed")
        self.assertEqual((goal.value, goal.verdict), (4.5, "**missed**"))

    def test_the_simulator_is_judged_by_its_worst_run(self):
        def worst(*ratios):
            return goals.predicted(results_of(*(told(f"cluster-{i}", "layered", over_simulated=ratio)
                                                for i, ratio in enumerate(ratios))), "replayed")
        self.assertEqual((worst(1.02, 0.91).value, worst(1.02, 0.91).verdict), (0.91, "reached"))
        self.assertEqual(worst(1.0, 1.1).verdict, "reached")
        self.assertEqual(worst(1.0, 1.12, 0.95).verdict, "**missed**")
        self.assertEqual(worst(None).verdict, "not measured")

    def test_one_frame_lost_twice_delivered_or_failed_anywhere_misses(self):
        bad_source = [{"name": "small", "captured": 100, "failed": 1}]
        for others, what in (({"lost": 1}, "lost"), ({"duplicated": 1}, "delivered twice"),
                             ({"sources": bad_source}, "failed")):
            made = results_of(told("links-20", "layered"), told("fig3-two", "local", **others))
            missed = [goal.what for goal in goals.all_goals(made) if goal.verdict == "**missed**"]
            self.assertEqual(missed, [f"frames {what} in all runs"])


class Tables(unittest.TestCase):
    def every(self):
        made = results.Results()
        for compute in plan.COMPUTES:
            for run in plan.runs(EXPERIMENTS, compute):
                made.add(compute, run.experiment,
                         [told(run.experiment, policy, compute, makespan_s=40.0 if run.set == "fig3" else None)
                          for policy in run.policies])
        return made

    def test_every_row_has_as_many_cells_as_its_header_with_much_with_little_and_with_nothing(self):
        for made in (self.every(), results_of(told("defer-one", "layered")), results.Results()):
            for name, make in page.BLOCKS.items():
                text = make(made)
                self.assertEqual({len(row) for row in cells(text)} - {len(row) for row in cells(text)[:1]}, set(), name)

    def test_of_repeated_runs_the_median_counts_and_what_any_of_them_lost(self):
        repeats = [told("links-100", "layered", "real", fraction=fraction, lost=lost)
                   for fraction, lost in ((0.9, 0), (0.7, 2), (0.8, 1))]
        made = results.Results()
        made.add("real", "links-100", repeats)
        self.assertEqual(made.get("real", "links-100", "layered"), repeats[2])
        self.assertEqual(cells(tables.fractions(made))[6][5], "[0.800]")
        self.assertEqual(goals.none_of(made, "real", *goals.LOSSES[0]).value, 3)
        self.assertEqual([row[6] for row in cells(tables.runs(made))[1:]], ["0.900", "0.700", "0.800"])
        self.assertEqual(results.median_of([told("x", "layered", fraction=fraction) for fraction in (0.9, 0.8)]),
                         told("x", "layered", fraction=0.8))

    def test_fractions_have_real_compute_in_brackets(self):
        made = results_of(told("links-100", "layered", fraction=0.96),
                          told("links-100", "layered", "real", fraction=0.8))
        row = cells(tables.fractions(made))[6]
        self.assertEqual(row, ["5", "100", "0.960", "≥ 0.950", "reached", "[0.800]", "[≥ 0.850]", "**missed**"])

    def test_makespans_and_savings_stand_beside_what_is_possible_and_what_the_paper_says(self):
        made = results_of(*(told("fig3-two", policy, makespan_s=seconds) for policy, seconds in
                            (("local", 45.0), ("ar-mdi", 40.0), ("ms-mdi", 42.0), ("layered", 31.6))))
        self.assertEqual(cells(tables.makespans(made))[1:],
                         [["2", "100", "replayed", "400", "45.0", "40.0", "42.0", "31.6", "30.0"]])
        self.assertEqual(cells(tables.saved_against(made, "local"))[1:],
                         [["2", "100", "replayed", "29.8 %", "≥ 29.0 %", "reached", "33.3 %", "11.1 %", "6.7 %",
                           "11 %"]])
        self.assertEqual(cells(tables.saved_against(made, "ar-mdi"))[1:],
                         [["2", "100", "replayed", "21.0 %", "≥ 16.0 %", "reached", "-5.0 %", "16 %"]])

    def test_four_workers_and_real_compute_have_no_goal(self):
        for run in (told("fig3-four", "layered", makespan_s=30.0),
                    told("fig3-two", "layered", "real", makespan_s=30.0)):
            self.assertEqual(cells(tables.saved_against(results_of(run), "local"))[1][4:6], ["–", "–"])

    def test_defer_is_compared_with_one_node_and_with_local(self):
        made = results_of(told("defer-one", "layered", per_s=2.5), told("defer-eight", "local", per_s=2.4),
                          told("defer-eight", "layered", per_s=18.0, fraction=0.9))
        self.assertEqual(cells(tables.defer(made))[3], ["8", "layered", "replayed", "18.00", "20.00", "0.900", "7.20 ×",
                                                        "7.50 ×"])
        self.assertIn("1.53 ×", tables.defer(made))

    def test_prediction_counts_runs_and_names_those_outside(self):
        made = results_of(told("links-20", "layered", over_simulated=0.88), told("links-100", "layered"))
        self.assertEqual(cells(tables.prediction(made))[1:],
                         [["replayed", "2", "1", "0.880 to 1.000", "links-20 layered (0.880)", "**missed**"]])

    def test_speeds_are_told_as_least_and_most_of_those_that_asked_for_the_same(self):
        made = results_of(told("fig3-two", "local", "real"))
        self.assertEqual(cells(tables.devices(made))[1:],
                         [["fig3-two", "real", "2", "0.223", "0.2200 to 0.2210", "0.50", "namespaces"]])
        self.assertEqual(cells(tables.links(made))[1:], [["fig3-two", "real", "1", "100", "95.5", "not applied"]])

    def test_links_that_were_left_as_they_are_ask_for_nothing(self):
        link = {"from": "w1", "to": "w2", "asked_mbit_per_s": None, "measured_mbit_per_s": 9000.0}
        made = results_of(told("fig3-two", "local", isolation="loopback", link_speeds=[link, link]))
        self.assertEqual(cells(tables.links(made))[1], ["fig3-two", "replayed", "2", "as it is", "9000.0",
                                                        "not applied"])

    def test_runs_and_hops_per_frame_are_told_of_each_run(self):
        made = results_of(told("fig3-two", "local", runs_per_frame=1.25, hops_per_frame=0.5),
                          told("fig3-two", "layered"))
        header, *rows = cells(tables.runs(made))
        at = header.index("runs/frame")
        self.assertEqual(header[at + 1], "hops/frame")
        self.assertEqual([row[at:at + 2] for row in rows], [["1.25", "0.50"], ["–", "–"]])

    def test_what_the_lab_could_not_measure_is_a_dash(self):
        run = told("fig3-two", "local", over_simulated=1, quota_factor=None, link_speeds=[], simulated=None)
        run["devices"] = [{"name": "w1", "asked_speed": 0.5, "measured_speed": None}]
        run["measured_over_simulated"] = None
        made = results_of(run)
        self.assertEqual(cells(tables.devices(made))[1][4], "–")
        self.assertEqual(cells(tables.runs(made))[1][4:6], ["–", "–"])
        self.assertEqual(cells(tables.prediction(made))[1:], [])

    def test_the_summary_lists_what_was_missed(self):
        text = tables.goals_summary(results_of(told("links-1000", "layered", fraction=0.9)))
        self.assertIn("Of 40 goals: 4 reached, 1 missed, 35 not measured.", text)
        self.assertIn("* `layered` of the bound, 5 workers, 1000 Mbit/s, replayed compute: 0.900, asked ≥ 0.950", text)


class Page(unittest.TestCase):
    def test_the_template_is_filled_whatever_is_missing_and_shows_every_table(self):
        for made in (results.Results(), results_of(told("fig3-two", "layered", makespan_s=30.0))):
            self.assertNotIn("{{", page.fill(TEMPLATE, made))
        for name in (*page.BLOCKS, "plots"):
            self.assertIn("{{" + name + "}}", TEMPLATE)

    def test_prose_asks_only_for_runs_that_are_planned(self):
        planned = {(run.compute, run.experiment, policy) for compute in plan.COMPUTES
                   for run in plan.runs(EXPERIMENTS, compute) for policy in run.policies}
        for found in page.PLACE.findall(TEMPLATE):
            word, *names = found.split()
            if word in page.VALUES:
                self.assertIn(tuple(names[:3]), planned, found)

    def test_values_stand_in_prose_with_their_unit_and_prose_stays(self):
        made = results_of(told("fig3-two", "local", makespan_s=40.0), told("fig3-two", "layered", makespan_s=30.0))
        text = page.fill("It saves {{saved replayed fig3-two layered local}}.", made)
        self.assertEqual(text, "It saves 25.0 %.")
        self.assertEqual(page.fill("{{busy replayed fig3-two local}}", made), "1.00, 0.90")
        self.assertEqual(page.fill("{{busy real fig3-two local}} yet", made), "not measured yet")
        self.assertEqual(page.fill("{{saved real fig3-two layered local}}, {{commands}}", made),
                         "not measured, not measured")

    def test_what_the_template_asks_for_must_be_known(self):
        for text in ("{{speed}}", "{{saved replayed fig3-two}}", "{{goals replayed}}", "{{}}"):
            with self.assertRaises(page.Unknown):
                page.fill(text, results.Results())

    def test_date_and_machine_are_those_of_the_runs(self):
        made = results_of(told("fig3-two", "local", started_unix_s=1795219200),
                          told("fig3-two", "layered", started_unix_s=1795219200 + 86400, machine="four cores"))
        self.assertEqual(page.fill("{{date}}, {{machine}}", made), "2026-11-21 to 2026-11-22, two cores; four cores")

    def test_plots_are_shown_with_what_they_are(self):
        kept = [("results/replayed-per-image-time.svg", "Time per image")]
        self.assertEqual(page.fill("{{plots}}", results.Results(), kept),
                         "![Time per image](results/replayed-per-image-time.svg)")

    def test_plots_that_are_kept_are_of_groups_that_are_run(self):
        groups = {(run.compute, run.group) for compute in plan.COMPUTES for run in plan.runs(EXPERIMENTS, compute)}
        self.assertEqual([kept for kept in page.KEPT_PLOTS if kept[:2] not in groups], [])
        begins = [f"{compute}-{begin}" for compute, _, begin, _ in page.KEPT_PLOTS]
        self.assertEqual([(a, b) for a in begins for b in begins if a != b and b.startswith(a)], [])
        self.assertEqual(len(set(begins)), len(begins))

    def test_no_number_of_the_prose_looks_measured(self):
        prose = re.sub(page.PLACE, "", TEMPLATE)
        self.assertEqual(re.findall(r"\d+\.\d+", prose), [])


class Reading(unittest.TestCase):
    def test_other_files_are_refused_by_name_and_reason(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "x.json")
            for text, reason in (("[", "Expecting"), ("{}", "not a list"), ("[]", "not a list"), ("[1]", "not a list"),
                                 ('[{"policy": "local"}]', "local has no throughput_per_s")):
                path.write_text(text, encoding="utf-8")
                with self.assertRaisesRegex(results.Unusable, f"x.json: .*{reason}"):
                    results.read(path)
            with self.assertRaisesRegex(results.Unusable, "none.json"):
                results.read(Path(folder, "none.json"))

    def test_results_of_other_policies_do_not_count_as_there(self):
        run = dataclasses.replace(plan.runs(EXPERIMENTS, "replayed", ("defer",))[0], policies=("local",))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "x.json")
            path.write_text(results.json.dumps([told("defer-one", "layered")]), encoding="utf-8")
            with self.assertRaisesRegex(results.Unusable, "has layered, expected local"):
                results.read(path, run.policies)


if __name__ == "__main__":
    unittest.main()
