// Whom to call and when: why an entry is there decides how soon it is called again, and when it is given up.
#include "ring/dial_book.hpp"

#include <algorithm>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "tests/support/recording_sink.hpp"

using namespace eddy;
using namespace eddy::ring;
using namespace eddy::testing;

namespace {

using Why = DialBook::Why;
using std::chrono::seconds;

Endpoint host(int number) { return {"host", static_cast<uint16_t>(number)}; }

DialBook book_of(Why why, int entries = 1) {
    DialBook book({}, 7);
    for (int i = 1; i <= entries; ++i) book.add(host(i), why, at_ms(0));
    return book;
}

/// The next turn: when it comes, and who is due then.
std::vector<DialBook::Due> turn(DialBook& book, Instant& now, bool alone) {
    now = book.next();
    return book.take_due(now, alone);
}

/// A jittered delay is between half of it and all of it.
bool about(Usec delay, Usec expected) { return delay >= expected / 2 && delay <= expected; }

}  // namespace

TEST_CASE("an empty book never wakes anyone") {
    DialBook book({}, 1);
    CHECK(book.next() == never);
    CHECK(book.take_due(at_ms(1000), true).empty());
}

TEST_CASE("a lonely node calls its seed at once, then ever more slowly up to a bound, for ever") {
    auto book = book_of(Why::seed);
    CHECK(book.next() == at_ms(0));
    Instant now{};
    Usec every = from_ms(250);
    for (uint32_t tries = 1; tries <= 3 * DialBook::tries_max; ++tries) {
        const auto due = turn(book, now, true);
        REQUIRE(due.size() == 1);
        CHECK(due[0].endpoint == host(1));
        CHECK(due[0].why == Why::seed);
        CHECK(due[0].tries == tries);
        CHECK(about(book.next() - now, every));
        every = std::min(every * 2, from_ms(4000));
    }
}

TEST_CASE("nothing is due before its time") {
    auto book = book_of(Why::seed);
    (void)book.take_due(at_ms(0), true);
    const Instant next = book.next();
    CHECK(book.take_due(next - Usec{1}, true).empty());
    CHECK(book.take_due(next, true).size() == 1);
}

TEST_CASE("people hear of an unreached seed after some tries, once a minute, and only while the node is alone") {
    auto book = book_of(Why::seed);
    std::vector<Instant> complaints;
    Instant now{};
    for (int i = 0; i < 4; ++i) CHECK(turn(book, now, false)[0].complain == false);
    while (now < Instant(seconds(250)))
        if (turn(book, now, true)[0].complain) complaints.push_back(now);
    CHECK(complaints.size() >= 2);
    for (size_t i = 1; i < complaints.size(); ++i) {
        CHECK(complaints[i] - complaints[i - 1] >= seconds(60));
        CHECK(complaints[i] - complaints[i - 1] <= seconds(64));
    }
    auto fresh = book_of(Why::seed);
    for (uint32_t tries = 1; tries <= 4; ++tries) CHECK(turn(fresh, now, true)[0].complain == (tries == 4));
}

TEST_CASE("nobody complains about those who are no seeds") {
    auto book = book_of(Why::lost);
    Instant now{};
    for (int i = 0; i < 100; ++i) CHECK_FALSE(turn(book, now, true)[0].complain);
}

TEST_CASE("a seed lost from the ring is called soon, though it was to be verified much later") {
    for (const Why why : {Why::lost, Why::missed}) {
        auto book = book_of(Why::seed);
        Instant now{};
        for (int i = 0; i < 9; ++i) (void)turn(book, now, true);
        for (int i = 0; i < 9; ++i) book.on_reached(host(1), false, now);
        CHECK(about(book.next() - now, seconds(30)));
        book.add(host(1), why, now);
        CHECK(book.seeds() == 1);
        CHECK(book.next() - now == from_ms(250));
        CHECK(turn(book, now, false)[0].why == Why::seed);
        CHECK(about(book.next() - now, from_ms(250)));  // afresh, since it was reached
        for (int i = 0; i < 9; ++i) (void)turn(book, now, false);
        CHECK(book.next() - now <= from_ms(4000));
    }
}

TEST_CASE("of those who said goodbye only a seed is called again, and after a while") {
    for (const auto why : {Why::member, Why::missed, Why::lost}) {
        auto book = book_of(why);
        book.on_left(host(2), at_ms(0));
        CHECK(book.size() == 1);
        book.on_left(host(1), at_ms(0));
        CHECK(book.size() == 0);
    }
    auto book = book_of(Why::seed);
    book.on_left(host(1), at_ms(0));
    CHECK(book.next() == at_ms(0));  // not later than it would be anyway
    for (int i = 0; i < 9; ++i) book.on_reached(host(1), false, at_ms(0));
    book.on_left(host(1), at_ms(0));
    CHECK(about(book.next() - at_ms(0), from_ms(4000)));
}

