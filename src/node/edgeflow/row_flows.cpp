#include "src/node/edgeflow/row_flows.hpp"

#include <algorithm>
#include <cmath>

#include "eddy/assert.hpp"

namespace eddy::node {

namespace {
/// A unit counts in the pace by its expected time; about so much of it is remembered.
constexpr double pace_memory_us = 200'000;
/// Who refuses a plan is not asked for so long; who cannot go on with one, perhaps since another was lost, is soon again.
constexpr Usec refused_for = std::chrono::seconds(60);
constexpr Usec failed_for = std::chrono::seconds(5);

RowTensor order_of(const FlowTensor& tensor) {
    return {tensor.value, {static_cast<uint32_t>(tensor.rows.begin), static_cast<uint32_t>(tensor.rows.end)},
            tensor.bytes, tensor.all_rows};
}

UnitOrder order_of(const FlowPlan& plan, const FlowUnit& unit) {
    UnitOrder order;
    if (unit.number == 0) order.kind = UnitOrder::Kind::capture;
    if (plan.is_source() && &unit == &plan.units().back()) order.kind = UnitOrder::Kind::result;
    order.first = unit.first;
    order.last = unit.last;
    for (const auto& wanted : unit.wanted) order.wanted.push_back(order_of(FlowTensor{wanted.value, wanted.rows}));
    for (const uint32_t input : unit.inputs) order.inputs.push_back(order_of(plan.tensors()[input]));
    for (const FlowTensor& output : plan.outputs_of(unit)) order.outputs.push_back(order_of(output));
    order.work = unit.work;
    order.gathered_bytes = unit.gathered_bytes;
    return order;
}

double expected_us(const RowProfile* rows, const FlowUnit& unit) {
    if (rows == nullptr || unit.work.empty()) return 0;
    return time_us(*rows, unit.work, unit.gathered_bytes);
}
}  // namespace

RowFlows::RowFlows(RowFlowsConfig config, Buffers& buffers)
    : config_(std::move(config)),
      buffers_(buffers),
      host_(config_.self, config_.graph, config_.chain_hash, config_.bytes_max) {}

const PlanId* RowFlows::id_of(const PlanKey& key) const {
    const auto found = ids_.find(key);
    return found == ids_.end() ? nullptr : &found->second;
}

// -- plans -----------------------------------------------------------------------------------------------------------

void RowFlows::on(const NodeId& peer, const msg::PlanPrepare& told, Instant now, EffectSink& sink) {
    // A source that forgot to retire its plans, or came back in a new life, has one in use at most, and this one.
    prepare({peer, told.epoch}, told.plan, now, sink);
}

void RowFlows::prepare(const PlanKey& key, const RowPlan& told, Instant now, EffectSink& sink) {
    const auto earlier = host_.plans_of(key.source);
    if (earlier.size() >= FlowHost::plans_of_a_source && earlier.back().epoch < key.epoch) retire(earlier.front(), sink);
    const auto plan = host_.prepare(key, told);
    if (!plan) {
        sink.log(LogLevel::warning, "a plan over rows of " + short_name(key.source) + " is refused: " +
                                        plan.error().message);
        return answer(key, false, plan.error().message, now, sink);
    }
    if (const PlanId* known = id_of(key)) {
        Part& part = parts_.at(*known);
        part.answered = false;
        return answer_if_ready(part, now, sink);
    }
    const PlanId id{next_id_++};
    Part part{key, {}, false, false};
    std::vector<UnitOrder> orders;
    for (const FlowUnit& unit : (*plan)->units()) {
        part.unit_us.push_back(expected_us(config_.rows.get(), unit));
        orders.push_back(order_of(**plan, unit));
    }
    ids_.emplace(key, id);
    parts_.emplace(id, std::move(part));
    sink.compile(id, orders);
}

void RowFlows::compiled(const ev::Compiled& done, Instant now, EffectSink& sink) {
    const auto found = parts_.find(done.plan);
    if (found == parts_.end()) return;  // retired meanwhile
    if (!done.failure.empty()) {
        const PlanKey key = found->second.key;
        sink.log(LogLevel::error, "a plan over rows cannot be compiled: " + done.failure);
        retire(key, sink);
        return answer(key, false, done.failure, now, sink);
    }
    found->second.compiled = true;
    answer_if_ready(found->second, now, sink);
}

/// Rows travel straight, so all that this node exchanges rows with must be connected first.
void RowFlows::answer_if_ready(Part& part, Instant now, EffectSink& sink) {
    if (!part.compiled || part.answered) return;
    host_.compiled(part.key);
    const FlowPlan& plan = host_.flow(part.key)->plan();
    const auto reached = [&](uint32_t device) {
        const NodeId& node = host_.node_of(part.key, device);
        return node == config_.self || config_.connected(node);
    };
    for (const auto& [message, arrival] : plan.arrivals())
        if (!reached(arrival.from)) return;
    for (const FlowUnit& unit : plan.units())
        for (const FlowSend& send : unit.sends)
            if (!reached(send.to)) return;
    part.answered = true;
    answer(part.key, true, "", now, sink);
}

void RowFlows::answer(const PlanKey& key, bool ready, const std::string& why, Instant now, EffectSink& sink) {
    const msg::PlanAnswer told{key.epoch, ready, why};
    if (key.source == config_.self) return on(config_.self, told, now, sink);
    outbox_.push_back({key.source, told, {}});
}

void RowFlows::on(const NodeId& peer, const msg::PlanAnswer& told, Instant now, EffectSink& sink) {
    const auto devices = told_.find(told.epoch);
    if (devices == told_.end() ||
        std::find(devices->second.begin(), devices->second.end(), peer) == devices->second.end())
        return;
    if (!told.ready)
        sink.log(LogLevel::warning, "plan " + std::to_string(told.epoch) + " over rows: " + short_name(peer) +
                                        " does not take part: " + told.reason);
    if (!told.ready) {
        unwilling_[peer] = now + (own_.pending(told.epoch) ? refused_for : failed_for);
        return abandon(told.epoch, sink);
    }
    const size_t count = devices->second.size();
    const auto change = own_.answered(peer, told.epoch, true);
    if (change.switched)
        sink.log(LogLevel::info, "plan " + std::to_string(told.epoch) + " over rows is ready at its " +
                                     std::to_string(count) + " devices: frames go by it");
    apply(change, sink);
}

void RowFlows::on(const NodeId& peer, const msg::PlanRetire& told, EffectSink& sink) { retire({peer, told.epoch}, sink); }

void RowFlows::retire(const PlanKey& key, EffectSink& sink) {
    const PlanId* id = id_of(key);
    if (id == nullptr) return;
    buffers_.release(host_.retire(key), sink);
    sink.forget(*id);
    parts_.erase(*id);
    ids_.erase(key);
}

void RowFlows::tick(Instant now, EffectSink& sink) {
    std::erase_if(unwilling_, [&](const auto& entry) { return entry.second <= now; });
    for (auto& [id, part] : parts_) answer_if_ready(part, now, sink);
    apply(own_.tick(now), sink);
}

void RowFlows::lost(const NodeId& peer, Instant now, EffectSink& sink) {
    for (const PlanKey& key : host_.plans_with(peer)) {
        if (key.source == config_.self) continue;
        retire(key, sink);
        if (key.source != peer) answer(key, false, "no connection to " + short_name(peer), now, sink);
    }
    apply(own_.lost(peer), sink);
}

// -- own plans -------------------------------------------------------------------------------------------------------

void RowFlows::propose(RowPlan plan, Instant now, EffectSink& sink) {
    PlanLifecycle::Change change;
    const std::vector<NodeId> devices = plan.devices;
    const uint32_t epoch = own_.propose(plan, now, change);
    apply(change, sink);
    while (own_.plans() > FlowHost::plans_of_a_source) {
        change = own_.broken(told_.begin()->first);
        apply(change, sink);
    }
    epochs_ = epoch;
    told_[epoch] = devices;
    for (const NodeId& device : devices)
        if (device != config_.self) outbox_.push_back({device, msg::PlanPrepare{epoch, plan}, {}});
    prepare({config_.self, epoch}, plan, now, sink);
}

void RowFlows::apply(const PlanLifecycle::Change& change, EffectSink& sink) {
    if (change.given_up) ++failures_;
    for (const uint32_t epoch : change.retire) {
        for (auto it = begun_.begin(); it != begun_.end();) {
            if (it->second == epoch) broken_.push_back(it->first);
            it = it->second == epoch ? begun_.erase(it) : std::next(it);
        }
        for (const NodeId& device : told_[epoch])
            if (device != config_.self) outbox_.push_back({device, msg::PlanRetire{epoch}, {}});
        told_.erase(epoch);
        retire({config_.self, epoch}, sink);
    }
}

void RowFlows::stop(EffectSink& sink) { apply(own_.stop(), sink); }

void RowFlows::abandon(uint32_t epoch, EffectSink& sink) {
    ++failures_;
    auto change = own_.broken(epoch);
    change.given_up = false;  // it is counted
    apply(change, sink);
}

void RowFlows::break_plan_of(const FrameId& frame, EffectSink& sink) {
    if (const auto found = begun_.find(frame); found != begun_.end()) abandon(found->second, sink);
}

bool RowFlows::unwilling(const NodeId& node, Instant now) const {
    const auto found = unwilling_.find(node);
    return found != unwilling_.end() && now < found->second;
}

const RowPlan* RowFlows::current() const { return own_.current() ? own_.plan(*own_.current()) : nullptr; }

bool RowFlows::has_room() {
    if (!own_.current()) return false;
    const Flow* flow = host_.flow({config_.self, *own_.current()});
    return flow != nullptr && flow->has_room();
}

void RowFlows::begin(const FrameId& frame, uint32_t attempt, const TensorRef& raw, const Durations& so_far,
                     Instant now) {
    const uint32_t epoch = *own_.current();
    buffers_.retain(raw);
    host_.flow({config_.self, epoch})->begin(frame, attempt, raw, so_far, now);
    begun_[frame] = epoch;
    own_.frame_began(epoch);
}

void RowFlows::forget(const FrameId& frame, EffectSink& sink) {
    const auto found = begun_.find(frame);
    if (found == begun_.end()) return;
    const uint32_t epoch = found->second;
    begun_.erase(found);
    Flow* flow = host_.flow({config_.self, epoch});
    EDDY_ASSERT(flow != nullptr);
    if (flow->has(frame)) {
        const uint32_t attempt = flow->attempt_of(frame);
        buffers_.release(flow->drop(frame, attempt), sink);
        for (const NodeId& device : told_[epoch])
            if (device != config_.self) outbox_.push_back({device, msg::RowsCancel{frame, attempt, epoch}, {}});
    }
    apply(own_.frame_ended(epoch), sink);
}

// -- rows ------------------------------------------------------------------------------------------------------------

bool RowFlows::on(const NodeId& peer, const msg::Rows& rows, const std::vector<TensorRef>& tensors, Instant now,
                  EffectSink& sink) {
    const PlanKey key{rows.frame.source.node, rows.epoch};
    Flow* flow = host_.flow(key);
    const auto from = host_.device_of(key, peer);
    if (flow == nullptr || !from) {  // of a plan that is over, or of none that was ever told, or from no device of it
        stale_rows_ += flow == nullptr ? 1 : 0;
        buffers_.release(tensors, sink);
        return flow == nullptr;
    }
    std::vector<TensorRef> released;
    const auto objection = flow->receive(rows.frame, rows.attempt, rows.message, *from, tensors, rows.so_far, now, released);
    buffers_.release(released, sink);
    if (!objection) return true;
    buffers_.release(tensors, sink);
    stale_rows_ += objection->stale ? 1 : 0;
    if (!objection->stale)
        sink.log(LogLevel::warning, "rows from " + short_name(peer) + " are refused: " + objection->why);
    return objection->stale;
}

void RowFlows::on(const NodeId& peer, const msg::RowsCancel& cancel, EffectSink& sink) {
    if (cancel.frame.source.node != peer) return;  // only a frame's source may
    if (Flow* flow = host_.flow({peer, cancel.epoch})) buffers_.release(flow->drop(cancel.frame, cancel.attempt), sink);
}

// -- lanes -----------------------------------------------------------------------------------------------------------

double RowFlows::weight_of(const Part& part) const {
    const Flow* flow = host_.flow(part.key);
    if (flow == nullptr || !flow->can_fire()) return 0;
    const double left_us = pace_.value_or(1) * flow->left_of_oldest(part.unit_us);
    return static_cast<double>(flow->frames()) * 1e6 / std::max(1.0, left_us);
}

double RowFlows::weight() const {
    double most = 0;
    for (const auto& [id, part] : parts_) most = std::max(most, weight_of(part));
    return most;
}

std::optional<Job> RowFlows::take(JobId id, Instant now) {
    double most = 0;
    const PlanId* plan = nullptr;
    for (const auto& [each, part] : parts_) {
        const double weight = weight_of(part);
        if (weight <= most) continue;
        most = weight;
        plan = &each;
    }
    if (plan == nullptr) return std::nullopt;
    const PlanKey& key = parts_.at(*plan).key;
    Flow* flow = host_.flow(key);
    auto taken = flow->take(now);
    if (!taken) return std::nullopt;
    Job job;
    job.id = id;
    job.units = {*plan, taken->unit, taken->unit + 1};
    job.inputs = std::move(taken->inputs);
    job.ends_model = taken->ends_model;
    jobs_.emplace(id, Running{*plan, taken->frame, flow->attempt_of(taken->frame), taken->unit});
    return job;
}

std::optional<RowFlows::Ended> RowFlows::computed(const ev::Computed& done, Instant now, EffectSink& sink) {
    const auto found = jobs_.find(done.job);
    const Running running = found->second;
    jobs_.erase(found);
    const auto part = parts_.find(running.plan);
    if (part == parts_.end()) {  // the plan came to an end meanwhile
        buffers_.release(done.outputs, sink);
        return std::nullopt;
    }
    if (!done.failure.empty()) {
        buffers_.release(done.outputs, sink);
        fail(running, done.failure, now, sink);
        return std::nullopt;
    }
    if (const double expected = part->second.unit_us[running.unit]; expected > 0) {
        const double found_pace = static_cast<double>(done.busy.count()) / expected;
        const double share = pace_ ? std::min(1.0, expected / pace_memory_us) : 1.0;
        pace_ = pace_.value_or(found_pace) + (found_pace - pace_.value_or(found_pace)) * share;
    }
    const PlanKey key = part->second.key;
    Flow* flow = host_.flow(key);
    auto step = flow->computed(running.frame, running.attempt, running.unit, done.outputs, done.busy, now);
    if (!step) {
        buffers_.release(done.outputs, sink);
        return std::nullopt;
    }
    send(key, running, *step);
    buffers_.release(step->released, sink);
    if (!done.inference || key.source != config_.self) return std::nullopt;
    const bool alone = own_.plan(key.epoch) != nullptr && own_.plan(key.epoch)->devices.size() == 1;
    return Ended{running.frame, step->so_far, alone};
}

void RowFlows::send(const PlanKey& key, const Running& running, FlowStep& step) {
    for (FlowOutgoing& out : step.sends) {
        msg::Rows rows;
        rows.frame = running.frame;
        rows.attempt = running.attempt;
        rows.epoch = key.epoch;
        rows.message = out.message;
        rows.so_far = out.so_far;
        outbox_.push_back({host_.node_of(key, out.to), rows, std::move(out.tensors)});
    }
}

/// A unit that fails here will fail again: this node leaves the plan.
void RowFlows::fail(const Running& running, const std::string& why, Instant now, EffectSink& sink) {
    const PlanKey key = parts_.at(running.plan).key;
    sink.log(LogLevel::error, "frame " + std::to_string(running.frame.k) + " of " + short_name(key.source) + ": unit " +
                                  std::to_string(running.unit) + " failed: " + why);
    if (key.source != config_.self) retire(key, sink);
    answer(key, false, why, now, sink);
}

// -- bookkeeping -----------------------------------------------------------------------------------------------------

uint64_t RowFlows::held_tensors() const {
    uint64_t held = 0;
    for (const auto& [key, id] : ids_) held += host_.held_tensors(key);
    for (const auto& out : outbox_) held += out.tensors.size();
    return held;
}

void RowFlows::check_invariants() const {
    host_.check_invariants();
    EDDY_ASSERT(parts_.size() == ids_.size() && parts_.size() == host_.plans());
    for (const auto& [frame, epoch] : begun_) EDDY_ASSERT(own_.plan(epoch) != nullptr);
}

}  // namespace eddy::node
