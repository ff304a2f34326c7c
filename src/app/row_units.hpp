// The units of plans over rows that this node computes, as lanes need them: found by plan and number, compiled if the
// node computes, with the time they take if it replays. Thread-safe.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "eddy/row_order.hpp"
#include "models/engine/engine.hpp"

namespace eddy::app {

struct RowJob {
    UnitOrder order;
    std::shared_ptr<const engine::RowUnit> unit;  ///< null: nothing is computed in it, or it is replayed
    double replay_us = 0;                         ///< at speed 1
    std::vector<HostTensor> replayed;             ///< zeros instead of what it would make
};

class RowUnits {
public:
    using Compile = std::function<Result<std::shared_ptr<const engine::RowUnit>>(const UnitOrder& order)>;
    /// `compile` empty: units are replayed, by `profile`.
    RowUnits(std::shared_ptr<const graph::ModelGraph> graph, std::shared_ptr<const RowProfile> profile, Compile compile)
        : graph_(std::move(graph)), profile_(std::move(profile)), compile_(std::move(compile)) {}

    /// Compiles all of them, one after the other; lanes may run others meanwhile. Error: the first that cannot be.
    Status compile(PlanId plan, const std::vector<UnitOrder>& orders);
    void forget(PlanId plan);
    /// Null: the plan was forgotten, or has no such unit.
    [[nodiscard]] std::shared_ptr<const RowJob> find(PlanId plan, uint32_t unit) const;

    /// The frame's rows for others, cut out.
    [[nodiscard]] Result<std::vector<HostTensor>> captured(const UnitOrder& order,
                                                           std::span<const HostTensor> frame) const;
    /// Of what a unit made, one tensor a value, what is to be given on.
    [[nodiscard]] Result<std::vector<HostTensor>> divided(const UnitOrder& order,
                                                          std::span<const HostTensor> made) const;
    /// The model's outputs, put together.
    [[nodiscard]] Result<std::vector<HostTensor>> outputs(std::span<const HostTensor> pieces) const;

private:
    /// As many as the largest output of these takes.
    static std::shared_ptr<const std::byte> zeros_for(const std::vector<UnitOrder>& orders);
    [[nodiscard]] std::vector<HostTensor> tensors_of(const UnitOrder& order,
                                                     const std::shared_ptr<const std::byte>& zeros) const;
    [[nodiscard]] TensorMeta meta_of(const RowTensor& tensor) const;

    const std::shared_ptr<const graph::ModelGraph> graph_;
    const std::shared_ptr<const RowProfile> profile_;
    const Compile compile_;
    mutable std::mutex mutex_;
    std::map<PlanId, std::vector<std::shared_ptr<const RowJob>>> plans_;  ///< protected by mutex_
};

}  // namespace eddy::app
