// From nodes' result lines and reports to the figures of a run.
#include "lab/gather.hpp"

#include <doctest/doctest.h>

#include "lab/lab.hpp"

namespace {

using namespace eddy;
using namespace eddy::lab;

constexpr double epoch = 1.7e9;  // when the first frame is captured

Experiment two_sources() {
    Experiment experiment;
    experiment.warm_up_s = 2;
    experiment.window_s = 4;
    for (const char* name : {"a", "b"}) {
        ExperimentDevice device;
        device.name = name;
        experiment.devices.push_back(device);
        ExperimentSource source;
        source.name = "cam";
        source.device = experiment.devices.size() - 1;
        source.rate_per_s = 2;
        experiment.sources.push_back(source);
    }
    return experiment;
}

metrics::ResultLine completed(uint64_t k, double at_s, double completion_ms) {
    metrics::ResultLine line;
    line.source = "cam";
    line.k = k;
    line.incarnation = 1;
    line.completion_ms = completion_ms;
    line.settled_unix_s = epoch + at_s;
    return line;
}

metrics::ResultLine without_result(uint64_t k, double at_s, FrameState state, const std::string& reason) {
    metrics::ResultLine line = completed(k, at_s, 0);
    line.state = state;
    line.reason = reason;
    line.completion_ms.reset();
    return line;
}

metrics::Report report_of(uint64_t captured, double busy_s = 0) {
    metrics::Report report;
    report.sources.resize(1);
    report.sources[0].name = "cam";
    report.sources[0].captured = captured;
    report.nodes.resize(1);
    report.nodes[0].busy_s = busy_s;
    return report;
}

/// Source a: frame k captured at k/2 s, done 100 ms later; b the same, 300 ms later. 16 frames each.
std::vector<NodeRecords> steady() {
    std::vector<NodeRecords> records(2);
    for (uint64_t k = 0; k < 16; ++k) {
        records[0].results.push_back(completed(k, static_cast<double>(k) / 2 + 0.1, 100));
        records[1].results.push_back(completed(k, static_cast<double>(k) / 2 + 0.3, 300));
    }
    for (NodeRecords& node : records) node.report = report_of(16);
    return records;
}

}  // namespace

TEST_CASE("the experiment's clock begins when the first frame of all was captured") {
    CHECK(*begun_unix_s(steady()) == doctest::Approx(epoch).epsilon(1e-12));
    CHECK(!begun_unix_s(std::vector<NodeRecords>(3)));
    auto disordered = steady();
    std::reverse(disordered[0].results.begin(), disordered[0].results.end());
    disordered[1].results.clear();
    CHECK(*begun_unix_s(disordered) == doctest::Approx(epoch).epsilon(1e-12));
}

TEST_CASE("throughput and completion times are of the window, counts are of the whole run") {
    const ExperimentRun run = gather(two_sources(), steady(), {});
    CHECK(run.window_from_s == 2);
    for (const SourceFigures& source : run.sources) {
        CHECK(source.throughput_per_s == doctest::Approx(2));
        CHECK(source.completion_ms.count == 8);
        CHECK(source.completed == 16);
        CHECK(source.captured == 16);
    }
    CHECK(run.sources[0].completion_ms.p50 == 100);
    CHECK(run.sources[1].completion_ms.max == 300);
    CHECK(run.sources[1].completion_ms.percentiles.size() == 101);
    CHECK(run.ended_s == doctest::Approx(7.8));
    CHECK(run.lost == 0);
    CHECK(run.duplicated == 0);
    CHECK(!run.makespan_s);  // the sources have no end
}

TEST_CASE("a batch's makespan is told if every frame was captured and has its outcome") {
    Experiment experiment = two_sources();
    for (ExperimentSource& source : experiment.sources) source.frames = 16;
    auto records = steady();
    CHECK(*gather(experiment, records, {}).makespan_s == doctest::Approx(7.8));
    records[1].results.pop_back();
    CHECK(!gather(experiment, records, {}).makespan_s);
    experiment.sources[0].frames = 17;
    CHECK(!gather(experiment, steady(), {}).makespan_s);
}

TEST_CASE("a captured frame without a line is lost, one with two lines is duplicated") {
    auto records = steady();
    records[0].report.sources[0].captured = 18;
    records[1].results.push_back(completed(3, 5, 100));
    const ExperimentRun run = gather(two_sources(), records, {});
    CHECK(run.lost == 2);
    CHECK(run.duplicated == 1);
    CHECK(run.sources[1].completed == 16);
}

TEST_CASE("the same number after a restart is another frame") {
    auto records = steady();
    records[0].results.push_back(completed(3, 9, 100));
    records[0].results.back().incarnation = 2;
    CHECK(gather(two_sources(), records, {}).duplicated == 0);
}

TEST_CASE("failed and dropped frames are counted by reason and have no completion time") {
    auto records = steady();
    records[0].results.push_back(without_result(16, 4, FrameState::failed, "timeout"));
    records[0].results.push_back(without_result(17, 4, FrameState::dropped, "deadline"));
    records[0].report.sources[0].captured = 18;
    const SourceFigures source = gather(two_sources(), records, {}).sources[0];
    CHECK(source.failed == 1);
    CHECK(source.dropped == 1);
    CHECK(source.failed_by_reason.at("timeout") == 1);
    CHECK(source.dropped_by_reason.at("deadline") == 1);
    CHECK(source.completion_ms.count == 8);
}

