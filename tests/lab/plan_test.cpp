// What each device of an experiment gets on one machine.
#include "lab/plan.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "src/config/node_config.hpp"

namespace {

using namespace eddy;
using namespace eddy::lab;

const std::string profile = EDDY_SOURCE_DIR "/configs/experiments/mobilenet_v2_224.profile.json";

Experiment devices_of(const std::vector<double>& speeds) {
    Experiment experiment;
    for (const double speed : speeds) {
        ExperimentDevice device;
        device.name = "d" + std::to_string(experiment.devices.size() + 1);
        device.id.bytes[0] = static_cast<uint8_t>(experiment.devices.size() + 1);
        device.speed = speed;
        experiment.devices.push_back(device);
    }
    ExperimentSource source;
    source.name = "walk";
    source.rate_per_s = 12.5;
    experiment.sources.push_back(source);
    return experiment;
}

PlanOptions options_of(double cores, bool isolated = true) {
    PlanOptions options;
    options.isolated = isolated;
    options.folder = "/run/eddy-lab/x";
    options.model = EDDY_SOURCE_DIR "/README.md";  // any file: only that it is there is checked
    options.profile = profile;
    options.frame_width = options.frame_height = 224;
    options.cores = cores;
    options.cluster_key = "0123456789abcdef";
    return options;
}

LabPlan planned(const Experiment& experiment, const PlanOptions& options) {
    auto plan = make_plan(experiment, options);
    REQUIRE(plan);
    return *plan;
}

}  // namespace

TEST_CASE("a device that replays has a recorded profile and its speed, a memory limit, and no quota") {
    const LabPlan plan = planned(devices_of({0.2, 40}), options_of(2));
    CHECK(plan.quota_factor == 1);
    REQUIRE(plan.devices.size() == 2);
    const DevicePlan& device = plan.devices[1];
    CHECK(device.node.replay == profile);
    CHECK(device.node.replay_speed == 40);
    CHECK(device.node.model_path.empty());
    CHECK(device.node.limit == 1);
    CHECK(!device.quota_cores);
    CHECK(device.memory_mb == 1024 + program_memory_mb);
}

TEST_CASE("a device that only relays neither replays nor has a model") {
    Experiment experiment = devices_of({1, 1});
    experiment.devices[1].has_model = false;
    for (const auto compute : {ExperimentCompute::replayed, ExperimentCompute::real}) {
        experiment.compute = compute;
        const NodeConfig node = planned(experiment, options_of(2)).devices[1].node;
        CHECK(node.replay.empty());
        CHECK(node.model_path.empty());
    }
}

TEST_CASE("a source on a device that only relays is refused, with both names") {
    Experiment experiment = devices_of({1, 1});
    experiment.devices[0].has_model = false;
    const auto refused = make_plan(experiment, options_of(2));
    REQUIRE(!refused);
    CHECK(refused.error().message.find("walk is on d1") != std::string::npos);
}

TEST_CASE("a device that computes has the model and a quota of its speed times its lanes") {
    Experiment experiment = devices_of({0.2, 0.3});
    experiment.compute = ExperimentCompute::real;
    experiment.devices[1].lanes = 3;
    const LabPlan plan = planned(experiment, options_of(2));
    CHECK(plan.quota_factor == 1);
    CHECK(plan.devices[0].quota_cores == doctest::Approx(0.2));
    CHECK(plan.devices[1].quota_cores == doctest::Approx(0.9));
    CHECK(!plan.devices[0].node.model_path.empty());
    CHECK(plan.devices[0].node.replay.empty());
}

