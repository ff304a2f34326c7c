#include "divided_run.hpp"

#include <algorithm>
#include <numeric>

#include "eddy/partial_sums.hpp"
#include "eddy/tensor_rows.hpp"
#include "models/graph/row_steps.hpp"
#include "models/torch/unit.hpp"
#include "reference.hpp"

namespace eddy::test {

namespace {

using graph::RowRange;
using graph::RowRule;
using graph::ValueRows;
using torch_exec::Unit;
using torch_exec::UnitSpec;

Rows rows_of(RowRange range) { return {static_cast<uint32_t>(range.begin), static_cast<uint32_t>(range.end)}; }

class Cluster {
public:
    Cluster(std::shared_ptr<const torch_exec::Model> model, const HostTensor& frame, uint32_t devices, uint64_t seed)
        : model_(std::move(model)),
          graph_(model_->graph()),
          devices_(devices),
          random_(seed),
          held_(graph_.values().size()) {
        held_[0].push_back(frame);
    }

    void run_block(uint32_t first, uint32_t last) {
        std::vector<uint32_t> operators(last - first);
        std::iota(operators.begin(), operators.end(), first);
        std::vector<std::vector<ValueRows>> wanted(devices_);
        for (const ValueId id : graph_.boundary_of(operators).outputs) deal(id, last, wanted);
        // What devices make in this block is nobody's input before its end.
        std::vector<HostTensor> made;
        for (const auto& share : wanted)
            if (!share.empty()) run_unit(first, last, share, made);
        for (HostTensor& piece : made) {
            const uint32_t value = piece.meta.value.value;
            held_[value].push_back(std::move(piece));
        }
    }

    std::vector<HostTensor> outputs() {
        std::vector<HostTensor> whole;
        for (const ValueId id : graph_.outputs()) {
            const TensorMeta& meta = graph_.value(id).meta;
            const RowRule& rule = rule_of(id);
            auto tensor = is_sum(rule)
                              ? add_partial_sums(meta, static_cast<uint32_t>(rule.inputs.front().rows), held_[id.value])
                              : assemble_rows(meta, {}, held_[id.value]);
            if (!tensor) FAIL(tensor.error().message);
            whole.push_back(*std::move(tensor));
        }
        return whole;
    }

private:
    [[nodiscard]] const RowRule& rule_of(ValueId id) const { return model_->row_rules()[graph_.value(id).producer]; }
    static bool is_sum(const RowRule& rule) { return rule.kind == RowRule::Kind::reduction; }

    int64_t below(int64_t bound) { return static_cast<int64_t>(random_.below(static_cast<uint64_t>(bound))); }

    [[nodiscard]] bool is_used_before(ValueId id, uint32_t last) const {
        for (uint32_t op = graph_.value(id).producer + 1; op < last; ++op) {
            const auto& inputs = graph_.operators()[op].inputs;
            if (std::find(inputs.begin(), inputs.end(), id) != inputs.end()) return true;
        }
        return false;
    }

    /// Every row of the value to one device.
    void deal(ValueId id, uint32_t last, std::vector<std::vector<ValueRows>>& wanted) {
        const RowRule& rule = rule_of(id);
        int64_t rows = row_count(graph_.value(id));
        bool at_once = !rule.divisible();
        if (is_sum(rule)) {
            rows = rule.inputs.front().rows;
            at_once = random_.chance(0.4) || is_used_before(id, last);
        }
        std::vector<int64_t> bounds{0, rows};
        if (!at_once)
            for (uint32_t i = 1; i < devices_; ++i) bounds.push_back(below(rows + 1));
        std::sort(bounds.begin(), bounds.end());
        const uint32_t first = static_cast<uint32_t>(below(devices_));
        for (size_t i = 1; i < bounds.size(); ++i)
            if (const RowRange part{bounds[i - 1], bounds[i]}; !part.empty())
                wanted[(first + i) % devices_].push_back({id, part});
    }

    void run_unit(uint32_t first, uint32_t last, const std::vector<ValueRows>& share, std::vector<HostTensor>& made) {
        const auto spec = torch_exec::row_unit(graph_, model_->row_rules(), first, last, share);
        if (!spec) FAIL("operators " << first << " to " << last << ": " << spec.error().message);
        const auto unit = Unit::compile(model_, *spec);
        if (!unit) FAIL("operators " << first << " to " << last << ": " << unit.error().message);
        const std::vector<HostTensor> pieces = pieces_for(*spec);
        auto outputs = (*unit)->run(pieces);
        if (!outputs) FAIL("operators " << first << " to " << last << ": " << outputs.error().message);
        for (HostTensor& output : *outputs) made.push_back(std::move(output));
    }

