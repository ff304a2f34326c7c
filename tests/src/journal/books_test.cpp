// Goal: entries add up to the sums and open frames that they tell of, over any number of lives.
#include "src/journal/books.hpp"

#include <doctest/doctest.h>

#include "tests/src/journal/stories.hpp"

using namespace eddy;
using namespace eddy::journal;

namespace {

const StreamId first{0};
const StreamId second{1};

Books books_of(const std::vector<Entry>& entries) {
    Books books;
    for (const auto& entry : entries) CHECK(books.apply(entry));
    return books;
}

/// Frame 7 admitted, 8 waiting, 6 done, two missed after 8.
Books a_life() {
    return books_of({front, back, Life{Incarnation{3}}, Reserved{first, 1024}, Captured{first, 6}, Admitted{first, 6},
                     Captured{first, 7}, Admitted{first, 7}, Settled{first, 6, FrameState::completed},
                     Captured{first, 8}, Missed{first, 2}, Captured{second, 0},
                     Settled{second, 0, FrameState::dropped}});
}

}  // namespace

TEST_CASE("what was captured is settled or open, and settled frames are counted by how they ended") {
    const Books books = a_life();
    const auto& stream = books.streams().at(0);
    CHECK(stream.settled == Totals{3, 1, 1, 0, 2});
    CHECK(stream.below == 1024);
    CHECK(stream.next == 11);
    REQUIRE(stream.open.size() == 2);
    CHECK(stream.open.at(7) == Unfinished{7, Incarnation{3}, true});
    CHECK(stream.open.at(8) == Unfinished{8, Incarnation{3}, false});
    CHECK(books.streams().at(1).settled == Totals{1, 0, 0, 0, 1});
    CHECK(books.life() == Incarnation{3});
}

TEST_CASE("an entry that contradicts those before it is not booked") {
    Books books = a_life();
    const auto before = sums(books);
    const std::vector<Entry> wrong{
        Counts{StreamId{2}, "front", 0, {}},              // that name has a stream
        Counts{StreamId{1}, "yard", 0, {}},               // that stream has a name
        Counts{StreamId{3}, "yard", 0, {}},               // not the next one
        Counts{StreamId{2}, "yard", 0, {3, 0, 1, 1, 0}},  // 3 is not 1 + 1 + 0
        Counts{StreamId{2}, "yard", 0, {2, 3, 1, 1, 0}},  // more admitted than captured
        Captured{first, 7},                               // it is open
        Captured{first, numbers_max},
        Captured{StreamId{2}, 0},
        Admitted{first, 7},  // it was
        Admitted{first, 6},  // it is settled
        Admitted{StreamId{2}, 7},
        Settled{first, 6, FrameState::failed},  // it is already
        Settled{first, 9, FrameState::failed},  // never captured
        Settled{StreamId{2}, 7, FrameState::failed},
        Missed{StreamId{2}, 1},
        Missed{first, numbers_max},  // more than sums can hold
        Reserved{StreamId{2}, 1},
    };
    for (const auto& entry : wrong) CHECK_FALSE(books.apply(entry));
    CHECK((sums(books) == before));
}

TEST_CASE("sums that no file could hold are not reached") {
    Books books = books_of({Counts{first, "front", 0, {numbers_max - 1, 0, numbers_max - 1, 0, 0}}});
    CHECK(books.apply(Captured{first, 0}));
    CHECK_FALSE(books.apply(Captured{first, 1}));
    CHECK_FALSE(books.apply(Missed{first, 1}));
    CHECK(books.apply(Settled{first, 0, FrameState::failed}));
    CHECK(books.streams().at(0).settled.captured == numbers_max);
}

TEST_CASE("reserved numbers never come down again") {
    Books books = a_life();
    CHECK(books.apply(Reserved{first, 5}));
    CHECK(books.streams().at(0).below == 1024);
    CHECK(books.apply(Captured{first, 2000}));
    CHECK(books.streams().at(0).below == 2001);  // its reservation is missing; it was given out all the same
    CHECK(books.apply(Missed{first, 9}));
    CHECK(books.streams().at(0).below == 2010);
}

TEST_CASE("the snapshot leads to the same books in fewer entries") {
    Books books = a_life();
    for (uint64_t k = 100; k < 400; ++k) {
        CHECK(books.apply(Captured{first, k}));
        CHECK(books.apply(Settled{first, k, FrameState::failed}));
    }
    CHECK(books.apply(Life{Incarnation{4}}));
    CHECK(books.apply(Captured{second, 9}));
    const auto entries = books.snapshot();
    CHECK(entries.size() == 2 + 4 + 2 + 1);  // streams; life 3 with its frames; life 4 with its; the life that goes on
    const Books again = books_of(entries);
    CHECK((sums(again) == sums(books)));
    CHECK(again.life() == Incarnation{4});
}

