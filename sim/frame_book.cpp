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

std::string in_words(const auto& counts, uint64_t open) {
    return std::to_string(counts.captured) + " captured, " + std::to_string(counts.completed) + " completed, " +
           std::to_string(counts.failed) + " failed, " + std::to_string(counts.dropped) + " dropped, " +
           std::to_string(open) + " open";
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
    retold += more.retold;
    lost += more.lost;
    duplicated += more.duplicated;
    add(failed_reasons, more.failed_reasons);
    add(dropped_reasons, more.dropped_reasons);
    return *this;
}

void FrameBook::started(size_t node, Incarnation life, size_t streams) {
    lives_[node] = {life, std::vector<Sums>(streams)};
    for (uint16_t s = 0; s < streams; ++s) {
        Source& source = sources_[{node, s}];
        source.begins = source.next;
    }
}

FrameBook::Wrong FrameBook::captured(size_t node, const FrameId& frame, Instant now) {
    ++totals_.captured;
    const uint16_t stream = frame.source.stream.value;
    Source& source = sources_.at({node, stream});
    ++lives_.at(node).streams.at(stream).captured;
    ++source.written.captured;
    source.next = std::max(source.next, frame.k + 1);
    if (!frames_.emplace(frame, Frame{node, now}).second)
        return Mistake{"KnownFrame", to_text(frame) + " was captured twice"};
    if (frame.k < source.begins)
        return Mistake{"NumbersRise", to_text(frame) + " has a number that an earlier life gave out"};
    return std::nullopt;
}

FrameBook::Wrong FrameBook::settled(size_t node, const FrameId& frame, const Outcome& outcome) {
    const bool missed = outcome.state == FrameState::dropped && outcome.reason == never_captured;
    if (missed && frames_.count(frame) == 0)
        if (auto wrong = captured(node, frame, Instant{})) return wrong;
    const auto it = frames_.find(frame);
    if (it == frames_.end()) return Mistake{"KnownFrame", to_text(frame) + " has an outcome and was never captured"};
    Frame& known_frame = it->second;
    const bool restarted = outcome.state == FrameState::failed && outcome.reason == reason_restarted;
    const bool owed = known_frame.node == node && owed_[node].erase(frame) > 0;
    const bool retold = owed && restarted && known_frame.state == State::settled;
    if (known_frame.state == State::settled && !retold) {
        ++totals_.duplicated;
        return Mistake{"DeliveredOnce", to_text(frame) + " has a second outcome"};
    }
    const bool recovered = known_frame.state == State::abandoned;
    known_frame.state = State::settled;
    Sums& sums = lives_.at(node).streams.at(frame.source.stream.value);
    Sums& written = sources_.at({node, frame.source.stream.value}).written;
    if (recovered || retold) ++sums.captured;  // this life's ledger books it as captured and failed
    if (recovered) --totals_.abandoned;
    switch (outcome.state) {
        case FrameState::completed: ++sums.completed, ++written.completed; break;
        case FrameState::failed: ++sums.failed, ++written.failed; break;
        case FrameState::dropped: ++sums.dropped, ++written.dropped; break;
    }
    if (retold)
        ++totals_.retold;
    else
        count(outcome);
    if (known_frame.node != node) return Mistake{"KnownFrame", to_text(frame) + " was settled by another node"};
    if ((recovered || retold) != restarted)
        return Mistake{"KnownReason", to_text(frame) + (recovered ? ", of an earlier life, is not told as restarted"
                                                                  : ", of this life, is told as restarted")};
    if (recovered && !owed) return Mistake{"KnownFrame", to_text(frame) + " is told, though no journal had it"};
    if (!known(outcome))
        return Mistake{"KnownReason", to_text(frame) + " has the unknown reason \"" + outcome.reason + "\""};
    return std::nullopt;
}

void FrameBook::count(const Outcome& outcome) {
    switch (outcome.state) {
        case FrameState::completed: ++totals_.completed; break;
        case FrameState::failed: ++totals_.failed, ++totals_.failed_reasons[outcome.reason]; break;
        case FrameState::dropped: ++totals_.dropped, ++totals_.dropped_reasons[outcome.reason]; break;
    }
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
        if (!said_idle) owed_[node].insert(frame);
    }
    return wrong;
}

void FrameBook::power_cut(size_t node, const NodeId& id, Incarnation life, std::span<const journal::Entry> lost) {
    for (const auto& entry : lost) {
        if (const auto* captured = std::get_if<journal::Captured>(&entry)) {
            const FrameId frame{{id, captured->stream}, life, captured->k};
            --sources_.at({node, captured->stream.value}).written.captured;
            frames_.at(frame).forgotten = true;
            owed_[node].erase(frame);
        } else if (const auto* missed = std::get_if<journal::Missed>(&entry)) {
            Sums& written = sources_.at({node, missed->stream.value}).written;
            written.captured -= missed->frames;
            written.dropped -= missed->frames;
        } else if (const auto* settled = std::get_if<journal::Settled>(&entry)) {
            Sums& written = sources_.at({node, settled->stream.value}).written;
            switch (settled->state) {
                case FrameState::completed: --written.completed; break;
                case FrameState::failed: --written.failed; break;
                case FrameState::dropped: --written.dropped; break;
            }
            const auto book = find_settled(id, *settled, life);
            if (book != frames_.end() && !book->second.forgotten) owed_[node].insert(book->first);
        }
    }
}

/// Of the life that was cut, or, what that life had told of an earlier one.
std::map<FrameId, FrameBook::Frame>::iterator FrameBook::find_settled(const NodeId& id, const journal::Settled& entry,
                                                                      Incarnation life) {
    for (uint64_t of = life.value; of > 0; --of)
        if (const auto it = frames_.find({{id, entry.stream}, Incarnation{of}, entry.k}); it != frames_.end())
            return it;
    return frames_.end();
}

FrameBook::Wrong FrameBook::compare(size_t node, const node::FrameLedger& ledger) const {
    const auto owed = owed_.find(node);
    if (owed != owed_.end() && !owed->second.empty())
        return Mistake{"NothingLost", to_text(*owed->second.begin()) +
                                          " was open when its source died, and the next life "
                                          "does not tell what became of it"};
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
        return Mistake{"SumsBalance", "stream " + std::to_string(s) + " says " + in_words(counts, open) +
                                          "; it was seen to have " + in_words(sums, sums.open())};
    }
    return std::nullopt;
}

FrameBook::Wrong FrameBook::compare(size_t node, const journal::Books& books) const {
    for (const auto& [key, source] : sources_) {
        if (key.first != node) continue;
        const Sums& sums = source.written;
        const bool there = key.second < books.streams().size();
        const journal::StreamBook none{};
        const auto& book = there ? books.streams()[key.second] : none;
        Sums told{book.settled.captured + book.open.size(), book.settled.completed, book.settled.failed,
                  book.settled.dropped};
        if (told == sums && told.open() == book.open.size()) continue;
        return Mistake{"SumsBalance", "the journal of stream " + std::to_string(key.second) + " says " +
                                          in_words(told, book.open.size()) + "; its lives had " +
                                          in_words(sums, sums.open())};
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
