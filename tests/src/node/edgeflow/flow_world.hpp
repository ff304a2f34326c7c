// Devices that share frames by a plan, joined by messages that come in any order. Tensors are records of what they
// hold, so that every unit can be asked whether it was given what it needs.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "eddy/random.hpp"
#include "src/node/edgeflow/flow.hpp"
#include "tests/planner/edgeflow/nets.hpp"
#include "tests/planner/edgeflow/random_plans.hpp"

namespace eddy::test {

inline FrameId flow_frame(uint64_t k) { return {{}, {}, k}; }

inline TensorRef ref_of(const node::FlowTensor& tensor) {
    const Rows rows{static_cast<uint32_t>(tensor.rows.begin), static_cast<uint32_t>(tensor.rows.end)};
    return {{tensor.value, tensor.dtype, tensor.shape, rows}, {}, tensor.bytes};
}

class FlowWorld {
public:
    FlowWorld(const planner::edgeflow::Problem& problem, const planner::edgeflow::Plan& plan, uint32_t window,
              uint64_t seed)
        : problem_(problem), blocks_(problem), plan_(plan), window_(window), random_(seed) {
        for (uint32_t device = 0; device < problem.devices(); ++device)
            flows_.emplace_back(node::FlowPlan::make(blocks_, plan, device), window);
    }
    struct Parcel {
        uint64_t frame = 0;
        uint32_t attempt = 0;
        uint32_t from = 0;
        node::FlowOutgoing out;
    };
    struct Job {
        uint32_t device = 0;
        uint32_t attempt = 0;
        node::FlowJob job;
    };

    node::Flow& flow(size_t device) { return flows_[device]; }
    node::Flow& source() { return flows_[problem_.source()]; }
    [[nodiscard]] const std::set<uint64_t>& results() const { return results_; }
    [[nodiscard]] size_t live() const { return live_.size(); }
    [[nodiscard]] bool idle() const { return parcels_.empty() && jobs_.empty(); }
    std::vector<Parcel>& parcels() { return parcels_; }

    void capture(uint64_t k, uint32_t attempt = 1) {
        const ValueId frame = problem_.graph().inputs().front();
        const auto& value = problem_.graph().value(frame);
        node::FlowTensor all{frame, {0, graph::row_count(value)}, value.bytes};
        source().begin(flow_frame(k), attempt, make(k, all), {}, now_);
        start(static_cast<uint32_t>(problem_.source()));
    }

    /// One thing happens: a message arrives, or a unit ends.
    void step() {
        now_ += Usec{10};
        const size_t which = random_.below(parcels_.size() + jobs_.size());
        if (which < parcels_.size()) {
            const Parcel parcel = parcels_[which];
            parcels_.erase(parcels_.begin() + static_cast<std::ptrdiff_t>(which));
            arrive(parcel);
        } else {
            const Job job = jobs_[which - parcels_.size()];
            jobs_.erase(jobs_.begin() + static_cast<std::ptrdiff_t>(which - parcels_.size()));
            end(job);
        }
        for (const node::Flow& each : flows_) each.check_invariants();
    }

    /// What became of it, if it was not taken.
    std::optional<node::Flow::Objection> arrive(const Parcel& parcel) {
        std::vector<TensorRef> released;
        auto objection =
            flows_[parcel.out.to].receive(flow_frame(parcel.frame), parcel.attempt, parcel.out.message, parcel.from,
                                          parcel.out.tensors, parcel.out.so_far, now_, released);
        forget(objection ? parcel.out.tensors : released);
        start(parcel.out.to);
        return objection;
    }
    void drop(uint64_t k, uint32_t attempt = 1) {
        for (node::Flow& each : flows_) forget(each.drop(flow_frame(k), attempt));
    }
    /// The same rows in tensors of their own.
    void renew(Parcel& parcel) {
        for (TensorRef& tensor : parcel.out.tensors) {
            const Content content = live_.at(tensor.buffer);
            tensor.buffer = BufferId{++buffers_};
            live_[tensor.buffer] = content;
        }
    }

private:
    struct Content {
        uint64_t frame = 0;
        ValueId value;
        graph::RowRange rows;
    };

