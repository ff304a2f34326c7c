#include "src/node/edgeflow/flow.hpp"

#include <algorithm>

#include "eddy/assert.hpp"
#include "eddy/tensor_rows.hpp"

namespace eddy::node {

namespace {
/// So many frames that ended here are known again, for each that may be under way.
constexpr size_t remembered = 4;

/// What peers say of time is added to.
Usec within_a_day(Usec told) {
    return std::clamp(told, Usec{0}, std::chrono::duration_cast<Usec>(std::chrono::hours(24)));
}

void append(std::vector<TensorRef>& to, const std::vector<TensorRef>& more) {
    to.insert(to.end(), more.begin(), more.end());
}
}  // namespace

Flow::Frame& Flow::open(const FrameId& id, uint32_t attempt, Instant now) {
    Frame frame;
    frame.attempt = attempt;
    frame.order = ++order_;
    frame.held.resize(plan_.tensors().size());
    for (const FlowTensor& tensor : plan_.tensors()) frame.uses.push_back(tensor.uses);
    frame.left = static_cast<uint32_t>(plan_.units().size());
    for (const FlowUnit& unit : plan_.units()) {
        UnitProgress progress;
        progress.waits = unit.waits;
        // What needs nothing is made of weights alone; the capture waits for the frame.
        if (unit.waits == 0 && unit.number != 0) make_ready(progress, {}, now);
        frame.units.push_back(progress);
    }
    return frames_.emplace(id, std::move(frame)).first->second;
}

void Flow::begin(const FrameId& id, uint32_t attempt, const TensorRef& captured, const Durations& so_far, Instant now) {
    EDDY_ASSERT(plan_.is_source() && has_room() && !has(id));
    Frame& frame = open(id, attempt, now);
    const FlowUnit& capture = plan_.units().front();
    hold(frame, capture.makes.front(), captured);
    if (!capture.sends.empty()) {
        make_ready(frame.units.front(), so_far, now);
    } else {
        frame.units.front().state = UnitState::done;
        --frame.left;
    }
    provide(frame, capture.next, so_far, now);
}

std::optional<Flow::Objection> Flow::objection(const FrameId& id, uint32_t attempt, uint32_t message, uint32_t from,
                                               const std::vector<TensorRef>& tensors) const {
    const auto arrival = plan_.arrivals().find(message);
    if (arrival == plan_.arrivals().end() || arrival->second.from != from)
        return Objection{"rows that are not this device's to get from there", false};
    const std::vector<uint32_t>& wanted = arrival->second.tensors;
    if (tensors.size() != wanted.size()) return Objection{"another number of tensors than the plan says", false};
    for (size_t i = 0; i < wanted.size(); ++i) {
        const FlowTensor& tensor = plan_.tensors()[wanted[i]];
        const TensorRef& found = tensors[i];
        const Rows rows = resolved(found.meta.rows, tensor.all_rows);
        if (found.meta.value != tensor.value || found.bytes != tensor.bytes ||
            int64_t{rows.begin} != tensor.rows.begin || int64_t{rows.end} != tensor.rows.end)
            return Objection{"other rows than the plan says", false};
        // Found here, it is the sender's offence; a unit that met it would be this device's failure.
        if (found.meta.dtype != tensor.dtype || found.meta.shape != tensor.shape ||
            (tensor.sum && found.meta.channels_last))
            return Objection{"rows of another type or shape than the model's", false};
    }
    const auto frame = frames_.find(id);
    if (frame == frames_.end()) {
        const auto known = [&](const auto& ended) { return ended.first == id && ended.second >= attempt; };
        if (std::any_of(ended_.begin(), ended_.end(), known)) return Objection{"rows of a frame that is done", true};
        if (!has_room() || plan_.is_source()) return Objection{"a frame that is not under way here", true};
        return std::nullopt;
    }
    if (attempt < frame->second.attempt) return Objection{"rows of an earlier attempt", true};
    const auto& arrived = frame->second.arrived;
    if (attempt == frame->second.attempt && std::find(arrived.begin(), arrived.end(), message) != arrived.end())
        return Objection{"the same rows a second time", true};
    if (attempt > frame->second.attempt && plan_.is_source()) return Objection{"an attempt that was never made", false};
    return std::nullopt;
}

std::optional<Flow::Objection> Flow::receive(const FrameId& id, uint32_t attempt, uint32_t message, uint32_t from,
                                             const std::vector<TensorRef>& tensors, const Durations& so_far,
                                             Instant now, std::vector<TensorRef>& released) {
    if (auto why = objection(id, attempt, message, from, tensors)) return why;
    auto known = frames_.find(id);
    if (known != frames_.end() && known->second.attempt < attempt) {
        append(released, close(known));
        known = frames_.end();
    }
    Frame& frame = known != frames_.end() ? known->second : open(id, attempt, now);
    frame.arrived.push_back(message);
    const FlowArrival& arrival = plan_.arrivals().at(message);
    for (size_t i = 0; i < tensors.size(); ++i) hold(frame, arrival.tensors[i], tensors[i]);
    provide(frame, arrival.next, {within_a_day(so_far.waiting), within_a_day(so_far.computing)}, now);
    return std::nullopt;
}

void Flow::hold(Frame& frame, uint32_t tensor, const TensorRef& ref) {
    frame.held[tensor] = ref;
    bytes_ += ref.bytes;
}

void Flow::give_back(Frame& frame, uint32_t tensor, std::vector<TensorRef>& released) {
    bytes_ -= frame.held[tensor]->bytes;
    released.push_back(*frame.held[tensor]);
    frame.held[tensor].reset();
}

void Flow::make_ready(UnitProgress& unit, const Durations& so_far, Instant now) {
    unit.state = UnitState::ready;
    unit.so_far = so_far;
    unit.ready_at = now;
    ++ready_;
}

void Flow::provide(Frame& frame, const std::vector<uint32_t>& units, const Durations& so_far, Instant now) {
    for (const uint32_t index : units)
        if (--frame.units[index].waits == 0) make_ready(frame.units[index], so_far, now);
}

std::optional<FlowJob> Flow::take(Instant now) {
    if (ready_ == 0) return std::nullopt;
    std::pair<const FrameId, Frame>* oldest = nullptr;
    size_t first = 0;
    for (auto& entry : frames_) {
        const auto& units = entry.second.units;
        const auto ready = std::find_if(units.begin(), units.end(),
                                        [](const UnitProgress& unit) { return unit.state == UnitState::ready; });
        if (ready == units.end() || (oldest != nullptr && oldest->second.order < entry.second.order)) continue;
        oldest = &entry;
        first = static_cast<size_t>(ready - units.begin());
    }
    EDDY_ASSERT(oldest != nullptr);
    Frame& frame = oldest->second;
    UnitProgress& progress = frame.units[first];
    progress.state = UnitState::running;
    progress.so_far.waiting += std::max(Usec{0}, now - progress.ready_at);
    --ready_;
    const FlowUnit& unit = plan_.units()[first];
    FlowJob job{oldest->first, static_cast<uint32_t>(first), {}, plan_.is_source() && first + 1 == frame.units.size()};
    for (const uint32_t tensor : unit.inputs) job.inputs.push_back(*frame.held[tensor]);
    return job;
}

std::optional<FlowStep> Flow::computed(const FrameId& id, uint32_t attempt, uint32_t index,
                                       const std::vector<TensorRef>& outputs, Usec busy, Instant now) {
    const auto found = frames_.find(id);
    if (found == frames_.end() || found->second.attempt != attempt) return std::nullopt;
    Frame& frame = found->second;
    UnitProgress& progress = frame.units[index];
    // A source that cancelled the frame and sends the same attempt again, long after, gets nothing of what it left.
    if (progress.state != UnitState::running) return std::nullopt;
    progress.state = UnitState::done;
    --frame.left;
    FlowStep step;
    step.so_far = progress.so_far;
    step.so_far.computing += busy;
    const FlowUnit& unit = plan_.units()[index];
    const bool capture = unit.number == 0;
    size_t next = 0;
    if (!capture)
        for (const uint32_t tensor : unit.makes) hold(frame, tensor, outputs.at(next++));
    for (const FlowSend& send : unit.sends) {
        FlowOutgoing outgoing{send.message, send.to, {}, step.so_far};
        for (size_t i = 0; i < send.tensors.size(); ++i) outgoing.tensors.push_back(outputs.at(next++));
        step.sends.push_back(std::move(outgoing));
    }
    EDDY_ASSERT(next == outputs.size());
    if (!capture) provide(frame, unit.next, step.so_far, now);
    for (const uint32_t tensor : unit.inputs)
        if (--frame.uses[tensor] == 0) give_back(frame, tensor, step.released);
    step.ended = frame.left == 0;
    if (step.ended) append(step.released, close(found));
    return step;
}

std::vector<TensorRef> Flow::close(std::map<FrameId, Frame>::iterator at) {
    Frame& frame = at->second;
    std::vector<TensorRef> released;
    for (uint32_t tensor = 0; tensor < frame.held.size(); ++tensor)
        if (frame.held[tensor]) give_back(frame, tensor, released);
    for (const UnitProgress& unit : frame.units) ready_ -= unit.state == UnitState::ready ? 1 : 0;
    remember(at->first, frame.attempt);
    frames_.erase(at);
    return released;
}

void Flow::remember(const FrameId& id, uint32_t attempt) {
    ended_.emplace_back(id, attempt);
    if (ended_.size() > remembered * window_) ended_.pop_front();
}

std::vector<TensorRef> Flow::drop(const FrameId& id, uint32_t attempt) {
    const auto found = frames_.find(id);
    if (found != frames_.end()) return found->second.attempt <= attempt ? close(found) : std::vector<TensorRef>{};
    remember(id, attempt);
    return {};
}

std::vector<TensorRef> Flow::drop_all() {
    std::vector<TensorRef> released;
    while (!frames_.empty()) append(released, close(frames_.begin()));
    return released;
}

uint64_t Flow::held_tensors() const {
    uint64_t held = 0;
    for (const auto& [id, frame] : frames_)
        held += static_cast<uint64_t>(
            std::count_if(frame.held.begin(), frame.held.end(), [](const auto& tensor) { return tensor.has_value(); }));
    return held;
}

double Flow::left_of_oldest(const std::vector<double>& unit_us) const {
    const Frame* oldest = nullptr;
    for (const auto& [id, frame] : frames_)
        if (oldest == nullptr || frame.order < oldest->order) oldest = &frame;
    double left = 0;
    for (size_t i = 0; oldest != nullptr && i < oldest->units.size(); ++i)
        if (oldest->units[i].state != UnitState::done) left += unit_us.at(i);
    return left;
}

void Flow::check_invariants() const {
    EDDY_ASSERT(frames_.size() <= window_);
    uint64_t bytes = 0;
    size_t ready = 0;
    for (const auto& [id, frame] : frames_) {
        uint32_t left = 0;
        uint64_t frame_bytes = 0;
        for (const UnitProgress& unit : frame.units) {
            left += unit.state == UnitState::done ? 0 : 1;
            ready += unit.state == UnitState::ready ? 1 : 0;
        }
        for (const auto& tensor : frame.held) frame_bytes += tensor ? tensor->bytes : 0;
        EDDY_ASSERT(left == frame.left && left > 0);
        EDDY_ASSERT(frame_bytes <= plan_.frame_bytes());
        bytes += frame_bytes;
    }
    EDDY_ASSERT(bytes == bytes_ && ready == ready_);
}

}  // namespace eddy::node
