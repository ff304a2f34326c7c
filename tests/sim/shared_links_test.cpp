// Who gets how much of a network that several use at once. Goal: what a link or a card is wide, no more and no less, by
// max-min fair shares, and ends at the instants that follow. Method: hand-made cases, then random ones against the
// definition of max-min fairness.
#include "sim/shared_links.hpp"

#include <algorithm>
#include <map>
#include <vector>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "eddy/random.hpp"

using namespace eddy;
using namespace eddy::sim;
using namespace std::chrono_literals;

namespace {

constexpr Instant start{};

/// Ends of all transmissions by tag, if nothing else begins.
std::map<uint32_t, Usec> ends_of(SharedLinks& links) {
    std::map<uint32_t, Usec> ends;
    while (!links.idle()) {
        const Instant now = links.next_end();
        ends[links.take_ended(now)] = now.time_since_epoch();
    }
    CHECK(links.next_end() == never);
    return ends;
}

}  // namespace

TEST_CASE("a transmission alone takes bytes over width, whichever way and pair that is set for") {
    SharedLinks links;
    links.set_width(1e6);
    links.set_width(0, 1, 2e6);
    links.begin(7, 0, 1, 1'000'000, start);
    links.begin(8, 1, 0, 1'000'000, start);
    links.begin(9, 2, 1, 1'000'000, start);
    CHECK(ends_of(links) == std::map<uint32_t, Usec>{{7, 500ms}, {8, 1000ms}, {9, 1000ms}});
}

