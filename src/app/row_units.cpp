#include "src/app/row_units.hpp"

#include <cstring>

#include "eddy/partial_sums.hpp"
#include "eddy/tensor_rows.hpp"
#include "models/graph/rows.hpp"

namespace eddy::app {

Status RowUnits::compile(PlanId plan, const std::vector<UnitOrder>& orders) {
    std::vector<std::shared_ptr<const RowJob>> jobs;
    const auto zeros = compile_ ? nullptr : zeros_for(orders);
    for (const UnitOrder& order : orders) {
        RowJob job{order, nullptr, 0, {}};
        const bool computes = order.kind == UnitOrder::Kind::compute;
        if (computes && compile_) {
            auto unit = compile_(order);
            if (!unit) return unit.error();
            job.unit = *std::move(unit);
        } else if (computes) {
            job.replay_us = time_us(*profile_, order.work, order.gathered_bytes);
        }
        if (!compile_) job.replayed = tensors_of(order, zeros);
        jobs.push_back(std::make_shared<const RowJob>(std::move(job)));
    }
    const std::lock_guard lock(mutex_);
    plans_[plan] = std::move(jobs);
    return success();
}

void RowUnits::forget(PlanId plan) {
    const std::lock_guard lock(mutex_);
    plans_.erase(plan);
}

std::shared_ptr<const RowJob> RowUnits::find(PlanId plan, uint32_t unit) const {
    const std::lock_guard lock(mutex_);
    const auto found = plans_.find(plan);
    return found == plans_.end() || unit >= found->second.size() ? nullptr : found->second[unit];
}

Result<std::vector<HostTensor>> RowUnits::captured(const UnitOrder& order, std::span<const HostTensor> frame) const {
    return divided(order, frame);
}

Result<std::vector<HostTensor>> RowUnits::divided(const UnitOrder& order, std::span<const HostTensor> made) const {
    std::vector<HostTensor> parts;
    for (const RowTensor& wanted : order.outputs) {
        const TensorMeta meta = meta_of(wanted);
        const HostTensor* from = nullptr;
        for (const HostTensor& each : made)
            if (each.meta.value == wanted.value) from = &each;
        if (from == nullptr) return internal("value " + std::to_string(wanted.value.value) + " was not made");
        // A sum is one row, whatever was summed.
        if (from->bytes.size() == wanted.bytes && from->meta.shape == meta.shape) {
            parts.push_back({meta, from->bytes});
            parts.back().meta.channels_last = from->meta.channels_last;
            continue;
        }
        auto part = take_rows(graph_->value(wanted.value).meta, *from, wanted.rows);
        if (!part) return part.error();
        parts.push_back(*std::move(part));
    }
    return parts;
}

Result<std::vector<HostTensor>> RowUnits::outputs(std::span<const HostTensor> pieces) const {
    std::vector<HostTensor> whole;
    for (const ValueId id : graph_->outputs()) {
        const graph::Value& value = graph_->value(id);
        uint32_t summed = 0;
        for (const HostTensor& piece : pieces)
            if (piece.meta.value == id && row_layout(value.meta)->rows == 1 && piece.meta.rows.end != UINT32_MAX)
                summed = std::max(summed, piece.meta.rows.end);
        auto made = summed > 1 ? add_partial_sums(value.meta, summed, pieces) : assemble_rows(value.meta, {}, pieces);
        if (!made) return made.error();
        whole.push_back(*std::move(made));
    }
    return whole;
}

TensorMeta RowUnits::meta_of(const RowTensor& tensor) const {
    const TensorMeta& whole = graph_->value(tensor.value).meta;
    const uint32_t rows = row_layout(whole)->rows;
    if (tensor.all_rows == rows) return meta_of_rows(whole, tensor.rows);
    TensorMeta meta = whole;
    if (tensor.rows != Rows{0, tensor.all_rows}) meta.rows = tensor.rows;
    return meta;
}

std::shared_ptr<const std::byte> RowUnits::zeros_for(const std::vector<UnitOrder>& orders) {
    uint64_t most = 0;
    for (const UnitOrder& order : orders)
        for (const RowTensor& tensor : order.outputs) most = std::max(most, tensor.bytes);
    const auto bytes = allocate_bytes(most);
    std::memset(bytes.get(), 0, most);
    return bytes;
}

std::vector<HostTensor> RowUnits::tensors_of(const UnitOrder& order,
                                             const std::shared_ptr<const std::byte>& zeros) const {
    std::vector<HostTensor> made;
    for (const RowTensor& tensor : order.outputs) {
        TensorMeta meta = meta_of(tensor);
        const uint64_t size = meta.bytes().value_or(0);
        EDDY_ASSERT(size <= tensor.bytes);
        made.push_back({std::move(meta), {zeros, size}});
    }
    return made;
}

}  // namespace eddy::app
