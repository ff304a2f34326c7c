// What dividing rows costs: a model's steps in blocks, the rows of each block's values in equal parts, all parts made
// on this one thread, against the whole model. Halo rows that two parts make, spare rows, copies and changes of layout
// are what is paid. Prints one JSON object.
//
//   bench_rows MODEL.pt … [--parts N] [--steps N] [--rounds N] [--nodes]
//
// With `--nodes` the time of each kind of node, of the whole model and of all units, in microseconds of processor time.
// `units_ms` is what all units take, `longest_ms` the sum over blocks of the part that takes longest: what N equal
// devices with free links would need. `operators_ms` leaves out what each unit does around its operators.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include "bench/models/measured.hpp"
#include "bench/models/node_times.hpp"
#include "eddy/real_clock.hpp"
#include "eddy/tensor_rows.hpp"
#include "models/graph/row_steps.hpp"
#include "models/torch/compile.hpp"
#include "models/torch/executor.hpp"
#include "models/torch/model_state.hpp"
#include "models/torch/unit.hpp"

using namespace eddy;
using namespace eddy::torch_exec;
using graph::RowRange;
using graph::RowRule;
using graph::ValueRows;

namespace {

struct Options {
    uint32_t parts = 2;
    uint32_t steps = 8;  ///< of a block
    int rounds = 30;
    bool nodes = false;  ///< tell the time of each kind of node
};

/// One part of one block, with the pieces it gets.
struct Part {
    uint32_t block = 0;
    std::shared_ptr<const Unit> unit;
    std::vector<HostTensor> pieces;
    std::vector<double> run_ms;
    std::vector<double> operators_ms;
};

class Divided {
public:
    Divided(std::shared_ptr<const Model> model, const Options& options)
        : model_(std::move(model)), graph_(model_->graph()), options_(options), held_(graph_.values().size()) {
        held_[0] = {noise_frame(*model_)};
        whole_ = must(Unit::compile(model_, unit_between(graph_, 0, graph_.cuts() - 1)));
        const auto steps = graph::row_steps(graph_, model_->row_rules());
        for (size_t i = 0; i < steps.size(); i += options_.steps) {
            const size_t end = std::min(steps.size(), i + options_.steps);
            add_block(steps[i].first, steps[end - 1].last);
        }
    }

    void measure() {
        for (int round = -3; round < options_.rounds; ++round) {
            const double whole = to_ms(must(whole_->time_operators(held_[0], 1)));
            for (Part& part : parts_) {
                const Instant start = real_now();
                must(part.unit->run(part.pieces));
                const double run = to_ms(real_now() - start);
                const double operators = to_ms(must(part.unit->time_operators(part.pieces, 1)));
                if (round < 0) continue;
                part.run_ms.push_back(run);
                part.operators_ms.push_back(operators);
            }
            if (round >= 0) whole_ms_.push_back(whole);
        }
    }