    std::vector<HostTensor> pieces_for(const UnitSpec& spec) {
        std::vector<HostTensor> pieces;
        for (size_t i = 0; i < spec.inputs.size(); ++i) {
            const ValueId id = spec.inputs[i];
            const graph::Value& value = graph_.value(id);
            if (value.producer != graph::no_operator && is_sum(rule_of(id))) {
                pieces.insert(pieces.end(), held_[id.value].begin(), held_[id.value].end());
                continue;
            }
            const int64_t all = row_count(value);
            const RowRange needed = spec.rows.everything() ? RowRange{0, all} : spec.rows.inputs[i];
            for (const HostTensor& piece : held_[id.value]) cut(value.meta, piece, needed, pieces);
        }
        for (size_t i = pieces.size(); i > 1; --i) std::swap(pieces[i - 1], pieces[random_.below(i)]);
        return pieces;
    }

    /// What is needed of a piece, with a few rows more on either side, in one or two that overlap.
    void cut(const TensorMeta& whole, const HostTensor& piece, RowRange needed, std::vector<HostTensor>& pieces) {
        const Rows held = resolved(piece.meta.rows, row_layout(whole)->rows);
        const int64_t begin = std::max<int64_t>(held.begin, needed.begin - below(3));
        const int64_t end = std::min<int64_t>(held.end, needed.end + below(3));
        if (begin >= end) return;
        const int64_t middle = random_.chance(0.3) ? begin + below(end - begin) : end;
        for (const RowRange part : {RowRange{begin, std::min(end, middle + below(2))}, RowRange{middle, end}}) {
            if (part.empty()) continue;
            auto taken = take_rows(whole, piece, rows_of(part));
            if (!taken) FAIL(taken.error().message);
            pieces.push_back(*std::move(taken));
        }
    }

    std::shared_ptr<const torch_exec::Model> model_;
    const graph::ModelGraph& graph_;
    uint32_t devices_;
    Random random_;
    std::vector<std::vector<HostTensor>> held_;  ///< by value: what all devices made of it
};

}  // namespace

std::vector<HostTensor> run_divided(const std::shared_ptr<const torch_exec::Model>& model, const HostTensor& frame,
                                    const Division& division) {
    Cluster cluster(model, frame, division.devices, division.seed);
    for (size_t i = 1; i < division.borders.size(); ++i)
        cluster.run_block(division.borders[i - 1], division.borders[i]);
    return cluster.outputs();
}

/// Of what a whole operator makes, no part can be asked for in its own block: one ends behind it.
static void end_blocks(const torch_exec::Model& model, std::vector<uint32_t>& borders) {
    for (uint32_t op = 0; op < model.row_rules().size(); ++op)
        for (const ValueId id : model.graph().operators()[op].outputs)
            if (!model.row_rules()[op].divisible() && row_count(model.graph().value(id)) > 1) borders.push_back(op + 1);
    std::sort(borders.begin(), borders.end());
    borders.erase(std::unique(borders.begin(), borders.end()), borders.end());
}

std::vector<uint32_t> step_by_step(const torch_exec::Model& model) {
    std::vector<uint32_t> borders{0};
    for (const graph::RowStep& step : graph::row_steps(model.graph(), model.row_rules())) borders.push_back(step.last);
    end_blocks(model, borders);
    return borders;
}

std::vector<uint32_t> random_blocks(const torch_exec::Model& model, uint32_t blocks, Random& random) {
    const auto operators = static_cast<uint32_t>(model.graph().operators().size());
    std::vector<uint32_t> borders{0, operators};
    for (uint32_t i = 1; i < blocks; ++i) borders.push_back(static_cast<uint32_t>(random.below(operators)));
    end_blocks(model, borders);
    return borders;
}

void check_divisions(const std::string& path, uint32_t divisions, uint64_t seed) {
    const auto model = must_load(path);
    const HostTensor frame = noise_frame(*model, seed);
    const uint64_t before = fingerprint({&frame, 1});
    const std::vector<HostTensor> expected = reference_forward(path, model->card(), frame);
    Random random(seed);
    double worst = 0;
    for (uint32_t i = 0; i < divisions; ++i) {
        Division division;
        division.devices = 1 + static_cast<uint32_t>(random.below(6));
        division.seed = random.next();
        division.borders = i == 0 ? step_by_step(*model) : random_blocks(*model, 1 + random.below(12), random);
        const double error = relative_error(run_divided(model, frame, division), expected);
        CHECK_MESSAGE(error <= 1e-4, path << ", seed " << seed << ", division " << i << ": " << division.devices
                                          << " devices, " << division.borders.size() - 1 << " blocks");
        worst = std::max(worst, error);
    }
    CHECK(fingerprint({&frame, 1}) == before);
    MESSAGE(path << ": " << divisions << " divisions, worst error " << worst);
}

}  // namespace eddy::test
