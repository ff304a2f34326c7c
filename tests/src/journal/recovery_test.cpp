// A journal's bytes, whole and damaged. Goal: what is readable counts, numbers that the rest may have reserved are
// never given out again, and the short file says the same.
#include "src/journal/recovery.hpp"

#include <doctest/doctest.h>

#include "src/journal/codec.hpp"

using namespace eddy;
using namespace eddy::journal;

namespace {
std::string file_of(const std::vector<Entry>& entries) {
    std::string bytes(file_header);
    for (const auto& entry : entries) encode(entry, bytes);
    return bytes;
}
const std::vector<Entry> story{Counts{StreamId{0}, "gate", 10, {}}, Life{Incarnation{4}}, Captured{StreamId{0}, 10},
                               Captured{StreamId{0}, 11}, Settled{StreamId{0}, 10, FrameState::dropped}};
}  // namespace

TEST_CASE("a whole file is added up, and its short file says the same") {
    const auto found = recover(file_of(story));
    CHECK(found.problem.empty());
    CHECK(found.cut_bytes == 0);
    CHECK(found.contradictions == 0);
    CHECK(!found.unreadable);
    REQUIRE(found.books.streams().size() == 1);
    CHECK(found.books.streams()[0].below == 12);
    CHECK(found.books.streams()[0].settled.dropped == 1);
    CHECK(found.books.streams()[0].open.size() == 1);
    const auto again = recover(short_file(found.books));
    CHECK(again.cut_bytes == 0);
    CHECK(short_file(again.books) == short_file(found.books));
    CHECK(again.books.streams()[0].settled == found.books.streams()[0].settled);
    CHECK(again.books.life() == Incarnation{4});
}

TEST_CASE("a torn end is cut off, and numbers it may have reserved are skipped") {
    const std::string bytes = file_of(story);
    const auto found = recover(std::string_view(bytes).substr(0, bytes.size() - 1));
    CHECK(!found.unreadable);
    CHECK(found.cut_bytes > 0);
    CHECK(!found.problem.empty());
    CHECK(found.books.streams()[0].open.size() == 2);
    CHECK(found.books.streams()[0].below >= 12 + numbers_block);
}

TEST_CASE("what is no journal is not read, and entries that contradict others are counted") {
    const auto strange = recover("EDDYJNL9 of another version");
    CHECK(strange.unreadable);
    CHECK(strange.books.streams().empty());
    CHECK(!strange.problem.empty());
    CHECK(!recover(std::string(file_header)).unreadable);
    auto twice = story;
    twice.push_back(Captured{StreamId{0}, 11});
    CHECK(recover(file_of(twice)).contradictions == 1);
}