    TensorRef make(uint64_t frame, const node::FlowTensor& tensor) {
        TensorRef ref = ref_of(tensor);
        ref.buffer = BufferId{++buffers_};
        live_[ref.buffer] = {frame, tensor.value, tensor.rows};
        return ref;
    }
    void forget(const std::vector<TensorRef>& tensors) {
        for (const TensorRef& tensor : tensors) CHECK(live_.erase(tensor.buffer) == 1);
    }

    void start(uint32_t device) {
        while (auto job = flows_[device].take(now_)) {
            check_inputs(device, *job);
            const uint32_t attempt = flows_[device].attempt_of(job->frame);
            jobs_.push_back({device, attempt, *std::move(job)});
        }
    }

    /// All rows that its operators read, of this frame.
    void check_inputs(uint32_t device, const node::FlowJob& job) {
        const node::FlowUnit& unit = flows_[device].plan().units()[job.unit];
        std::map<ValueId, std::set<int64_t>> given;
        for (const TensorRef& tensor : job.inputs) {
            const Content& content = live_.at(tensor.buffer);
            CHECK(content.frame == job.frame.k);
            for (int64_t row = content.rows.begin; row < content.rows.end; ++row) given[content.value].insert(row);
        }
        if (unit.number == 0) return;
        if (job.ends_model) {
            for (const ValueId output : problem_.graph().outputs()) {
                const auto rows = static_cast<size_t>(graph::row_count(problem_.graph().value(output)));
                CHECK(given[output].size() >= rows);
            }
            return;
        }
        for (const graph::ValueRows& input : inputs_of(unit))
            for (int64_t row = input.rows.begin; row < input.rows.end; ++row) CHECK(given[input.value].count(row) == 1);
    }

    /// What a unit's operators read to make what is wanted of them, found anew.
    [[nodiscard]] std::vector<graph::ValueRows> inputs_of(const node::FlowUnit& unit) const {
        const auto& graph = problem_.graph();
        std::vector<uint32_t> operators;
        std::vector<graph::ValueRows> wanted;
        std::vector<graph::ValueRows> inputs;
        for (uint32_t op = unit.first; op < unit.last; ++op) operators.push_back(op);
        for (const graph::ValueRows& each : unit.wanted) {
            const uint32_t producer = graph.value(each.value).producer;
            const bool pool = problem_.rules()[producer].kind == graph::RowRule::Kind::reduction;
            const ValueId summed = graph.operators()[producer].inputs.front();
            const bool inside = pool && graph.value(summed).producer != graph::no_operator &&
                                graph.value(summed).producer >= unit.first;
            if (pool && !inside) inputs.push_back({summed, each.rows});
            if (!pool || inside) wanted.push_back({pool ? summed : each.value, each.rows});
        }
        const auto rows = graph::block_rows(graph, problem_.rules(), operators, wanted);
        REQUIRE(rows.ok());
        for (const graph::ValueRows& each : rows->inputs)
            if (!each.rows.empty()) inputs.push_back(each);
        return inputs;
    }

    void end(const Job& ended) {
        node::Flow& at = flows_[ended.device];
        const node::FlowUnit& unit = at.plan().units()[ended.job.unit];
        std::vector<TensorRef> outputs;
        for (const node::FlowTensor& tensor : at.plan().outputs_of(unit))
            outputs.push_back(make(ended.job.frame.k, tensor));
        auto step = at.computed(ended.job.frame, ended.attempt, ended.job.unit, outputs, Usec{5}, now_);
        if (!step) return forget(outputs);
        forget(step->released);
        for (node::FlowOutgoing& out : step->sends)
            parcels_.push_back({ended.job.frame.k, ended.attempt, ended.device, std::move(out)});
        if (ended.job.ends_model) CHECK(results_.insert(ended.job.frame.k).second);
        start(ended.device);
    }

    const planner::edgeflow::Problem& problem_;
    planner::edgeflow::Blocks blocks_;
    const planner::edgeflow::Plan& plan_;
    uint32_t window_;
    Random random_;
    std::vector<node::Flow> flows_;
    std::vector<Parcel> parcels_;
    std::vector<Job> jobs_;
    std::map<BufferId, Content> live_;
    std::set<uint64_t> results_;
    uint64_t buffers_ = 0;
    Instant now_{};
};

}  // namespace eddy::test