TEST_CASE("where the machine cannot give all quotas, all are scaled by one factor") {
    CHECK(rc::check("quotas fit the machine, keep their proportions, and no lane has more than a core", [] {
        const auto speeds = *rc::gen::container<std::vector<double>>(
            *rc::gen::inRange<size_t>(1, 8), rc::gen::map(rc::gen::inRange(1, 400), [](int x) { return x / 100.0; }));
        const double cores = *rc::gen::inRange(1, 9);
        Experiment experiment = devices_of(speeds);
        experiment.compute = ExperimentCompute::real;
        const LabPlan plan = planned(experiment, options_of(cores));
        double sum = 0;
        double asked = 0;
        for (size_t d = 0; d < speeds.size(); ++d) {
            const double quota = plan.devices[d].quota_cores.value();
            RC_ASSERT(std::abs(quota - speeds[d] * plan.quota_factor) < 1e-9);
            RC_ASSERT(quota <= 1 + 1e-9);
            sum += quota;
            asked += speeds[d];
        }
        RC_ASSERT(sum <= cores * promised_share + 1e-9);
        const double fastest = *std::max_element(speeds.begin(), speeds.end());
        const bool fits = asked <= cores * promised_share && fastest <= 1;
        RC_ASSERT((plan.quota_factor == 1) == fits);
    }));
}

TEST_CASE("a device that will become faster gets what it can then have, from the beginning on") {
    Experiment experiment = devices_of({0.5});
    experiment.compute = ExperimentCompute::real;
    experiment.changes.push_back({10, 0, 2.0});
    const LabPlan plan = planned(experiment, options_of(8));
    CHECK(plan.quota_factor == doctest::Approx(0.5));
    CHECK(plan.devices[0].quota_cores == doctest::Approx(0.25));
}

TEST_CASE("without control groups a lane's own pauses hold it to its speed, and changes are refused") {
    Experiment experiment = devices_of({0.2});
    experiment.compute = ExperimentCompute::real;
    const LabPlan plan = planned(experiment, options_of(2, false));
    CHECK(plan.devices[0].node.limit == doctest::Approx(0.2));
    CHECK(!plan.devices[0].quota_cores);
    CHECK(!plan.devices[0].memory_mb);
    experiment.changes.push_back({10, 0, 0.1});
    const auto refused = make_plan(experiment, options_of(2, false));
    REQUIRE(!refused);
    CHECK(refused.error().code == ErrorCode::unsupported);
    experiment.compute = ExperimentCompute::replayed;
    CHECK(make_plan(experiment, options_of(2, false)));
}

TEST_CASE("cameras wait for the whole ring, and each is at its own device") {
    Experiment experiment = devices_of({1, 1, 1});
    experiment.sources.push_back(experiment.sources[0]);
    experiment.sources[1].name = "run";
    experiment.sources[1].device = 2;
    experiment.sources[1].frames = 77;
    experiment.sources[1].when_full = WhenFull::drop_oldest;
    const LabPlan plan = planned(experiment, options_of(2));
    for (const DevicePlan& device : plan.devices) CHECK(device.node.start_members == 3);
    CHECK(plan.devices[1].node.sources.empty());
    REQUIRE(plan.devices[2].node.sources.size() == 1);
    const SourceConfig& source = plan.devices[2].node.sources[0];
    CHECK(source.name == "run");
    CHECK(source.frames == 77);
    CHECK(source.rate_per_s == 12.5);
    CHECK(source.when_full == WhenFull::drop_oldest);
    CHECK(source.input == "lavfi:testsrc2=size=224x224:rate=30");
}