TEST_CASE("the next life finds its streams by name, whatever their order is now") {
    std::vector<std::string> forgotten;
    const Books next = a_life().next_life({"yard", "back", "front"}, Incarnation{4}, forgotten);
    REQUIRE(next.streams().size() == 3);
    CHECK(next.life() == Incarnation{4});
    CHECK(next.streams()[0].name == "yard");
    CHECK(next.streams()[0].below == 0);
    CHECK(next.streams()[1].settled == Totals{1, 0, 0, 0, 1});
    CHECK(next.streams()[2].open.size() == 2);
    CHECK(next.streams()[2].below == 1024);
    CHECK(next.streams()[2].next == 1024);
    CHECK(forgotten.empty());
}

TEST_CASE("a stream that is not configured any more is remembered, its open frames as failed") {
    std::vector<std::string> forgotten;
    Books next = a_life().next_life({"back"}, Incarnation{4}, forgotten);
    REQUIRE(next.streams().size() == 2);
    CHECK(next.streams()[1].name == "front");
    CHECK(next.streams()[1].open.empty());
    CHECK(next.streams()[1].settled == Totals{5, 2, 1, 2, 2});
    // Its name comes back: the numbers go on.
    next = next.next_life({"front"}, Incarnation{5}, forgotten);
    CHECK(next.streams()[0].name == "front");
    CHECK(next.streams()[0].below == 1024);
    CHECK(next.streams()[0].settled.captured == 5);
}

TEST_CASE("of more streams than a journal holds, those that were not configured for longest are forgotten, and named") {
    Books books;
    std::vector<std::string> forgotten;
    for (size_t i = 0; i <= streams_max; ++i)
        books = books.next_life({"camera" + std::to_string(i)}, Incarnation{i}, forgotten);
    CHECK(books.streams().size() == streams_max);
    CHECK(books.streams()[0].name == "camera" + std::to_string(streams_max));
    CHECK((forgotten == std::vector<std::string>{"camera0"}));
    CHECK_FALSE(books.apply(Counts{StreamId{streams_max}, "one more", 0, {}}));
}

TEST_CASE("open frames are bounded: beyond the bound the oldest has failed") {
    Books books = books_of({front});
    for (uint64_t k = 0; k <= open_frames_max; ++k) CHECK(books.apply(Captured{first, k}));
    const auto& stream = books.streams().at(0);
    CHECK(stream.open.size() == open_frames_max);
    CHECK(stream.open.begin()->first == 1);
    CHECK(stream.settled == Totals{1, 0, 0, 1, 0});
}

TEST_CASE("an orderly end gives back the numbers that were not used") {
    Books books = a_life();
    books.give_back_numbers();
    CHECK(books.streams().at(0).below == 11);
    CHECK(books.streams().at(1).below == 1);
}

TEST_CASE("numbers that may have been reserved by lost entries are skipped, and never run over") {
    Books books = a_life();
    books.skip_numbers(5000);
    CHECK(books.streams().at(0).below == 6024);
    CHECK(books.streams().at(1).below == 5001);
    books.skip_numbers(UINT64_MAX);
    books.skip_numbers(UINT64_MAX);
    CHECK(books.streams().at(0).below == numbers_max);
}

TEST_CASE("a life may give out a block of numbers that are reserved before its first entry") {
    Books found;
    for (const Entry& entry :
         std::vector<Entry>{Counts{StreamId{0}, "gate", 10, {}}, Counts{StreamId{1}, "yard", 7, {}}})
        REQUIRE(found.apply(entry));
    std::vector<std::string> forgotten;
    Books books = found.next_life({"gate"}, Incarnation{2}, forgotten);
    books.reserve_ahead(1);
    CHECK(books.streams().at(0).next == 10);
    CHECK(books.streams().at(0).below == 10 + numbers_block);
    CHECK(books.streams().at(1).below == 7);  // no stream of this life
    books.reserve_ahead(9);
    CHECK(books.streams().at(0).below == 10 + numbers_block);
    CHECK(books.streams().at(1).below == 7 + numbers_block);
    books.give_back_numbers();
    CHECK(books.streams().at(0).below == 10);
    books.skip_numbers(numbers_max);
    Books last = books.next_life({"gate"}, Incarnation{3}, forgotten);
    last.reserve_ahead(1);
    CHECK(last.streams().at(0).below == numbers_max);
}