    void print(bool first_model) const {
        double units_ms = 0;
        double operators_ms = 0;
        std::vector<double> longest(blocks_, 0);
        for (const Part& part : parts_) {
            units_ms += median(part.run_ms);
            operators_ms += median(part.operators_ms);
            longest[part.block] = std::max(longest[part.block], median(part.run_ms));
        }
        const double whole_ms = median(whole_ms_);
        const double longest_ms = std::accumulate(longest.begin(), longest.end(), 0.0);
        std::printf(
            "%s\n  {\"model\": \"%s\", \"blocks\": %u, \"units\": %zu, \"whole_ms\": %.3f, \"units_ms\": %.3f,\n"
            "   \"operators_ms\": %.3f, \"units_ratio\": %.4f, \"longest_ms\": %.3f, \"longest_ratio\": %.4f,\n"
            "   \"redundant_flops\": %.4f, \"nodes\": {",
            first_model ? "" : ",", model_->file_name().c_str(), blocks_, parts_.size(), whole_ms, units_ms,
            operators_ms, units_ms / whole_ms, longest_ms, longest_ms / whole_ms, redundant_flops());
        const char* separator = "";
        for (const auto& [name, count] : nodes()) {
            std::printf("%s\"%s\": %u", separator, name.c_str(), count);
            separator = ", ";
        }
        std::printf("}");
        if (options_.nodes) print_node_times();
        std::printf("}");
        std::fflush(stdout);
    }

private:
    void add_block(uint32_t first, uint32_t last) {
        std::vector<uint32_t> operators(last - first);
        std::iota(operators.begin(), operators.end(), first);
        std::vector<std::vector<ValueRows>> wanted(options_.parts);
        for (const ValueId id : graph_.boundary_of(operators).outputs) {
            const RowRule& rule = model_->row_rules()[graph_.value(id).producer];
            const bool is_sum = rule.kind == RowRule::Kind::reduction;
            const int64_t rows = is_sum ? rule.inputs.front().rows : row_count(graph_.value(id));
            const auto bound = [&](uint32_t part) { return rows * part / options_.parts; };
            if (is_sum || !rule.divisible()) wanted[0].push_back({id, {0, rows}});
            for (uint32_t part = 0; part < options_.parts && !is_sum && rule.divisible(); ++part)
                if (bound(part) < bound(part + 1)) wanted[part].push_back({id, {bound(part), bound(part + 1)}});
        }
        const size_t before = parts_.size();
        for (const auto& share : wanted)
            if (!share.empty()) add_part(first, last, share);
        for (size_t i = before; i < parts_.size(); ++i)
            for (HostTensor& made : must(parts_[i].unit->run(parts_[i].pieces)))
                held_[made.meta.value.value].push_back(std::move(made));
        ++blocks_;
    }

    void add_part(uint32_t first, uint32_t last, const std::vector<ValueRows>& share) {
        Part part;
        part.block = blocks_;
        const UnitSpec spec = must(row_unit(graph_, model_->row_rules(), first, last, share));
        part.unit = must(Unit::compile(model_, spec));
        for (size_t i = 0; i < spec.inputs.size(); ++i) {
            const TensorMeta& meta = graph_.value(spec.inputs[i]).meta;
            const uint32_t all = row_layout(meta)->rows;
            Rows needed{0, all};
            if (!spec.rows.everything())
                needed = {static_cast<uint32_t>(spec.rows.inputs[i].begin),
                          static_cast<uint32_t>(spec.rows.inputs[i].end)};
            for (const HostTensor& held : held_[spec.inputs[i].value]) {
                const Rows rows = resolved(held.meta.rows, all);
                const Rows both{std::max(rows.begin, needed.begin), std::min(rows.end, needed.end)};
                if (both.begin < both.end) part.pieces.push_back(must(take_rows(meta, held, both)));
            }
        }
        parts_.push_back(std::move(part));
    }

    /// Of rows that more than one part makes.
    [[nodiscard]] double redundant_flops() const {
        double all = 0;
        for (const graph::Operator& op : graph_.operators()) all += static_cast<double>(op.flops);
        double made = 0;
        for (const Part& part : parts_) {
            const UnitSpec& spec = part.unit->spec();
            for (size_t i = 0; i < spec.operators.size(); ++i) {
                const uint32_t op = spec.operators[i];
                const RowRule& rule = model_->row_rules()[op];
                const bool some = !spec.rows.everything() && rule.divisible() && rule.kind != RowRule::Kind::reduction;
                made += static_cast<double>(graph_.operators()[op].flops) *
                        (some ? row_fraction(spec.rows.operators[i], rule.output_rows) : 1.0);
            }
        }
        return made / all - 1;
    }

    /// How often tensors are copied or laid out anew.
    [[nodiscard]] std::map<std::string, uint32_t> nodes() const {
        const c10::InferenceMode inference;
        std::map<std::string, uint32_t> counts;
        for (const Part& part : parts_) {
            const auto compiled = must(compile_graph(model_->state(), part.unit->spec()));
            for (const torch::jit::Node* node : compiled->nodes()) {
                const std::string name = node->kind().toQualString();
                if (name == "eddy::take_rows" || name == "aten::to_mkldnn" || name == "aten::to_dense") ++counts[name];
            }
        }
        return counts;
    }