TEST_CASE("all that a device sends shares its card, and so does all that it receives") {
    SharedLinks links;
    links.set_width(1e6);
    links.set_card(0, 1e6, 1e6);
    SUBCASE("out") {
        links.begin(1, 0, 1, 500'000, start);
        links.begin(2, 0, 2, 500'000, start);
    }
    SUBCASE("in") {
        links.begin(1, 1, 0, 500'000, start);
        links.begin(2, 2, 0, 500'000, start);
    }
    CHECK(ends_of(links) == std::map<uint32_t, Usec>{{1, 1000ms}, {2, 1000ms}});
}

TEST_CASE("in and out do not hinder each other") {
    SharedLinks links;
    links.set_width(1e6);
    links.set_card(0, 1e6, 1e6);
    links.begin(1, 0, 1, 500'000, start);
    links.begin(2, 1, 0, 500'000, start);
    CHECK(ends_of(links) == std::map<uint32_t, Usec>{{1, 500ms}, {2, 500ms}});
}

TEST_CASE("what a narrow link leaves of a card goes to the others") {
    SharedLinks links;
    links.set_width(1e6);
    links.set_width(0, 1, 2e5);
    links.set_card(0, 1e6, 1e6);
    links.begin(1, 0, 1, 200'000, start);
    links.begin(2, 0, 2, 800'000, start);
    CHECK(ends_of(links) == std::map<uint32_t, Usec>{{1, 1000ms}, {2, 1000ms}});
}

TEST_CASE("who comes later slows the first one down, and who ends or gives up leaves its share") {
    SharedLinks links;
    links.set_width(1e6);
    links.begin(1, 0, 1, 1'000'000, start);
    SUBCASE("it ends") {
        links.begin(2, 0, 1, 100'000, start + 500ms);
        CHECK(ends_of(links) == std::map<uint32_t, Usec>{{1, 1100ms}, {2, 700ms}});
    }
    SUBCASE("it gives up") {
        links.begin(2, 0, 1, 500'000, start + 500ms);
        links.cancel(2, start + 700ms);
        CHECK(ends_of(links) == std::map<uint32_t, Usec>{{1, 1100ms}});
    }
}

TEST_CASE("nothing limits what has neither width nor card") {
    SharedLinks links;
    links.set_width(SharedLinks::unlimited);
    links.begin(1, 0, 1, 1'000'000'000, start + 3ms);
    links.begin(2, 0, 1, 1'000'000'000, start + 3ms);
    CHECK(ends_of(links) == std::map<uint32_t, Usec>{{1, 3ms}, {2, 3ms}});
}

TEST_CASE("shares are max-min fair: whoever has less than another has a full link or card, where nobody has more") {
    CHECK(rc::check("at random", [](uint64_t seed) {
        Random random(seed);
        const auto n = static_cast<uint32_t>(2 + random.below(4));
        SharedLinks links;
        links.set_width(1e6);
        std::map<std::pair<uint32_t, uint32_t>, double> width;
        std::vector<double> out(n, SharedLinks::unlimited);
        std::vector<double> in(n, SharedLinks::unlimited);
        for (uint32_t a = 0; a < n; ++a) {
            for (uint32_t b = 0; b < n; ++b)
                if (a != b) links.set_width(a, b, width[{a, b}] = random.uniform(1e5, 1e7));
            if (random.chance(0.3)) continue;
            links.set_card(a, out[a] = random.uniform(1e5, 1e7), in[a] = random.uniform(1e5, 1e7));
        }
        struct Sent {
            uint32_t from, to;
            double rate;
        };
        // The same bytes each would take the same time at the same rate; a rate shows in when one ends that is so
        // small that nothing changes before.
        std::vector<Sent> sent;
        const size_t count = 1 + random.below(12);
        for (size_t i = 0; i < count; ++i) {
            const auto from = static_cast<uint32_t>(random.below(n));
            sent.push_back({from, static_cast<uint32_t>((from + 1 + random.below(n - 1)) % n), 0});
        }
        for (size_t probe = 0; probe < count; ++probe) {
            SharedLinks copy = links;
            constexpr uint64_t small = 100'000;
            for (size_t i = 0; i < count; ++i)
                copy.begin(static_cast<uint32_t>(i), sent[i].from, sent[i].to, i == probe ? small : small * 1'000'000,
                           start);
            sent[probe].rate = small / to_seconds(copy.next_end() - start);
            RC_ASSERT(copy.take_ended(copy.next_end()) == probe);
        }
        constexpr double rounding = 1e-3;
        const auto full_for = [&](const Sent& one, double capacity, auto uses) {
            double used = 0;
            double most = 0;
            for (const Sent& other : sent)
                if (uses(other)) {
                    used += other.rate;
                    most = std::max(most, other.rate);
                }
            RC_ASSERT(used <= capacity * (1 + rounding));
            return used >= capacity * (1 - rounding) && one.rate >= most * (1 - rounding);
        };
        for (const Sent& one : sent) {
            const bool pair = full_for(one, width[{one.from, one.to}],
                                       [&](const Sent& other) { return other.from == one.from && other.to == one.to; });
            const bool card_out =
                full_for(one, out[one.from], [&](const Sent& other) { return other.from == one.from; });
            const bool card_in = full_for(one, in[one.to], [&](const Sent& other) { return other.to == one.to; });
            RC_ASSERT(pair || card_out || card_in);
        }
    }));
}

TEST_CASE("however many share a link, it is done when it would be with one after the other") {
    CHECK(rc::check("at random", [](uint64_t seed) {
        Random random(seed);
        SharedLinks links;
        links.set_width(1e6);
        Instant last_end = start;
        const auto take_until = [&](Instant until) {
            while (links.next_end() <= until) {
                last_end = links.next_end();
                (void)links.take_ended(last_end);
            }
        };
        Instant now = start;
        Instant busy_until = start;
        const auto count = static_cast<uint32_t>(1 + random.below(30));
        for (uint32_t tag = 0; tag < count; ++tag) {
            now += Usec(static_cast<int64_t>(random.below(60'000)));
            take_until(now);
            const auto bytes = 1 + random.below(100'000);
            links.begin(tag, 0, 1, bytes, now);
            busy_until = std::max(busy_until, now) + Usec(static_cast<int64_t>(bytes));  // a byte a microsecond
        }
        take_until(never - 1us);
        RC_ASSERT(links.idle());
        const Usec late = last_end - busy_until;
        RC_ASSERT(late >= 0us);
        RC_ASSERT(late <= Usec(2 * count));
    }));
}
