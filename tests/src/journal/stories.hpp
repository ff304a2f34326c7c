// Journals for tests: entries as a source writes them, and the sums that must come out, counted apart from Books.
#pragma once

#include <map>
#include <ostream>
#include <vector>

#include <rapidcheck.h>

#include "src/journal/books.hpp"
#include "src/journal/codec.hpp"

namespace eddy::journal {

inline const Counts front{StreamId{0}, "front", 0, {}};
inline const Counts back{StreamId{1}, "back", 0, {}};

inline std::string bytes_of(const std::vector<Entry>& entries) {
    std::string bytes(file_header);
    for (const auto& entry : entries) encode(entry, bytes);
    return bytes;
}

struct ReadBack {
    Books books;
    std::vector<Entry> entries;
    Read read;
    uint64_t contradictions = 0;
};

inline ReadBack recovered(const std::string& bytes) {
    ReadBack made;
    made.read = read(bytes, [&](const Entry& entry) {
        made.entries.push_back(entry);
        made.contradictions += made.books.apply(entry) ? 0 : 1;
    });
    return made;
}

/// The books' sums as one value, so that two can be compared.
inline std::vector<std::tuple<std::string, uint64_t, Totals, std::vector<Unfinished>>> sums(const Books& books) {
    std::vector<std::tuple<std::string, uint64_t, Totals, std::vector<Unfinished>>> all;
    for (const auto& stream : books.streams()) {
        std::vector<Unfinished> open;
        for (const auto& [k, frame] : stream.open) open.push_back(frame);
        all.emplace_back(stream.name, stream.below, stream.settled, open);
    }
    return all;
}

/// What every journal's books obey, whatever was read.
inline bool sound(const Books& books) {
    for (const auto& stream : books.streams()) {
        const Totals& t = stream.settled;
        if (t.captured != t.completed + t.failed + t.dropped || t.admitted > t.captured) return false;
        if (stream.open.size() > open_frames_max) return false;
        for (const auto& [k, frame] : stream.open)
            if (k >= stream.below || k != frame.k) return false;
    }
    return books.streams().size() <= streams_max;
}

/// What two streams may go through: captured, missed, admitted, settled in any order that can happen, over some lives.
struct Story {
    std::vector<Entry> entries{front, back, Life{Incarnation{1}}};
    struct Model {
        uint64_t next = 0;
        Totals settled;
        std::map<uint64_t, Unfinished> open;
    };
    Model streams[2];
};

inline Story story_of(const std::vector<std::pair<int, int>>& choices) {
    Story story;
    uint64_t life = 1;
    for (const auto& [what, which] : choices) {
        const StreamId stream{static_cast<uint16_t>(which & 1)};
        Story::Model& model = story.streams[stream.value];
        const auto some = [&] {
            auto it = model.open.begin();
            std::advance(it, static_cast<std::ptrdiff_t>(static_cast<size_t>(which) % model.open.size()));
            return it;
        };
        if (what < 3) {
            story.entries.emplace_back(Captured{stream, model.next});
            model.open.emplace(model.next, Unfinished{model.next, Incarnation{life}, false});
            ++model.next;
        } else if (what == 3) {
            story.entries.emplace_back(Missed{stream, static_cast<uint64_t>(which)});
            model.next += static_cast<uint64_t>(which);
            model.settled.captured += static_cast<uint64_t>(which);
            model.settled.dropped += static_cast<uint64_t>(which);
        } else if (what == 4) {
            story.entries.emplace_back(Life{Incarnation{++life}});
        } else if (!model.open.empty() && what < 7) {
            const auto frame = some();
            if (frame->second.admitted) continue;
            frame->second.admitted = true;
            story.entries.emplace_back(Admitted{stream, frame->first});
        } else if (!model.open.empty()) {
            const auto frame = some();
            const auto state = static_cast<FrameState>(which % 3);
            story.entries.emplace_back(Settled{stream, frame->first, state});
            ++model.settled.captured;
            model.settled.admitted += frame->second.admitted ? 1 : 0;
            ++(which % 3 == 0   ? model.settled.completed
               : which % 3 == 1 ? model.settled.failed
                                : model.settled.dropped);
            model.open.erase(frame);
        }
    }
    return story;
}

inline rc::Gen<Story> any_story() {
    return rc::gen::map(rc::gen::container<std::vector<std::pair<int, int>>>(
                            rc::gen::pair(rc::gen::inRange(0, 10), rc::gen::inRange(0, 40))),
                        [](const std::vector<std::pair<int, int>>& choices) { return story_of(choices); });
}

}  // namespace eddy::journal