TEST_CASE("runs are of all nodes, hops of completed frames") {
    auto records = steady();
    for (NodeRecords& node : records) node.report.nodes[0].runs = 24;
    for (metrics::ResultLine& line : records[0].results) line.hops = 2;
    records[0].results.push_back(without_result(16, 4, FrameState::failed, "timeout"));
    records[0].results.back().hops = 7;
    const ExperimentRun run = gather(two_sources(), records, {});
    CHECK(run.runs_per_frame() == 1.5);
    CHECK(run.hops_per_frame() == 1);
    CHECK(ExperimentRun{}.runs_per_frame() == 0);
}

TEST_CASE("lines of another source at the same node are not counted") {
    auto records = steady();
    records[0].results.push_back(completed(99, 4, 100));
    records[0].results.back().source = "other";
    CHECK(gather(two_sources(), records, {}).sources[0].completed == 16);
}

TEST_CASE("each look is a sample: what came since the last one, what waits, and where") {
    std::vector<Look> looks;
    for (const double at_s : {-1.0, 1.0, 2.0, 3.0, 6.0}) {
        Look look;
        look.at_unix_s = epoch + at_s;
        look.reports = {report_of(static_cast<uint64_t>(std::max(0.0, at_s)) * 2 + 1, at_s), report_of(1, at_s / 2)};
        look.reports[0].nodes[0].queue_lengths = {{"cam/reservoir", 4}, {"cam/local", 2}, {"cam/distributed", 3}};
        looks.push_back(look);
    }
    const ExperimentRun run = gather(two_sources(), steady(), looks);
    REQUIRE(run.samples.size() == 4);  // the look before the first frame tells nothing
    const ExperimentSample& second = run.samples[1];
    CHECK(second.at_s == doctest::Approx(2));
    CHECK(second.completed == std::vector<uint64_t>{2, 2});
    CHECK(second.in_reservoirs == 4);
    CHECK(second.in_queues == 5);
    CHECK(second.queues_by_node == std::vector<uint64_t>{5, 0});
    // At 2 s each source should have given frames 0 to 4; a has, b gave only frame 0; 4 of each are done.
    CHECK(second.at_cameras == 4);
    CHECK(second.backlog == 2);
    // Busy from the look nearest to the window's begin to the one nearest to its end.
    CHECK(run.busy_fraction[0] == doctest::Approx(1));
    CHECK(run.busy_fraction[1] == doctest::Approx(0.5));
}

TEST_CASE("devices lie on the ring by their ids, not by their order in the file") {
    Experiment experiment = two_sources();
    experiment.devices.push_back(experiment.devices[0]);
    experiment.devices[0].id.bytes[0] = 9;
    experiment.devices[1].id.bytes[0] = 200;
    experiment.devices[2].id.bytes[0] = 3;
    CHECK(ring_order(experiment) == std::vector<size_t>{2, 0, 1});
}

TEST_CASE("the experiment as measured has the speeds and links that were found") {
    Experiment experiment = two_sources();
    experiment.link = {100, 1};
    experiment.devices.push_back(experiment.devices[0]);
    experiment.devices[0].speed = 0.5;
    experiment.changes.push_back({5, 0, 0.25});
    experiment.links_between.push_back({0, 2, {50, 1}});
    ModelProfile profile;
    profile.layers.resize(2);
    profile.layers[0].time = from_ms(20);
    profile.layers[1].time = from_ms(80);
    LabRun run;
    run.model_s = {0.25, 0.1, 0};  // the third only relays
    run.links = {{0, 1, 100, 90}, {1, 2, 100, 80}, {2, 0, 100, 95}};
    run.delay_applied = true;
    const Experiment found = as_measured(experiment, profile, run);
    CHECK(found.devices[0].speed == doctest::Approx(0.4));
    CHECK(found.devices[1].speed == doctest::Approx(1));
    CHECK(found.devices[2].speed == experiment.devices[2].speed);
    CHECK(found.changes[0].speed == doctest::Approx(0.2));  // half of what it is before, as asked
    CHECK(found.link_between(0, 1).mbit_per_s == doctest::Approx(90));
    CHECK(found.link_between(1, 2).mbit_per_s == doctest::Approx(80));
    CHECK(found.link_between(0, 2).mbit_per_s == doctest::Approx(45));  // no neighbour: in proportion
    CHECK(found.link_between(2, 1).mbit_per_s == doctest::Approx(90));
    CHECK(found.link_between(0, 1).delay_ms == 1);
    run.delay_applied = false;
    const Experiment without = as_measured(experiment, profile, run);
    CHECK(without.link_between(0, 1).delay_ms == 0);
    CHECK(without.link_between(0, 2).delay_ms == 0);
}

TEST_CASE("links that were not shaped are taken as they were found, all pairs as the slowest") {
    Experiment experiment = two_sources();
    experiment.links_between.push_back({0, 1, {50, 20}});
    LabRun run;
    run.model_s = {0, 0};
    run.links = {{0, 1, 0, 9000}, {1, 0, 0, 7000}};
    ModelProfile profile;
    const Experiment found = as_measured(experiment, profile, run);
    CHECK(found.link.mbit_per_s == 7000);
    CHECK(found.link_between(0, 1).mbit_per_s == 9000);
    CHECK(found.link_between(0, 1).delay_ms == 0);
}