TEST_CASE("a seed that answers is verified ever more seldom, one of all seeds in that time") {
    for (const int seeds : {1, 4}) {
        auto book = book_of(Why::seed, seeds);
        CHECK(book.seeds() == static_cast<size_t>(seeds));
        Instant now{};
        for (int i = 2; i <= seeds; ++i) book.on_reached(host(i), false, Instant(seconds(100'000)));  // out of the way
        for (const int verify : {2, 4, 8, 16, 30, 30}) {
            const auto due = turn(book, now, false);
            REQUIRE(due.size() == 1);
            CHECK(due[0].tries == 1);  // counted anew after each answer
            book.on_reached(host(1), false, now);
            CHECK(about(book.next() - now, seconds(verify * seeds)));
        }
    }
}

TEST_CASE("a node left alone calls all its seeds soon, and afresh; nobody else, and none later than anyway") {
    auto book = book_of(Why::seed, 3);
    for (int i = 1; i <= 3; ++i)
        for (int again = 0; again < 5; ++again) book.on_reached(host(i), false, at_ms(0));
    CHECK(book.next() > at_ms(4000));
    book.hurry_seeds(at_ms(1000));
    CHECK(book.next() > at_ms(1000));
    Instant now = at_ms(1250);
    CHECK(book.take_due(now, true).size() == 3);
    for (int i = 1; i <= 3; ++i) book.on_reached(host(i), false, now);
    CHECK(book.next() - now <= seconds(2 * 3));  // verifying begins anew as well

    for (const Why why : {Why::seed, Why::lost}) {
        auto tired = book_of(why);
        for (int i = 0; i < 10; ++i) (void)turn(tired, now, true);
        tired.hurry_seeds(now);
        CHECK((tired.next() - now <= from_ms(250)) == (why == Why::seed));
        const Instant next = tired.next();
        tired.hurry_seeds(now + seconds(60));
        CHECK(tired.next() == next);
    }
}

TEST_CASE("members are called at once, those just lost a little later") {
    CHECK(book_of(Why::member).next() == at_ms(0));
    for (const Why why : {Why::lost, Why::missed}) CHECK(about(book_of(why).next() - at_ms(0), from_ms(250)));
}

TEST_CASE("members and those only missed are given up after some tries, lost neighbours and seeds never") {
    for (const auto& [why, given_up] :
         {std::pair{Why::member, true}, {Why::missed, true}, {Why::lost, false}, {Why::seed, false}}) {
        auto book = book_of(why);
        Instant now{};
        for (uint32_t i = 0; i < DialBook::tries_max; ++i) CHECK(turn(book, now, true).size() == 1);
        (void)book.take_due(now, true);
        CHECK(book.contains(host(1)));  // it may still answer the last call
        CHECK(turn(book, now, true).empty() == given_up);
        CHECK(book.contains(host(1)) == !given_up);
    }
}

TEST_CASE("of two reasons to call someone the stronger counts") {
    for (const Why stronger : {Why::lost, Why::missed})
        for (const bool first : {true, false}) {
            DialBook book({}, 7);
            book.add(host(1), first ? stronger : Why::member, at_ms(0));
            book.add(host(1), first ? Why::member : stronger, at_ms(0));
            CHECK(book.size() == 1);
            CHECK(book.take_due(at_ms(5000), false)[0].why == stronger);
        }
}

TEST_CASE("whoever is added again is called soon again") {
    auto book = book_of(Why::lost);
    Instant now{};
    for (int i = 0; i < 8; ++i) (void)turn(book, now, false);
    CHECK(about(book.next() - now, from_ms(4000)));
    book.add(host(1), Why::lost, now);
    CHECK(book.next() - now == from_ms(250));
    book.add(host(1), Why::lost, now + from_ms(100));
    CHECK(book.next() - now == from_ms(250));  // and never later because of it
}

TEST_CASE("a seed named twice is one seed, and not called sooner for it") {
    auto book = book_of(Why::seed);
    book.on_reached(host(1), false, at_ms(0));
    const Instant next = book.next();
    book.add(host(1), Why::seed, at_ms(0));
    CHECK(book.seeds() == 1);
    CHECK(book.next() == next);
}

TEST_CASE("who leaves the view is forgotten if that was the only reason to call it") {
    for (const auto why : {Why::member, Why::missed, Why::lost, Why::seed}) {
        auto book = book_of(why);
        book.forget_member(host(1));
        CHECK(book.contains(host(1)) == (why != Why::member));
    }
}

TEST_CASE("a member that is reached need not be called any more, others are a few times more, a seed for ever") {
    for (const auto why : {Why::member, Why::missed, Why::lost, Why::seed}) {
        auto book = book_of(why);
        book.on_reached(host(2), false, at_ms(0));
        CHECK(book.size() == 1);
        for (uint32_t i = 1; i <= 2 * DialBook::reached_max; ++i) {
            book.on_reached(host(1), false, at_ms(0));
            const bool kept = why == Why::seed || (why != Why::member && i < DialBook::reached_max);
            CHECK(book.contains(host(1)) == kept);
        }
    }
}

TEST_CASE("whoever is in the view need not be called any more, unless it is a seed") {
    for (const auto why : {Why::member, Why::missed, Why::lost, Why::seed}) {
        auto book = book_of(why);
        book.on_joined(host(2));
        CHECK(book.size() == 1);
        book.on_joined(host(1));
        CHECK(book.contains(host(1)) == (why == Why::seed));
    }
}

TEST_CASE("whoever breaks off is called soon if the connection stood long, after the back-off if it did not") {
    for (const bool stood_long : {false, true}) {
        auto book = book_of(Why::seed);
        Instant now{};
        for (int i = 0; i < 9; ++i) {
            (void)turn(book, now, true);
            book.on_reached(host(1), false, now);  // it answers each time, and turns this node away
        }
        book.on_broke(host(2), true, now);
        CHECK(book.next() - now > from_ms(4000));
        book.on_broke(host(1), stood_long, now);
        CHECK(about(book.next() - now, stood_long ? from_ms(250) : from_ms(4000)));
    }
}

TEST_CASE("a seed is verified every few seconds for as long as this node is alone") {
    auto book = book_of(Why::seed);
    for (int i = 0; i < 9; ++i) book.on_reached(host(1), true, at_ms(0));
    CHECK(about(book.next() - at_ms(0), from_ms(4000)));
    book.on_reached(host(1), false, at_ms(0));
    CHECK(about(book.next() - at_ms(0), from_ms(30'000)));
}

TEST_CASE("a call that failed is repeated after the back-off") {
    auto book = book_of(Why::seed);
    for (int i = 0; i < 9; ++i) book.on_reached(host(1), false, at_ms(0));
    book.on_failed(host(2), at_ms(0));
    CHECK(book.next() >= at_ms(15'000));
    book.on_failed(host(1), at_ms(0));
    CHECK(about(book.next() - at_ms(0), from_ms(250)));
    const Instant next = book.next();
    book.on_failed(host(1), at_ms(3000));
    CHECK(book.next() == next);
}

TEST_CASE("a full book lets the weakest reason go, of equals the oldest, and never a seed") {
    const auto full = static_cast<int>(DialBook::entries_max);
    DialBook book({}, 7);
    for (int seed = 1; seed <= 3; ++seed) book.add(host(seed), Why::seed, at_ms(0));
    for (int i = 0; i < full; ++i) {
        const Why why = i == 50 || i == 60 ? Why::member : i == 70 ? Why::missed : Why::lost;
        book.add(host(100 + i), why, at_ms(i == 60 ? 1 : 10 + i));
    }
    CHECK(book.size() == DialBook::entries_max + 3);
    int added = 1000;
    for (const int victim : {160, 150, 170, 100, 101}) {
        CHECK(book.contains(host(victim)));
        book.add(host(added++), Why::lost, at_ms(5000));
        CHECK_FALSE(book.contains(host(victim)));
        CHECK(book.size() == DialBook::entries_max + 3);
    }
    book.add(host(4), Why::seed, at_ms(5000));
    CHECK(book.size() == DialBook::entries_max + 4);
    for (int seed = 1; seed <= 4; ++seed) CHECK(book.contains(host(seed)));
}

TEST_CASE("nodes with different seeds of chance do not dial in step, equal ones do") {
    const auto second_call = [](uint64_t chance) {
        DialBook book({}, chance);
        book.add(host(1), Why::seed, at_ms(0));
        (void)book.take_due(at_ms(0), true);
        return book.next();
    };
    CHECK(second_call(1) == second_call(1));
    CHECK(second_call(1) != second_call(2));
}

TEST_CASE("a book stays bounded, keeps its seeds and moves every turn it takes, whatever happens") {
    CHECK(rc::check("any calls in any order", [](const std::vector<std::tuple<uint8_t, uint8_t, uint8_t>>& steps) {
        DialBook book({}, 3);
        Instant now{};
        for (int seed = 0; seed < 2; ++seed) book.add(host(seed), Why::seed, now);
        for (const auto& [kind, number, gap] : steps) {
            now += from_ms(gap * 10);
            const Endpoint whom = host(number);
            switch (kind % 8) {
                case 0: book.on_failed(whom, now); break;
                case 1: book.on_reached(whom, false, now); break;
                case 2: book.on_left(whom, now); break;
                case 3: book.forget_member(whom); break;
                case 4: book.hurry_seeds(now); break;
                case 5: (void)book.take_due(now, gap % 2 == 0); break;
                default: book.add(whom, Why(1 + number % 3), now); break;
            }
            RC_ASSERT(book.size() <= book.seeds() + DialBook::entries_max);
            RC_ASSERT(book.seeds() == 2U);
            RC_ASSERT(book.contains(host(0)));
            RC_ASSERT(book.contains(host(1)));
        }
        (void)book.take_due(now, true);
        RC_ASSERT(book.next() > now);
    }));
}