TEST_CASE("eddy-node reads a node's file as what it was made from") {
    CHECK(rc::check("written, read and written again it is the same text", [] {
        Experiment experiment = devices_of({0.25, 1});
        if (*rc::gen::arbitrary<bool>()) experiment.compute = ExperimentCompute::real;
        ExperimentSource& source = experiment.sources[0];
        source.arrivals = *rc::gen::element(Arrivals::paced, Arrivals::poisson);
        source.when_full = *rc::gen::element(WhenFull::block, WhenFull::drop_oldest, WhenFull::drop_newest);
        source.priority = *rc::gen::inRange(0, 100);
        source.weight = *rc::gen::inRange(1, 100000) / 7.0;
        source.rate_per_s = *rc::gen::inRange(1, 1000) / 3.0;
        if (*rc::gen::arbitrary<bool>()) source.deadline_ms = *rc::gen::inRange(1, 100000) / 9.0;
        if (*rc::gen::arbitrary<bool>()) source.frames = *rc::gen::inRange(1, 1000000);
        PlanOptions options = options_of(2, *rc::gen::arbitrary<bool>());
        options.policy = *rc::gen::element(PolicyKind::local, PolicyKind::ddi, PolicyKind::ar_mdi, PolicyKind::ms_mdi,
                                           PolicyKind::layered);
        options.shares = *rc::gen::element(SharesKind::parameters, SharesKind::measured);
        options.partition = *rc::gen::element(PartitionKind::chain, PartitionKind::edgeflow, PartitionKind::automatic);
        options.row_planner = *rc::gen::element(RowPlannerKind::fused_blocks, RowPlannerKind::progressive_lp,
                                                RowPlannerKind::proportional, RowPlannerKind::equal);
        const bool real = experiment.compute == ExperimentCompute::real;
        if (!real || *rc::gen::arbitrary<bool>()) options.row_profile = EDDY_SOURCE_DIR "/CMakeLists.txt";
        auto name = *rc::gen::string<std::string>();
        std::erase(name, '\0');
        std::erase(name, '/');
        options.folder = "/tmp/a \"quoted\\\" folder\t" + name;
        std::erase_if(options.folder, [](char c) { return static_cast<unsigned char>(c) >= 0x80; });  // no UTF-8
        if (options.folder.size() > 60) options.folder.resize(60);  // a socket's path is bounded
        const LabPlan plan = planned(experiment, options);
        for (DevicePlan device : plan.devices) {
            device.node.listen = {"198.18.0.1", 7070};
            device.node.seeds = {{"198.18.0.2", 7070}, {"198.18.0.3", 7071}};
            const std::string text = node_file(device.node);
            const auto read = config::parse_node_config(text, "/node.toml");
            if (!read) RC_FAIL(read.error().message + "\n" + text);
            RC_ASSERT(node_file(*read) == text);
            RC_ASSERT(read->policy == options.policy);
            RC_ASSERT(read->partition == options.partition);
            RC_ASSERT(read->row_planner == options.row_planner);
            RC_ASSERT(read->row_profile == device.node.row_profile);
        }
    }));
}

TEST_CASE("who has the model gets the costs of its rows if models are divided by them, and all know how they are") {
    Experiment experiment = devices_of({1, 1});
    experiment.devices[1].has_model = false;
    PlanOptions options = options_of(2);
    options.row_profile = "/rows.json";
    for (const auto kind : {PartitionKind::chain, PartitionKind::edgeflow, PartitionKind::automatic})
        for (const auto compute : {ExperimentCompute::replayed, ExperimentCompute::real}) {
            experiment.compute = compute;
            options.partition = kind;
            const LabPlan plan = planned(experiment, options);
            for (const DevicePlan& device : plan.devices) CHECK(device.node.partition == kind);
            CHECK(plan.devices[0].node.row_profile == (kind == PartitionKind::chain ? "" : "/rows.json"));
            CHECK(plan.devices[1].node.row_profile.empty());
        }
}

TEST_CASE("a test picture has as many bytes as the model's input, and is as square as can be") {
    CHECK(*picture_of(224 * 224 * 3) == std::pair(224U, 224U));
    CHECK(*picture_of(300 * 200 * 3) == std::pair(250U, 240U));
    CHECK(*picture_of(3) == std::pair(1U, 1U));
    CHECK(*picture_of(3 * 7) == std::pair(7U, 1U));
    CHECK(!picture_of(0));
    CHECK(!picture_of(100));
    CHECK(!picture_of(uint64_t{3} << 40));
}
