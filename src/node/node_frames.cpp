// NodeCore: the ends of a frame's way — results, retries, deadlines, stopping.
#include <algorithm>

#include "src/node/node_core.hpp"

namespace eddy::node {

namespace {
constexpr size_t results_max = 1024;
/// How long a frame may still take after a loss, in times that others took lately; and at least.
constexpr int grace_completions = 4;
constexpr Usec grace_least = std::chrono::seconds(1);
constexpr int recent_frames = 8;  // in their mean
}  // namespace

void NodeCore::requeue(Item item) {
    item.since = now_;
    const size_t row = open_row(item.frame.source);
    const size_t queue = queue_of(item);
    queues_.push_front(row, queue, std::move(item), now_);
    state_dirty_ = true;
}

bool NodeCore::dead(const Item& item) const {
    if (item.frame.source.node == config_.self.id) {
        const auto& open = ledger_.open(item.frame.source.stream);
        const auto it = open.find(item.frame.k);
        return it == open.end() || item.attempt < it->second.attempts;
    }
    // Of a life that has ended nobody waits for a result: the next one has told the frame as failed.
    const auto source = members_.find(item.frame.source.node);
    if (source != members_.end() && item.frame.incarnation < source->second) return true;
    return item.attempt < taken_.newest_attempt(item.frame);
}

void NodeCore::finish(const Item& item, const Inference& inference) {
    if (item.frame.source.node == config_.self.id) {
        release(item.frame, item.keeper);
        const FrameRecord* record = ledger_.find(item.frame);
        if (record == nullptr) {
            ++ledger_.counts(item.frame.source.stream).late_results;
            return;
        }
        if (record->deadline < now_) return settle(item.frame, FrameState::dropped, "deadline");
        Outcome outcome;
        outcome.parts = item.so_far;
        outcome.hops = item.hops;
        outcome.local = item.hops == 0;
        outcome.inference = inference;
        return complete(item.frame, std::move(outcome));
    }
    msg::Result result;
    result.frame = item.frame;
    result.attempt = item.attempt;
    result.hops = item.hops;
    result.so_far = item.so_far;
    result.inference = inference;
    send_result(item, std::move(result));
}

void NodeCore::give_up(const Item& item, const std::string& reason, bool expired) {
    if (item.frame.source.node == config_.self.id) {
        release(item.frame, item.keeper);
        const FrameRecord* record = ledger_.find(item.frame);
        if (record == nullptr || item.attempt < record->attempts) return;
        if (expired) return settle(item.frame, FrameState::dropped, "deadline");
        return settle(item.frame, FrameState::failed, reason);
    }
    msg::Result result;
    result.frame = item.frame;
    result.attempt = item.attempt;
    result.hops = item.hops;
    result.so_far = item.so_far;
    result.failure = reason;
    result.expired = expired;
    send_result(item, std::move(result));
}

/// Whoever keeps the frame goes on until its source has this.
void NodeCore::send_result(const Item& item, msg::Result result) {
    const NodeId& source = item.frame.source.node;
    ++counters_.results_sent;
    auto at = unacknowledged_results_.find(item.frame);
    if (at == unacknowledged_results_.end() && unacknowledged_results_.size() >= results_max)
        at = unacknowledged_results_.begin();
    if (at != unacknowledged_results_.end()) {
        release(item.frame, at->second.keeper);
        unacknowledged_results_.erase(at);
    }
    unacknowledged_results_.emplace(item.frame, Finished{result, item.keeper});
    if (links_.count(source) != 0) sink_->send(source, result, {});  // otherwise as soon as it is up again
}

void NodeCore::settle(const FrameId& frame, FrameState state, const std::string& reason) {
    Stream& stream = streams_[frame.source.stream.value];
    const auto waiting = std::find(stream.reservoir.begin(), stream.reservoir.end(), frame.k);
    if (waiting != stream.reservoir.end()) {
        stream.reservoir.erase(waiting);
        sink_->allow_capture({frame.source.stream, 1});
    }
    flows_.forget(frame);
    Outcome outcome;
    outcome.state = state;
    outcome.reason = reason;
    ledger_.settle(frame, std::move(outcome), now_, buffers_, *sink_);
}

void NodeCore::retry(const FrameId& frame, const std::string& reason) {
    const FrameRecord* record = ledger_.find(frame);
    if (record == nullptr || record->attempts == 0) return;
    flows_.forget(frame);
    if (record->attempts >= config_.attempts_max) {
        sink_->log(LogLevel::warning, "frame " + std::to_string(frame.k) + " failed after " +
                                          std::to_string(record->attempts) + " attempts; the last: " + reason);
        return settle(frame, FrameState::failed, "attempts_exhausted");
    }
    auto& again = streams_[frame.source.stream.value].again;
    if (std::find(again.begin(), again.end(), frame.k) == again.end()) again.push_back(frame.k);
}

std::set<FrameId> NodeCore::frames_here(bool and_without_receipt) const {
    std::set<FrameId> here;
    queues_.each([&](size_t, size_t, const Item& item) { here.insert(item.frame); });
    for (const auto& [job, running] : lanes_) here.insert(running.item.frame);
    for (const auto& [peer, link] : links_)
        for (const auto& [seq, item] : link.unacknowledged())
            if (and_without_receipt) here.insert(item.frame);
    for (const auto& [frame, finished] : unacknowledged_results_) here.insert(frame);
    return here;
}

bool NodeCore::kept_by(const NodeId& keeper, const FrameId& frame) const {
    bool kept = false;
    const auto look = [&](const Item& item) { kept |= item.frame == frame && item.keeper.node == keeper; };
    queues_.each([&](size_t, size_t, const Item& item) { look(item); });
    for (const auto& [job, running] : lanes_) look(running.item);
    for (const auto& [peer, link] : links_)
        for (const auto& [seq, item] : link.unacknowledged()) look(item);
    const auto finished = unacknowledged_results_.find(frame);
    return kept || (finished != unacknowledged_results_.end() && finished->second.keeper.node == keeper);
}

/// A node was lost. What it held is brought back by whoever handed it over, unless that node is lost as well or had no
/// room to keep it. So frames that are away get the time that others took lately, and are sent again after it.
void NodeCore::suspect_all_away() {
    if (ledger_.open_frames() == 0) return;
    auto safe = frames_here();
    custody_.each([&](const NodeId&, const Item& item) { safe.insert(item.frame); });
    const Usec most = config_.frame_timeout / config_.attempts_max;
    const Usec grace = std::clamp(grace_completions * recent_completion_, std::min(grace_least, most), most);
    for (uint16_t i = 0; i < streams_.size(); ++i)
        for (const auto& [k, book] : ledger_.open(StreamId{i})) {
            const FrameId frame = ledger_.id(StreamId{i}, k);
            if (book.attempts == 0 || safe.count(frame) != 0 || flows_.has(frame)) continue;
            FrameRecord& record = *ledger_.find(frame);
            record.suspect_at = std::min(record.suspect_at, now_ + grace);
        }
}

void NodeCore::complete(const FrameId& frame, Outcome outcome) {
    const Usec took = now_ - ledger_.find(frame)->attempt_at;
    if (!outcome.local)
        recent_completion_ =
            recent_completion_ == Usec{0} ? took : recent_completion_ + (took - recent_completion_) / recent_frames;
    flows_.forget(frame);
    ledger_.settle(frame, std::move(outcome), now_, buffers_, *sink_);
}

void NodeCore::check_deadlines() {
    std::vector<FrameId> expired;
    std::vector<FrameId> overdue;
    std::vector<FrameId> timed_out;
    for (uint16_t i = 0; i < streams_.size(); ++i)
        for (const auto& [k, record] : ledger_.open(StreamId{i})) {
            const FrameId frame = ledger_.id(StreamId{i}, k);
            if (record.deadline <= now_)
                expired.push_back(frame);
            else if (record.attempts > 0 && now_ - record.admitted_at > config_.frame_timeout)
                timed_out.push_back(frame);
            else if (record.attempts > 0 && now_ - record.attempt_at > config_.frame_timeout / config_.attempts_max)
                overdue.push_back(frame);
            // The last attempt is not cut short on a suspicion.
            else if (record.suspect_at <= now_ && record.attempts < config_.attempts_max)
                overdue.push_back(frame);
        }
    for (const auto& frame : expired) settle(frame, FrameState::dropped, "deadline");
    // Under `ddi` a frame that cannot be computed here may wait for a worker all its life.
    const bool waits = policy_->uses_workers() && !runs_all();
    for (const auto& frame : timed_out)
        settle(frame, FrameState::failed, waits && given_.count(frame) == 0 ? "no_memory_for_layers" : "timeout");
    if (overdue.empty()) return;
    // A frame that still waits here is late but not lost; one that went away and is not heard of is tried again.
    const auto here = frames_here();
    for (const auto& frame : overdue) {
        if (flows_.has(frame))
            flows_.overdue(frame);  // which has all frames of its plan tried again
        else if (here.count(frame) == 0)
            retry(frame, "no result in time");
    }
}

void NodeCore::update_stop() {
    if (!stopping_ || idle_told_) return;
    const bool late = now_ >= stop_deadline_;
    if (late) {
        for (uint16_t i = 0; i < streams_.size(); ++i)
            while (!ledger_.open(StreamId{i}).empty())
                settle(ledger_.id(StreamId{i}, ledger_.open(StreamId{i}).begin()->first), FrameState::failed,
                       "stopped");
    }
    if (ledger_.open_frames() > 0) return;
    bool busy = !lanes_.empty() || flows_.rows().jobs() > 0 || queues_.frames() > 0;
    for (const auto& [peer, link] : links_) busy |= !link.unacknowledged().empty();
    if (!left_) {
        if (busy && !late) return;  // only a member's frames are taken by the successor
        left_ = true;
        flows_.stop();
        ring_.leave("it was stopped", now_, *sink_);
    }
    for (const auto& [frame, result] : unacknowledged_results_) busy |= links_.count(frame.source.node) != 0;
    if (busy && !late) return;
    idle_told_ = true;
    sink_->idle();
}

}  // namespace eddy::node
