// Goal: runs of layers give what the whole gives however they are served, within the cache's bytes, and say what is
// wrong with what they are given.
#include <algorithm>
#include <thread>

#include "models/torch/executor.hpp"
#include "reference.hpp"
#include "support.hpp"

using namespace eddy;
using namespace eddy::test;
using namespace eddy::torch_exec;

namespace {

constexpr uint64_t plenty = uint64_t{1} << 30;

struct Bench {
    explicit Bench(const std::string& name, uint64_t cache_bytes = plenty)
        : model(must_load(made_model(name))),
          cache(std::make_shared<UnitCache>(model, cache_bytes)),
          layers(static_cast<uint32_t>(model->chain().layers().size())),
          frame(noise_frame(*model, 3)),
          expected(reference_forward(made_model(name), model->card(), frame)) {}

    std::shared_ptr<const Model> model;
    std::shared_ptr<UnitCache> cache;
    uint32_t layers;
    HostTensor frame;
    std::vector<HostTensor> expected;
};

RunResult must_run(Executor& executor, uint32_t first, uint32_t last, std::span<const HostTensor> inputs,
                   bool measure = false) {
    auto result = executor.run(first, last, inputs, measure);
    if (!result) FAIL(result.error().message);
    return *std::move(result);
}

std::string failure(Executor& executor, uint32_t first, uint32_t last, std::span<const HostTensor> inputs) {
    const auto result = executor.run(first, last, inputs);
    return result ? "" : result.error().message;
}

}  // namespace

TEST_CASE("single layers, fused runs and the whole agree, and a hot run is fused by itself") {
    Bench bench("mobilenet_v2");
    Executor executor(bench.cache, {.fuse_after_runs = 3});
    const std::vector<HostTensor> frame{bench.frame};
    for (int run = 0; run < 5; ++run) {
        const auto result = must_run(executor, 0, bench.layers, frame);
        CHECK(relative_error(result.outputs, bench.expected) <= 1e-4);
        CHECK(result.layer_times.empty());
        // Two runs went through single layers, the third one compiled the whole.
        CHECK(bench.cache->stats().compiled == (run < 2 ? bench.layers : bench.layers + 1));
    }
    const auto measured = must_run(executor, 0, bench.layers, frame, /*measure=*/true);
    CHECK(measured.layer_times.size() == bench.layers);
    CHECK(relative_error(measured.outputs, bench.expected) <= 1e-4);
}

TEST_CASE("a run is covered by the fewest pieces there are") {
    Bench bench("resnet18");
    Executor executor(bench.cache, {.fuse_after_runs = 1000});
    const uint32_t middle = bench.layers / 2;
    REQUIRE(executor.prepare(0, middle).ok());
    REQUIRE(executor.prepare(middle, bench.layers).ok());
    const auto result = must_run(executor, 0, bench.layers, std::vector<HostTensor>{bench.frame});
    CHECK(relative_error(result.outputs, bench.expected) <= 1e-4);
    CHECK(bench.cache->stats().units == 2);
    CHECK(bench.cache->stats().hits == 2);
}

TEST_CASE("what one executor has fused serves the others from their first run on") {
    Bench bench("resnet18");
    const uint32_t middle = bench.layers / 2;
    Executor preparing(bench.cache, {.threads = 1});
    REQUIRE(preparing.prepare(0, middle).ok());
    REQUIRE(preparing.prepare(middle, bench.layers).ok());
    Executor lane(bench.cache, {.fuse_after_runs = 1000});
    const auto result = must_run(lane, 0, bench.layers, std::vector<HostTensor>{bench.frame});
    CHECK(relative_error(result.outputs, bench.expected) <= 1e-4);
    CHECK(bench.cache->stats().units == 2);  // no single layer was needed
    CHECK(bench.cache->stats().hits == 2);
}

