// The journal of a simulated machine. Goal: a killed process loses nothing, a power cut only what was not synced and in
// order from the end, and whatever is left the next life can begin with.
#include "sim/journal_disk.hpp"

#include <set>

#include <doctest/doctest.h>
#include <rapidcheck.h>

using namespace eddy;
using namespace eddy::sim;

namespace {

constexpr StreamId stream{0};
const std::vector<std::string> names{"camera"};

journal::Entry captured(uint64_t k) { return journal::Captured{stream, k}; }
journal::Entry completed(uint64_t k) { return journal::Settled{stream, k, FrameState::completed}; }

/// A first life, with frames 0 to 2 captured.
struct Disk : JournalDisk {
    Disk() {
        REQUIRE(begin(names, Incarnation{1}));
        for (uint64_t k = 0; k < 3; ++k) REQUIRE(append(captured(k)));
    }
    [[nodiscard]] const journal::StreamBook& book() const { return books().streams().front(); }
};

}  // namespace

TEST_CASE("a journal that nobody has written to begins with nothing") {
    JournalDisk disk;
    REQUIRE(disk.begin({"one", "two"}, Incarnation{1}));
    REQUIRE(disk.books().streams().size() == 2);
    CHECK(disk.books().streams()[1].name == "two");
    CHECK(disk.books().streams()[1].next == 0);
    CHECK(disk.books().life() == Incarnation{1});
}

TEST_CASE("a process that is killed loses nothing, synced or not") {
    Disk disk;
    REQUIRE(disk.append(completed(1)));
    REQUIRE(disk.begin(names, Incarnation{2}));
    CHECK(disk.book().next == journal::numbers_block);
    CHECK(disk.book().settled.completed == 1);
    CHECK(disk.book().open.size() == 2);
    CHECK(disk.book().open.at(2).life == Incarnation{1});
}

TEST_CASE("a life that ends in order gives unused numbers back") {
    Disk disk;
    disk.end();
    REQUIRE(disk.begin(names, Incarnation{2}));
    CHECK(disk.book().next == 3);
}

TEST_CASE("an entry that contradicts those before it is told") {
    Disk disk;
    CHECK(!disk.append(captured(1)));
    CHECK(!disk.append(completed(9)));
}

TEST_CASE("a power cut loses nothing that was synced, and any number of later entries") {
    std::set<size_t> losses;
    bool zeros = false, clean = false;
    for (uint64_t seed = 1; seed <= 200; ++seed) {
        Random random(seed);
        Disk disk;
        disk.synced(disk.bytes());
        const size_t synced = disk.bytes();
        for (uint64_t k = 3; k < 8; ++k) REQUIRE(disk.append(captured(k)));
        const size_t was = disk.bytes();
        const auto lost = disk.cut_power(random);
        losses.insert(lost.size());
        for (size_t i = 0; i < lost.size(); ++i) CHECK(std::get<journal::Captured>(lost[i]).k == 8 - lost.size() + i);
        CHECK(disk.bytes() >= synced);
        zeros |= disk.bytes() == was && !lost.empty();
        clean |= disk.bytes() < was;
        REQUIRE(disk.begin(names, Incarnation{2}));
        CHECK(disk.book().open.size() == 8 - lost.size());
        CHECK(disk.book().next >= 8);
    }
    CHECK(losses == std::set<size_t>{0, 1, 2, 3, 4, 5});
    CHECK(zeros);
    CHECK(clean);
}

TEST_CASE("a file that was synced when a life began or ended loses nothing of what was before") {
    Random random(1);
    for (const bool ended : {false, true}) {
        Disk disk;
        if (ended)
            disk.end();
        else
            REQUIRE(disk.begin(names, Incarnation{2}));
        CHECK(disk.cut_power(random).empty());
        REQUIRE(disk.begin(names, Incarnation{3}));
        CHECK(disk.book().open.size() == 3);
    }
}

TEST_CASE("an earlier sync that ends late takes nothing back") {
    Random random(3);
    Disk disk;
    disk.synced(disk.bytes());
    disk.synced(1);
    CHECK(disk.cut_power(random).empty());
}

TEST_CASE("whatever power cuts take, books and losses together are what was written, and no number comes again") {
    CHECK(rc::check("captured and lost make up all", [](uint64_t seed) {
        Random random(seed);
        JournalDisk disk;
        uint64_t kept = 0, next = 0;
        for (uint64_t life = 1; life <= 5; ++life) {
            RC_ASSERT(disk.begin(names, Incarnation{life}));
            const auto& book = disk.books().streams().front();
            RC_ASSERT(book.open.size() + book.settled.captured == kept);
            RC_ASSERT(book.next >= next);
            next = book.next;
            for (uint64_t n = random.below(40); n > 0; --n) {
                RC_ASSERT(disk.append(captured(next)));
                if (random.chance(0.5)) RC_ASSERT(disk.append(completed(next)));
                if (random.chance(0.2)) disk.synced(disk.bytes());
                ++next, ++kept;
            }
            for (const auto& entry : disk.cut_power(random)) kept -= std::holds_alternative<journal::Captured>(entry);
        }
    }));
}
