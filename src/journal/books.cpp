#include "src/journal/books.hpp"

#include <algorithm>
#include <set>

namespace eddy::journal {

namespace {

void settle(StreamBook& stream, std::map<uint64_t, Unfinished>::iterator frame, FrameState state) {
    Totals& sums = stream.settled;
    ++sums.captured;
    if (frame->second.admitted) ++sums.admitted;
    switch (state) {
        case FrameState::completed: ++sums.completed; break;
        case FrameState::failed: ++sums.failed; break;
        case FrameState::dropped: ++sums.dropped; break;
    }
    stream.open.erase(frame);
}

/// Sums that no file can hold are those of a file that nobody wrote.
bool has_room(const StreamBook& stream, uint64_t frames) {
    return frames <= numbers_max && stream.settled.captured + stream.open.size() <= numbers_max - frames;
}

}  // namespace

bool Books::apply(const Entry& entry) {
    return std::visit([this](const auto& e) { return book(e); }, entry);
}

StreamBook* Books::find(StreamId stream) { return stream.value < streams_.size() ? &streams_[stream.value] : nullptr; }

bool Books::book(const Counts& e) {
    const Totals& sums = e.settled;
    if (sums.captured != sums.completed + sums.failed + sums.dropped || sums.admitted > sums.captured) return false;
    const auto same = [&](const StreamBook& stream) { return stream.name == e.name; };
    if (e.stream.value != streams_.size() || streams_.size() >= streams_max ||
        std::any_of(streams_.begin(), streams_.end(), same))
        return false;
    streams_.push_back({e.name, e.below, e.below, e.settled, {}});
    return true;
}

bool Books::book(const Life& e) {
    life_ = e.incarnation;
    return true;
}

bool Books::book(const Reserved& e) {
    StreamBook* stream = find(e.stream);
    if (stream == nullptr) return false;
    stream->below = std::max(stream->below, e.below);
    return true;
}

bool Books::book(const Captured& e) {
    StreamBook* stream = find(e.stream);
    if (stream == nullptr || e.k >= numbers_max || !has_room(*stream, 1)) return false;
    if (!stream->open.emplace(e.k, Unfinished{e.k, life_, false}).second) return false;
    stream->next = std::max(stream->next, e.k + 1);
    stream->below = std::max(stream->below, e.k + 1);
    if (stream->open.size() > open_frames_max) settle(*stream, stream->open.begin(), FrameState::failed);
    return true;
}

bool Books::book(const Missed& e) {
    StreamBook* stream = find(e.stream);
    if (stream == nullptr || !has_room(*stream, e.frames)) return false;
    stream->settled.captured += e.frames;
    stream->settled.dropped += e.frames;
    stream->next = std::min(stream->next + e.frames, numbers_max);
    stream->below = std::max(stream->below, stream->next);
    return true;
}

bool Books::book(const Admitted& e) {
    StreamBook* stream = find(e.stream);
    if (stream == nullptr) return false;
    const auto frame = stream->open.find(e.k);
    if (frame == stream->open.end() || frame->second.admitted) return false;
    frame->second.admitted = true;
    return true;
}

bool Books::book(const Settled& e) {
    StreamBook* stream = find(e.stream);
    if (stream == nullptr) return false;
    const auto frame = stream->open.find(e.k);
    if (frame == stream->open.end()) return false;
    settle(*stream, frame, e.state);
    return true;
}

std::vector<Entry> Books::snapshot() const {
    std::vector<Entry> entries;
    std::set<Incarnation> lives;
    for (uint16_t i = 0; i < streams_.size(); ++i) {
        const StreamBook& stream = streams_[i];
        entries.emplace_back(Counts{StreamId{i}, stream.name, stream.below, stream.settled});
        for (const auto& [k, frame] : stream.open) lives.insert(frame.life);
    }
    for (const Incarnation life : lives) {
        entries.emplace_back(Life{life});
        for (uint16_t i = 0; i < streams_.size(); ++i)
            for (const auto& [k, frame] : streams_[i].open) {
                if (frame.life != life) continue;
                entries.emplace_back(Captured{StreamId{i}, k});
                if (frame.admitted) entries.emplace_back(Admitted{StreamId{i}, k});
            }
    }
    entries.emplace_back(Life{life_});
    return entries;
}

Books Books::next_life(const std::vector<std::string>& names, Incarnation life,
                       std::vector<std::string>& forgotten) const {
    Books next;
    next.life_ = life;
    for (const auto& name : names) {
        const auto known = std::find_if(streams_.begin(), streams_.end(),
                                        [&](const StreamBook& stream) { return stream.name == name; });
        next.streams_.push_back(known == streams_.end() ? StreamBook{name, 0, 0, {}, {}} : *known);
        next.streams_.back().next = next.streams_.back().below;
    }
    for (const auto& stream : streams_) {
        if (std::find(names.begin(), names.end(), stream.name) != names.end()) continue;
        if (next.streams_.size() >= streams_max) {
            forgotten.push_back(stream.name);
            continue;
        }
        next.streams_.push_back(stream);
        StreamBook& retired = next.streams_.back();
        while (!retired.open.empty()) settle(retired, retired.open.begin(), FrameState::failed);
    }
    return next;
}

void Books::reserve_ahead(size_t streams) {
    for (size_t i = 0; i < std::min(streams, streams_.size()); ++i)
        streams_[i].below = std::min(numbers_max, std::max(streams_[i].below, streams_[i].next + numbers_block));
}

void Books::give_back_numbers() {
    for (auto& stream : streams_) stream.below = std::min(stream.below, stream.next);
}

void Books::skip_numbers(uint64_t count) {
    for (auto& stream : streams_) stream.below = std::min(numbers_max, stream.below + std::min(count, numbers_max));
}

}  // namespace eddy::journal