TEST_CASE("the cache stays within its bytes, and results stay right while it evicts") {
    Bench bench("mobilenet_v3_small");
    REQUIRE(Executor(bench.cache, {}).prepare_layers().ok());
    const uint64_t all_layers = bench.cache->stats().bytes;
    const auto small = std::make_shared<UnitCache>(bench.model, all_layers * 2 / 3);
    Executor executor(small, {.fuse_after_runs = 2});
    for (int round = 0; round < 3; ++round) {
        std::vector<HostTensor> tensors{bench.frame};
        for (uint32_t l = 0; l < bench.layers; ++l) {
            tensors = must_run(executor, l, l + 1, tensors).outputs;
            const CacheStats stats = small->stats();
            REQUIRE(stats.bytes <= stats.bytes_max);
            REQUIRE(stats.bytes > 0);
        }
        CHECK(relative_error(tensors, bench.expected) <= 1e-4);
    }
    CHECK(small->stats().evicted > 0);
}

TEST_CASE("what was used last stays, what was used first goes") {
    Bench bench("resnet18");
    const auto spec = [&](uint32_t l) {
        return unit_between(bench.model->graph(), bench.model->chain().cut(l), bench.model->chain().cut(l + 1));
    };
    uint64_t bytes[3];
    for (uint32_t l = 0; l < 3; ++l) bytes[l] = (*bench.cache->get(spec(l)))->bytes();
    UnitCache cache(bench.model, bytes[0] + bytes[1] + bytes[2] - 1);
    REQUIRE(cache.get(spec(0)).ok());
    REQUIRE(cache.get(spec(1)).ok());
    REQUIRE(cache.find(spec(0)) != nullptr);
    REQUIRE(cache.get(spec(2)).ok());
    CHECK(cache.find(spec(0)) != nullptr);
    CHECK(cache.find(spec(1)) == nullptr);
    CHECK(cache.find(spec(2)) != nullptr);
    CHECK(cache.stats().evicted == 1);
}

TEST_CASE("a unit larger than the whole cache is refused") {
    Bench bench("resnet18", 100000);
    Executor executor(bench.cache, {});
    const Status prepared = executor.prepare(0, bench.layers);
    REQUIRE_FALSE(prepared.ok());
    CHECK(prepared.error().code == ErrorCode::exhausted);
    CHECK(bench.cache->stats().bytes == 0);
}

TEST_CASE("weights of a fused unit are counted") {
    Bench bench("resnet18");
    Executor executor(bench.cache, {});
    REQUIRE(executor.prepare(0, bench.layers).ok());
    // Folded and laid out anew: nearly every weight once more.
    CHECK(bench.cache->stats().bytes > bench.model->weight_bytes() * 9 / 10);
    CHECK(bench.cache->stats().bytes < bench.model->weight_bytes() * 2);
    // The last operator, a linear layer, runs on the model's own weights: they are not counted again.
    const graph::ModelGraph& graph = bench.model->graph();
    const auto linear = Unit::compile(bench.model, unit_between(graph, graph.cuts() - 2, graph.cuts() - 1));
    REQUIRE(linear.ok());
    CHECK(graph.operators().back().weight_bytes > 200000);
    CHECK((*linear)->bytes() < 20000);
}

TEST_CASE("wrong inputs are refused in words") {
    Bench bench("resnet18");
    Executor executor(bench.cache, {});
    const std::vector<HostTensor> frame{bench.frame};
    CHECK(failure(executor, 1, 1, frame).find("not a run") != std::string::npos);
    CHECK(failure(executor, 0, bench.layers + 1, frame).find("not a run") != std::string::npos);
    CHECK(failure(executor, 0, 1, {}).find("takes 1 tensors") != std::string::npos);
    CHECK(failure(executor, 1, 2, frame).find("needs value") != std::string::npos);
    HostTensor wrong_shape = bench.frame;
    wrong_shape.meta.shape[0] += 1;
    CHECK(failure(executor, 0, 1, std::vector<HostTensor>{wrong_shape}).find("shape") != std::string::npos);
    HostTensor wrong_type = bench.frame;
    wrong_type.meta.dtype = DType::boolean;
    CHECK(failure(executor, 0, 1, std::vector<HostTensor>{wrong_type}).find("type") != std::string::npos);
    HostTensor too_short = bench.frame;
    too_short.bytes = {bench.frame.bytes.owner(), bench.frame.bytes.size() - 1};
    CHECK(failure(executor, 0, 1, std::vector<HostTensor>{too_short}).find("bytes") != std::string::npos);
}

