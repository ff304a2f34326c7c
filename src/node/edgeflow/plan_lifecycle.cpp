#include "src/node/edgeflow/plan_lifecycle.hpp"

#include <algorithm>
#include <utility>

#include "eddy/assert.hpp"

namespace eddy::node {

uint32_t PlanLifecycle::propose(RowPlan plan, Instant now, Change& change) {
    give_up(change);
    change.given_up = false;  // it was replaced, which is no failure
    const uint32_t epoch = ++last_epoch_;
    pending_ = Pending{epoch, {plan.devices.begin(), plan.devices.end()}, now + answer_within};
    plans_.emplace(epoch, Known{std::move(plan), 0});
    return epoch;
}

PlanLifecycle::Change PlanLifecycle::answered(const NodeId& device, uint32_t epoch, bool ready) {
    Change change;
    if (!pending_ || pending_->epoch != epoch) return change;
    if (!ready) {
        give_up(change);
        return change;
    }
    pending_->missing.erase(device);
    if (!pending_->missing.empty()) return change;
    pending_.reset();
    const auto before = std::exchange(current_, epoch);
    change.switched = true;
    if (before) retire_if_idle(*before, change);
    return change;
}

PlanLifecycle::Change PlanLifecycle::lost(const NodeId& device) {
    Change change;
    const auto takes_part = [&](uint32_t epoch) {
        const auto& devices = plans_.at(epoch).plan.devices;
        return std::find(devices.begin(), devices.end(), device) != devices.end();
    };
    if (pending_ && takes_part(pending_->epoch)) give_up(change);
    std::vector<uint32_t> broken;
    for (const auto& [epoch, known] : plans_)
        if (takes_part(epoch)) broken.push_back(epoch);
    for (const uint32_t epoch : broken) end(epoch, change);
    return change;
}

PlanLifecycle::Change PlanLifecycle::broken(uint32_t epoch) {
    Change change;
    if (pending_ && pending_->epoch == epoch)
        give_up(change);
    else if (plans_.count(epoch) != 0)
        end(epoch, change);
    return change;
}

void PlanLifecycle::end(uint32_t epoch, Change& change) {
    if (current_ == epoch) {
        current_.reset();
        change.switched = true;
    }
    forget(epoch, change);
}

PlanLifecycle::Change PlanLifecycle::tick(Instant now) {
    Change change;
    if (pending_ && now >= pending_->deadline) give_up(change);
    return change;
}

PlanLifecycle::Change PlanLifecycle::stop() {
    Change change;
    give_up(change);
    change.given_up = false;
    if (const auto before = std::exchange(current_, std::nullopt)) {
        change.switched = true;
        retire_if_idle(*before, change);
    }
    return change;
}

void PlanLifecycle::frame_began(uint32_t epoch) { ++plans_.at(epoch).frames; }

PlanLifecycle::Change PlanLifecycle::frame_ended(uint32_t epoch) {
    Change change;
    const auto known = plans_.find(epoch);
    if (known == plans_.end()) return change;  // it was broken meanwhile
    EDDY_ASSERT(known->second.frames > 0);
    --known->second.frames;
    retire_if_idle(epoch, change);
    return change;
}

const RowPlan* PlanLifecycle::plan(uint32_t epoch) const {
    const auto known = plans_.find(epoch);
    return known == plans_.end() ? nullptr : &known->second.plan;
}

void PlanLifecycle::give_up(Change& change) {
    if (!pending_) return;
    forget(pending_->epoch, change);
    pending_.reset();
    change.given_up = true;
}

void PlanLifecycle::retire_if_idle(uint32_t epoch, Change& change) {
    const bool wanted = current_ == epoch || (pending_ && pending_->epoch == epoch);
    if (!wanted && plans_.at(epoch).frames == 0) forget(epoch, change);
}

void PlanLifecycle::forget(uint32_t epoch, Change& change) {
    plans_.erase(epoch);
    change.retire.push_back(epoch);
}

}  // namespace eddy::node
