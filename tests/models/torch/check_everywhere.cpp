#include "check_everywhere.hpp"

#include <algorithm>

#include "models/torch/unit.hpp"
#include "reference.hpp"
#include "support.hpp"

using namespace eddy;
using namespace eddy::test;
using torch_exec::Unit;

namespace {

constexpr double error_max = 1e-4;
constexpr int compositions = 20;

std::vector<HostTensor> run_part(const std::shared_ptr<const torch_exec::Model>& model, uint32_t first, uint32_t last,
                                 const std::vector<HostTensor>& inputs,
                                 std::vector<std::shared_ptr<const Unit>>* keep = nullptr) {
    auto unit = Unit::compile(model, torch_exec::unit_between(model->graph(), first, last));
    if (!unit) FAIL("cuts " << first << " to " << last << ": " << unit.error().message);
    const uint64_t before = fingerprint(inputs);
    auto outputs = (*unit)->run(inputs);
    if (!outputs) FAIL("cuts " << first << " to " << last << ": " << outputs.error().message);
    CHECK_MESSAGE(fingerprint(inputs) == before, "cuts " << first << " to " << last << " altered their inputs");
    if (keep != nullptr) keep->push_back(*unit);
    return *std::move(outputs);
}

/// Every value of the model, made one operator at a time.
std::vector<HostTensor> all_values(const std::shared_ptr<const torch_exec::Model>& model, const HostTensor& frame) {
    const graph::ModelGraph& graph = model->graph();
    std::vector<HostTensor> values(graph.values().size());
    values[0] = frame;
    for (uint32_t i = 0; i < graph.operators().size(); ++i) {
        const graph::Operator& op = graph.operators()[i];
        auto unit = Unit::compile(model, {{i}, op.inputs, op.outputs});
        if (!unit) FAIL(op.kind << ": " << unit.error().message);
        std::vector<HostTensor> inputs;
        for (const ValueId id : op.inputs) inputs.push_back(values[id.value]);
        const uint64_t before = fingerprint(inputs);
        auto outputs = (*unit)->run(inputs);
        if (!outputs) FAIL(op.kind << ": " << outputs.error().message);
        CHECK_MESSAGE(fingerprint(inputs) == before, op.kind << " altered its inputs");
        for (size_t o = 0; o < op.outputs.size(); ++o) values[op.outputs[o].value] = (*outputs)[o];
    }
    return values;
}

std::vector<HostTensor> pick(const std::vector<HostTensor>& values, const std::vector<ValueId>& ids) {
    std::vector<HostTensor> picked;
    for (const ValueId id : ids) picked.push_back(values[id.value]);
    return picked;
}

}  // namespace

namespace eddy::test {

void check_everywhere(const std::string& path, uint64_t seed) {
    const auto model = must_load(path);
    const graph::ModelGraph& graph = model->graph();
    const HostTensor frame = noise_frame(*model, seed);
    const std::vector<HostTensor> expected = reference_forward(path, model->card(), frame);
    const std::vector<HostTensor> values = all_values(model, frame);
    CHECK(relative_error(pick(values, graph.outputs()), expected) <= error_max);

    const uint32_t end = graph.cuts() - 1;
    std::vector<uint32_t> cuts;
    double worst = 0;
    for (uint32_t cut = 0; cut <= end; ++cut) {
        if (graph.frontier_tensors(cut) > frontier_tensors_max) continue;
        cuts.push_back(cut);
        const auto frontier = run_part(model, 0, cut, {frame});
        CHECK(frontier.size() == graph.frontier(cut).size());
        const double error = relative_error(run_part(model, cut, end, frontier), expected);
        CHECK_MESSAGE(error <= error_max, path << ", cut " << cut << ", seed " << seed);
        worst = std::max(worst, error);
    }

    Random random(seed);
    for (int c = 0; c < compositions; ++c) {
        std::vector<uint32_t> borders{0, end};
        for (uint64_t n = 2 + random.below(4); n > 0; --n) borders.push_back(cuts[random.below(cuts.size())]);
        std::sort(borders.begin(), borders.end());
        std::vector<HostTensor> tensors{frame};
        std::vector<std::shared_ptr<const Unit>> units;
        for (size_t b = 1; b < borders.size(); ++b) {
            tensors = run_part(model, borders[b - 1], borders[b], tensors, &units);
        }
        const double error = relative_error(tensors, expected);
        CHECK_MESSAGE(error <= error_max, path << ", composition " << c << ", seed " << seed);
        // The same without making tensors dense in between; twice, since compiled code must not change by running.
        for (int again = 0; again < 2; ++again) {
            const auto sequence = Unit::run_sequence(units, std::vector<HostTensor>{frame});
            if (!sequence) FAIL(sequence.error().message);
            const double sequence_error = relative_error(*sequence, expected);
            CHECK_MESSAGE(sequence_error <= error_max, path << ", sequence " << c << ", seed " << seed);
            worst = std::max({worst, error, sequence_error});
        }
    }
    MESSAGE(path << ": " << graph.operators().size() << " operators, " << cuts.size() << " cuts, "
                 << model->chain().layers().size() << " layers, worst error " << worst);
}

}  // namespace eddy::test