TEST_CASE("a frontier of several tensors is taken in any order") {
    Bench bench("StaticFlow");
    Executor executor(bench.cache, {});
    for (uint32_t l = 1; l < bench.layers; ++l) {
        auto tensors = must_run(executor, 0, l, std::vector<HostTensor>{bench.frame}).outputs;
        std::reverse(tensors.begin(), tensors.end());
        CHECK(relative_error(must_run(executor, l, bench.layers, tensors).outputs, bench.expected) <= 1e-4);
    }
}

TEST_CASE("a unit may be any set of operators, and its spec is checked") {
    const auto model = must_load(made_model("googlenet"));
    const graph::ModelGraph& graph = model->graph();
    Random random(5);
    for (int round = 0; round < 10; ++round) {
        UnitSpec spec;
        for (uint32_t i = 1; i < graph.operators().size(); ++i)
            if (random.chance(0.2)) spec.operators.push_back(i);
        const graph::Boundary boundary = graph.boundary_of(spec.operators);
        spec.inputs = boundary.inputs;
        spec.outputs = boundary.outputs;
        CHECK(Unit::compile(model, spec).ok());
        spec.inputs.pop_back();
        CHECK_FALSE(Unit::compile(model, spec).ok());
    }
    CHECK_FALSE(Unit::compile(model, {{1}, {ValueId{99999}}, {}}).ok());
    CHECK_FALSE(Unit::compile(model, {{99999}, {}, {}}).ok());
    CHECK_FALSE(Unit::compile(model, {{0}, {ValueId{0}, ValueId{0}}, {ValueId{1}}}).ok());
    CHECK_FALSE(Unit::compile(model, {{0}, {ValueId{0}}, {ValueId{7}}}).ok());
}

TEST_CASE("lanes share one cache") {
    Bench bench("squeezenet1_1");
    std::vector<double> errors(2, INFINITY);
    std::vector<std::thread> lanes;
    for (size_t lane = 0; lane < 2; ++lane)
        lanes.emplace_back([&, lane] {
            Executor executor(bench.cache, {.fuse_after_runs = 3});
            double worst = 0;
            for (int run = 0; run < 8; ++run) {
                auto result = executor.run(0, bench.layers, std::vector<HostTensor>{bench.frame});
                worst = result ? std::max(worst, relative_error(result->outputs, bench.expected)) : INFINITY;
            }
            errors[lane] = worst;
        });
    for (std::thread& lane : lanes) lane.join();
    CHECK(errors[0] <= 1e-4);
    CHECK(errors[1] <= 1e-4);
    CHECK(bench.cache->stats().units == bench.layers + 1);
}

TEST_CASE("without oneDNN everything works, too") {
    allow_onednn(false);
    for (const char* name : {"mobilenet_v3_small", "resnet18", "shufflenet_v2"}) {
        Bench bench(name);
        Executor executor(bench.cache, {});
        const std::vector<HostTensor> frame{bench.frame};
        REQUIRE(executor.prepare(0, bench.layers).ok());
        CHECK(relative_error(must_run(executor, 0, bench.layers, frame).outputs, bench.expected) <= 1e-4);
        CHECK(relative_error(must_run(executor, 0, bench.layers, frame, true).outputs, bench.expected) <= 1e-4);
    }
    allow_onednn(true);
}
