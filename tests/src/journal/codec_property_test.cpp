// Goal: whatever happens to a journal's bytes, what is read is what stood before the damage, and the books hold.
#include <doctest/doctest.h>

#include "tests/src/journal/stories.hpp"

using namespace eddy;
using namespace eddy::journal;

namespace {

bool begins_with(const std::vector<Entry>& all, const std::vector<Entry>& first) {
    return first.size() <= all.size() && std::equal(first.begin(), first.end(), all.begin());
}

std::string any_bytes(size_t bytes_max) {
    return *rc::gen::resize(static_cast<int>(bytes_max), rc::gen::container<std::string>(rc::gen::arbitrary<char>()));
}

}  // namespace

TEST_CASE("what was written comes back, and adds up to what happened") {
    CHECK(rc::check("recovery of what was encoded is the model", [] {
        const Story story = *any_story();
        const auto made = recovered(bytes_of(story.entries));
        RC_ASSERT(made.entries == story.entries);
        RC_ASSERT(made.contradictions == 0U);
        for (size_t i = 0; i < 2; ++i) {
            const auto& book = made.books.streams().at(i);
            RC_ASSERT(book.settled == story.streams[i].settled);
            RC_ASSERT(book.open == story.streams[i].open);
            RC_ASSERT(book.next == story.streams[i].next);
        }
        RC_ASSERT(sound(made.books));
    }));
}

TEST_CASE("a journal that is cut or altered anywhere gives the entries before that place, and no others") {
    CHECK(rc::check("a cut", [] {
        const Story story = *any_story();
        const std::string bytes = bytes_of(story.entries);
        const auto length = *rc::gen::inRange<size_t>(0, bytes.size() + 1);
        const auto made = recovered(bytes.substr(0, length));
        RC_ASSERT(begins_with(story.entries, made.entries));
        RC_ASSERT(made.read.good_bytes <= length);
        RC_ASSERT(made.read.problem.empty() == (made.read.good_bytes == length && length > 0));
        RC_ASSERT(sound(made.books));
    }));
    CHECK(rc::check("one bit", [] {
        const Story story = *any_story();
        std::string bytes = bytes_of(story.entries);
        const auto at = *rc::gen::inRange<size_t>(0, bytes.size());
        bytes[at] = static_cast<char>(bytes[at] ^ 1 << *rc::gen::inRange(0, 8));
        const auto made = recovered(bytes);
        RC_ASSERT(begins_with(story.entries, made.entries));
        RC_ASSERT(made.entries.size() < story.entries.size());
        RC_ASSERT(made.read.good_bytes <= at);
        RC_ASSERT(!made.read.problem.empty());
    }));
    CHECK(rc::check("other bytes at the end", [] {
        const Story story = *any_story();
        const std::string bytes = bytes_of(story.entries);
        const auto made = recovered(bytes + any_bytes(100));
        RC_ASSERT(made.entries == story.entries);
        RC_ASSERT(made.read.good_bytes == bytes.size());
    }));
}

TEST_CASE("any bytes at all are read without harm") {
    CHECK(rc::check("bytes behind the header", [] {
        const auto made = recovered(std::string(file_header) + any_bytes(200));
        RC_ASSERT(sound(made.books));
    }));
}

TEST_CASE("entries in any order leave sound books, which a file can hold") {
    CHECK(rc::check("nonsense is not booked", [] {
        const auto numbers = rc::gen::oneOf(rc::gen::inRange<uint64_t>(0, 8),
                                            rc::gen::elementOf(std::vector<uint64_t>{numbers_max - 1, numbers_max}));
        const int count = *rc::gen::inRange(0, 60);
        Books books;
        for (int i = 0; i < count; ++i) {
            const StreamId stream{*rc::gen::inRange<uint16_t>(0, 3)};
            const uint64_t number = *numbers;
            switch (*rc::gen::inRange(0, 7)) {
                case 0: {
                    const Totals totals{number, *numbers, *numbers, *rc::gen::inRange<uint64_t>(0, 2), 0};
                    books.apply(Counts{stream, *rc::gen::elementOf(std::vector<std::string>{"a", "b", "c"}), *numbers,
                                       *rc::gen::arbitrary<bool>() ? totals : Totals{}});
                    break;
                }
                case 1: books.apply(Life{Incarnation{number}}); break;
                case 2: books.apply(Reserved{stream, number}); break;
                case 3: books.apply(Captured{stream, number}); break;
                case 4: books.apply(Missed{stream, number}); break;
                case 5: books.apply(Admitted{stream, number}); break;
                default: books.apply(Settled{stream, number, static_cast<FrameState>(number % 3)});
            }
            RC_ASSERT(sound(books));
        }
        const auto again = recovered(bytes_of(books.snapshot()));
        RC_ASSERT(again.read.problem.empty());
        RC_ASSERT(again.contradictions == 0U);
        RC_ASSERT(sums(again.books) == sums(books));
    }));
}
