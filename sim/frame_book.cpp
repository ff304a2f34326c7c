#include "sim/frame_book.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace eddy::sim {

namespace {

constexpr std::array<std::string_view, 7> failures{
    "attempts_exhausted", "compute_failed", "no_model_at_last_node", "refused", "stopped", "timeout", reason_restarted};
constexpr std::array<std::string_view, 4> drops{"capture_queue_full", "deadline", "reservoir_full", "stopping"};
/// Such a frame never got as far as the core.
constexpr std::string_view never_captured = "capture_queue_full";

bool known(const Outcome& outcome) {
    const auto among = [&](const auto& reasons) {
        return std::find(reasons.begin(), reasons.end(), outcome.reason) != reasons.end();
    };
    switch (outcome.state) {
        case FrameState::completed: return outcome.reason.empty();
        case FrameState::failed: return among(failures);
        case FrameState::dropped: return among(drops);
    }
    return false;
}

void add(std::map<std::string, uint64_t>& to, const std::map<std::string, uint64_t>& more) {
    for (const auto& [reason, count] : more) to[reason] += count;
}

}  // namespace

std::string to_text(const FrameId& frame) {
    return "source " + short_name(frame.source.node) + "/" + std::to_string(frame.source.stream.value) + ", life " +
           std::to_string(frame.incarnation.value) + ", frame " + std::to_string(frame.k);
}

FrameTotals& FrameTotals::operator+=(const FrameTotals& more) {
    captured += more.captured;
    completed += more.completed;
    failed += more.failed;
    dropped += more.dropped;
    abandoned += more.abandoned;
    lost += more.lost;
    duplicated += more.duplicated;
    add(failed_reasons, more.failed_reasons);
    add(dropped_reasons, more.dropped_reasons);
    return *this;
}

void FrameBook::started(size_t node, Incarnation life, size_t streams) {
    lives_[node] = {life, std::vector<Sums>(streams)};
}

FrameBook::Wrong FrameBook::captured(size_t node, const FrameId& frame, Instant now) {
    ++totals_.captured;
    ++lives_.at(node).streams.at(frame.source.stream.value).captured;
    if (!frames_.emplace(frame, Frame{node, now}).second)
        return Mistake{"KnownFrame", to_text(frame) + " was captured twice"};
    return std::nullopt;
}

FrameBook::Wrong FrameBook::settled(size_t node, const FrameId& frame, const Outcome& outcome) {
    const bool missed = outcome.state == FrameState::dropped && outcome.reason == never_captured;
    if (missed && frames_.count(frame) == 0)
        if (auto wrong = captured(node, frame, Instant{})) return wrong;
    const auto it = frames_.find(frame);
    if (it == frames_.end()) return Mistake{"KnownFrame", to_text(frame) + " has an outcome and was never captured"};
    Frame& known_frame = it->second;
    if (known_frame.state == State::settled) {
        ++totals_.duplicated;
        return Mistake{"DeliveredOnce", to_text(frame) + " has a second outcome"};
    }
    Life& life = lives_.at(node);
    const bool recovered = known_frame.state == State::abandoned;
    const bool restarted = outcome.state == FrameState::failed && outcome.reason == reason_restarted;
    if (recovered) --totals_.abandoned;
    known_frame.state = State::settled;
    Sums none;
    Sums& sums = recovered ? none : life.streams.at(frame.source.stream.value);
    switch (outcome.state) {
        case FrameState::completed: ++totals_.completed, ++sums.completed; break;
        case FrameState::failed: ++totals_.failed, ++sums.failed, ++totals_.failed_reasons[outcome.reason]; break;
        case FrameState::dropped: ++totals_.dropped, ++sums.dropped, ++totals_.dropped_reasons[outcome.reason]; break;
    }
    if (known_frame.node != node) return Mistake{"KnownFrame", to_text(frame) + " was settled by another node"};
    if (recovered != restarted)
        return Mistake{"KnownReason", to_text(frame) + (recovered ? ", of an earlier life, is not told as restarted"
                                                                  : ", of this life, is told as restarted")};
    if (!known(outcome))
        return Mistake{"KnownReason", to_text(frame) + " has the unknown reason \"" + outcome.reason + "\""};
    return std::nullopt;
}

FrameBook::Wrong FrameBook::ended(size_t node, bool said_idle) {
    const auto life = lives_.find(node);
    if (life == lives_.end()) return std::nullopt;
    Wrong wrong;
    bool any_open = false;
    for (const Sums& sums : life->second.streams) any_open |= sums.open() > 0;
    lives_.erase(life);
    if (!any_open) return wrong;
    for (auto& [frame, book] : frames_) {
        if (book.node != node || book.state != State::open) continue;
        if (said_idle && !wrong) wrong = Mistake{"NothingLost", to_text(frame) + " is open, and its source has ended"};
        book.state = said_idle ? State::settled : State::abandoned;
        ++(said_idle ? totals_.lost : totals_.abandoned);
    }
    return wrong;
}

FrameBook::Wrong FrameBook::compare(size_t node, const node::FrameLedger& ledger) const {
    const Life& life = lives_.at(node);
    for (size_t s = 0; s < life.streams.size(); ++s) {
        const StreamId stream{static_cast<uint16_t>(s)};
        const Sums& sums = life.streams[s];
        const auto& counts = ledger.counts(stream);
        const size_t open = ledger.open(stream).size();
        if (counts.captured == counts.completed + counts.failed + counts.dropped + open &&
            counts.captured == sums.captured && counts.completed == sums.completed && counts.failed == sums.failed &&
            counts.dropped == sums.dropped)
            continue;
        const auto told = [](const auto& c, uint64_t left) {
            return std::to_string(c.captured) + " captured, " + std::to_string(c.completed) + " completed, " +
                   std::to_string(c.failed) + " failed, " + std::to_string(c.dropped) + " dropped, " +
                   std::to_string(left) + " open";
        };
        return Mistake{"SumsBalance", "stream " + std::to_string(s) + " says " + told(counts, open) +
                                          "; it was seen to have " + told(sums, sums.open())};
    }
    return std::nullopt;
}

FrameBook::Wrong FrameBook::close() {
    Wrong wrong;
    for (auto& [frame, book] : frames_) {
        if (book.state != State::open) continue;
        book.state = State::settled;
        ++totals_.lost;
        if (!wrong) wrong = Mistake{"NothingLost", to_text(frame) + " has no outcome at the end"};
    }
    return wrong;
}

std::optional<Instant> FrameBook::captured_at(const FrameId& frame) const {
    const auto it = frames_.find(frame);
    return it == frames_.end() ? std::nullopt : std::optional(it->second.captured);
}

}  // namespace eddy::sim