    [[nodiscard]] bench::NodeTimes times_of(const UnitSpec& spec, const std::vector<HostTensor>& pieces) const {
        const auto compiled = must(compile_graph(model_->state(), spec));
        std::vector<c10::IValue> inputs;
        for (size_t i = 0; i < spec.inputs.size(); ++i) {
            const Rows rows = spec.rows.everything() ? Rows{}
                                                     : Rows{static_cast<uint32_t>(spec.rows.inputs[i].begin),
                                                            static_cast<uint32_t>(spec.rows.inputs[i].end)};
            const HostTensor host = must(assemble_rows(graph_.value(spec.inputs[i]).meta, rows, pieces));
            inputs.emplace_back(at::from_blob(const_cast<std::byte*>(host.bytes.data()), host.meta.shape,
                                              at::TensorOptions().dtype(scalar_type_of(host.meta.dtype)))
                                    .clone());
        }
        return bench::node_times(*compiled, inputs, options_.rounds);
    }

    void print_node_times() const {
        const c10::InferenceMode inference;
        print_node_times("whole", times_of(whole_->spec(), held_[0]));
        bench::NodeTimes units;
        for (const Part& part : parts_) bench::add(units, times_of(part.unit->spec(), part.pieces));
        print_node_times("units", units);
    }

    static void print_node_times(const char* title, const bench::NodeTimes& times) {
        double sum = 0;
        for (const auto& [name, time] : times) sum += time.us;
        std::printf(",\n   \"%s_nodes_us\": {\"all\": %.0f", title, sum);
        for (const auto& [name, time] : times)
            std::printf(",\n     \"%s\": {\"us\": %.0f, \"nodes\": %u}", name.c_str(), time.us, time.nodes);
        std::printf("}");
    }

    std::shared_ptr<const Model> model_;
    const graph::ModelGraph& graph_;
    Options options_;
    std::shared_ptr<const Unit> whole_;
    std::vector<std::vector<HostTensor>> held_;  ///< by value
    std::vector<Part> parts_;
    uint32_t blocks_ = 0;
    std::vector<double> whole_ms_;
};

}  // namespace

int main(int argc, char** argv) {
    std::vector<std::string> paths;
    Options options;
    for (int i = 1; i < argc; ++i) {
        const std::string word = argv[i];
        const auto number = [&] { return std::max(std::atoi(argv[++i]), 1); };
        if (word == "--parts" && i + 1 < argc)
            options.parts = static_cast<uint32_t>(number());
        else if (word == "--steps" && i + 1 < argc)
            options.steps = static_cast<uint32_t>(number());
        else if (word == "--rounds" && i + 1 < argc)
            options.rounds = number();
        else if (word == "--nodes")
            options.nodes = true;
        else
            paths.push_back(word);
    }
    if (paths.empty()) {
        std::fprintf(stderr,
                     "usage: bench_rows MODEL.pt … [--parts N] [--steps N] [--rounds N] [--nodes]\n"
                     "example: bench_rows build/models/resnet50_imagenet.pt --parts 2 --steps 8\n");
        return 2;
    }
    bind_lane_thread(1);
    std::printf(
        "{\"schema\": \"eddy.bench/1\", \"bench\": \"rows\", \"device\": \"%s\", \"parts\": %u, \"steps\": %u, "
        "\"rounds\": %d, \"models\": [",
        device_description().c_str(), options.parts, options.steps, options.rounds);
    for (size_t i = 0; i < paths.size(); ++i) {
        Divided divided(must(Model::load(paths[i])), options);
        divided.measure();
        divided.print(i == 0);
    }
    std::printf("\n]}\n");
    return 0;
}
