// Goal: a source has plans made when there is reason to, takes those that are worth it, and sends frames by the way
// that is better for them, without going to and fro. Method: a small cluster, changed in one way at a time.
#include "src/node/edgeflow/row_choice.hpp"

#include <doctest/doctest.h>

#include "tests/support/recording_sink.hpp"

using namespace eddy;
using namespace eddy::node;
using namespace eddy::testing;

namespace {

RowPlan plan_of(const std::vector<PlanRequest::Device>& devices) {
    RowPlan plan;
    for (const auto& device : devices) plan.devices.push_back(device.node);
    return plan;
}

struct Choosing {
    RowFacts facts;
    RowChoice choice;
    std::optional<RowPlan> current;
    uint64_t failures = 0;
    Instant now{};

    explicit Choosing(PartitionKind partition = PartitionKind::edgeflow) : choice(partition) {
        for (const uint8_t number : {1, 2, 3}) facts.devices.push_back({node_id(number), 1.0, UINT64_MAX});
        facts.links.assign(9, {1e6, Usec{100}});
    }
    std::optional<PlanRequest> consider() {
        return choice.consider(facts, current ? &*current : nullptr, failures, now);
    }
    /// Whether something is asked `later`.
    std::optional<PlanRequest> after(Usec later) {
        now += later;
        return consider();
    }
    static ev::PlanMade made(const PlanRequest& request, Usec latency, Usec before = Usec{0}, Usec period = Usec{0}) {
        ev::PlanMade event;
        event.request = request.number;
        event.proposal = PlanProposal{plan_of(request.devices), latency, period, before, Usec{90'000}};
        event.proposal->plan.window = request.window;
        return event;
    }
    /// Asks, and takes what is made into use.
    void use(Usec period = from_ms(10)) {
        now += RowChoice::plan_every;
        const auto request = consider();
        REQUIRE(request);
        current = choice.made(made(*request, from_ms(30), Usec{0}, period), current.has_value());
        REQUIRE(current);
    }
    void fail(uint64_t times = 1) {
        failures += times;
        current.reset();
    }
};

}  // namespace

TEST_CASE("a plan is asked for when devices are known, with all that is known of them, and one at a time") {
    Choosing choosing;
    const RowFacts known = choosing.facts;
    choosing.facts = {};
    CHECK_FALSE(choosing.consider());
    choosing.facts = known;
    const auto request = choosing.consider();
    REQUIRE(request);
    CHECK(request->number == 1);
    CHECK(request->devices == known.devices);
    CHECK(request->links == known.links);
    CHECK(request->window == 4);
    CHECK_FALSE(request->from);
    CHECK(request->afresh);
    choosing.facts.devices[1].speed = 5;
    CHECK_FALSE(choosing.after(std::chrono::hours(1)));
    CHECK(choosing.choice.made(Choosing::made(*request, from_ms(30)), false));
    CHECK(choosing.consider()->number == 2);
}

TEST_CASE("a plan is not asked for again until a speed, a link or who is there has changed enough") {
    Choosing choosing;
    choosing.use();
    CHECK_FALSE(choosing.after(std::chrono::hours(1)));
    SUBCASE("a speed") {
        choosing.facts.devices[2].speed = 1 - 0.99 * RowChoice::moved;
        CHECK_FALSE(choosing.consider());
        choosing.facts.devices[2].speed = 1 - 1.01 * RowChoice::moved;
    }
    SUBCASE("a link") {
        choosing.facts.links[5].bytes_per_s = 1e6 * (1 - 0.99 * RowChoice::moved);
        CHECK_FALSE(choosing.consider());
        choosing.facts.links[5].bytes_per_s = 1e6 * (1 - 1.01 * RowChoice::moved);
    }
    SUBCASE("somebody is gone") {
        choosing.facts.devices.pop_back();
        choosing.facts.links.resize(4);
    }
    SUBCASE("somebody else is there") { choosing.facts.devices[2].node = node_id(4); }
    CHECK(choosing.consider());
}

TEST_CASE("small changes add up, for they are counted from the last plan that was made") {
    Choosing choosing;
    choosing.use();
    int considered = 0;
    for (; considered < 10; ++considered) {
        choosing.facts.devices[0].speed *= 1.05;
        if (choosing.after(RowChoice::plan_every)) break;
    }
    CHECK(considered == 3);
}

TEST_CASE("where another device has come, a plan that is only a little better is taken into use") {
    Choosing choosing;
    choosing.use();
    choosing.now += RowChoice::plan_every;
    choosing.facts.devices.push_back({node_id(9), 1, UINT64_MAX});
    choosing.facts.links.assign(16, {1e6, Usec{100}});
    const auto first = choosing.consider();
    REQUIRE(first);
    double latency_us = 100'000;
    SUBCASE("clearly better than noise") { latency_us *= RowChoice::gain_of_others - 0.001; }
    SUBCASE("hardly better") { latency_us *= RowChoice::gain_of_others + 0.001; }
    const bool worth_it = latency_us < 100'000 * RowChoice::gain_of_others;
    const auto in_us = [](double us) { return Usec(static_cast<int64_t>(us)); };
    CHECK(choosing.choice.made(Choosing::made(*first, in_us(latency_us), from_ms(100)), true).has_value() == worth_it);
    // Among the same devices it takes more.
    choosing.now += RowChoice::plan_every;
    choosing.facts.devices[1].speed = 0.5;
    const auto second = choosing.consider();
    REQUIRE(second);
    CHECK_FALSE(choosing.choice.made(Choosing::made(*second, in_us(94'000), from_ms(100)), true));
}

TEST_CASE("plans are not asked for more often than every second") {
    Choosing choosing;
    choosing.use();
    choosing.facts.devices[1].speed = 3;
    CHECK_FALSE(choosing.after(RowChoice::plan_every - Usec{1}));
    CHECK(choosing.after(Usec{1}));
}

TEST_CASE("what is made goes on from the plan in use, if all its devices are there, and afresh if much has changed") {
    Choosing choosing;
    choosing.use();
    choosing.now += RowChoice::plan_every;
    bool from = true;
    bool afresh = false;
    SUBCASE("a little") { choosing.facts.devices[1].speed = 0.8; }
    SUBCASE("much") {
        choosing.facts.devices[1].speed = 0.4;
        afresh = true;
    }
    SUBCASE("one more") {
        choosing.facts.devices.push_back({node_id(9), 1, UINT64_MAX});
        choosing.facts.links.assign(16, {1e6, Usec{100}});
        afresh = true;
    }
    SUBCASE("one less") {
        choosing.facts.devices.pop_back();
        choosing.facts.links.resize(4);
        from = false;
        afresh = true;
    }
    const auto request = choosing.consider();
    REQUIRE(request);
    CHECK(request->from.has_value() == from);
    if (from) CHECK(*request->from == *choosing.current);
    CHECK(request->afresh == afresh);
}

TEST_CASE("after a plan that came to nothing the next one reserves half the memory and comes later each time") {
    Choosing choosing;
    choosing.use();
    Usec waited{0};
    for (const uint32_t window : {2U, 1U, 1U}) {
        choosing.fail();
        CHECK_FALSE(choosing.consider());
        Usec wait{0};
        std::optional<PlanRequest> request;
        for (; !request && wait < std::chrono::hours(1); wait += from_ms(100)) request = choosing.after(from_ms(100));
        REQUIRE(request);
        CHECK(request->window == window);
        CHECK(wait > waited);
        CHECK(wait >= std::chrono::seconds(5));
        waited = wait;
        // It is told to all, and comes to nothing again.
        CHECK(choosing.choice.made(Choosing::made(*request, from_ms(30)), false));
    }
}

TEST_CASE("a plan that stood for a while ends the row of failures, and the wait is short again") {
    Choosing choosing;
    choosing.use();
    for (int i = 0; i < 3; ++i) {
        choosing.fail();
        choosing.consider();
        choosing.now += std::chrono::minutes(2);
        choosing.use();
    }
    for (int i = 0; i < 60; ++i) CHECK_FALSE(choosing.after(from_ms(200)));
    choosing.fail();
    CHECK_FALSE(choosing.consider());
    CHECK(choosing.after(std::chrono::seconds(5)));
}

TEST_CASE("long after a failure plans reserve twice the memory again, up to what they did at first") {
    Choosing choosing;
    choosing.use();
    choosing.fail(1);
    CHECK_FALSE(choosing.consider());
    choosing.fail(1);
    CHECK_FALSE(choosing.consider());
    for (const auto& [later, window] : std::vector<std::pair<Usec, uint32_t>>{{std::chrono::seconds(30), 1},
                                                                              {std::chrono::seconds(40), 2},
                                                                              {std::chrono::seconds(30), 2},
                                                                              {std::chrono::minutes(2), 4},
                                                                              {std::chrono::minutes(2), 4}}) {
        choosing.facts.devices[0].speed *= 2;
        const auto request = choosing.after(later);
        REQUIRE(request);
        CHECK(request->window == window);
        choosing.choice.made(Choosing::made(*request, from_ms(30)), false);
    }
}

TEST_CASE("a minute after a failure a wider plan is asked for though nothing changed, and taken if it is no slower") {
    Choosing choosing;
    choosing.use();
    choosing.fail();
    CHECK_FALSE(choosing.consider());
    choosing.now += std::chrono::seconds(5);
    choosing.use();
    CHECK(choosing.current->window == 2);
    CHECK_FALSE(choosing.after(std::chrono::seconds(50)));
    for (const auto& [latency, is_taken] :
         std::vector<std::pair<Usec, bool>>{{from_ms(31), false}, {from_ms(30), true}}) {
        const auto request = choosing.after(std::chrono::minutes(1));
        REQUIRE(request);
        CHECK(request->window == 4);
        const auto taken = choosing.choice.made(Choosing::made(*request, latency, from_ms(30)), true);
        CHECK(taken.has_value() == is_taken);
        if (taken) choosing.current = taken;
        CHECK_FALSE(choosing.after(std::chrono::seconds(50)));
    }
    CHECK(choosing.current->window == 4);
    CHECK_FALSE(choosing.after(std::chrono::minutes(5)));
}

TEST_CASE("the wait after failures has an end") {
    Choosing choosing;
    for (int i = 0; i < 40; ++i) {
        choosing.fail();
        choosing.consider();
        choosing.now += std::chrono::minutes(2);
        const auto request = choosing.consider();
        REQUIRE(request);
        choosing.choice.made(Choosing::made(*request, from_ms(30)), false);
    }
}

TEST_CASE("a plan that was lost is replaced though everything is as it was") {
    Choosing choosing;
    choosing.use();
    choosing.current.reset();  // a device was away for a moment
    const auto request = choosing.after(RowChoice::plan_every);
    REQUIRE(request);
    CHECK_FALSE(request->from);
    CHECK(request->window == 4);
    // If nothing can be made it does not ask for ever.
    choosing.choice.made(ev::PlanMade{request->number, std::nullopt, "no"}, false);
    CHECK_FALSE(choosing.after(from_ms(100)));
}

TEST_CASE("a new plan is taken only if it is clearly better than the one in use") {
    Choosing choosing;
    choosing.use();
    CHECK(choosing.choice.latency() == from_ms(30));
    choosing.facts.devices[1].speed = 3;
    const auto request = choosing.after(RowChoice::plan_every);
    REQUIRE(request);
    SUBCASE("hardly") {
        CHECK_FALSE(choosing.choice.made(Choosing::made(*request, Usec{9400}, Usec{10'000}), true));
        CHECK(choosing.choice.latency() == Usec{10'000});  // what is in use takes so long now
    }
    SUBCASE("clearly") {
        CHECK(choosing.choice.made(Choosing::made(*request, Usec{9200}, Usec{10'000}), true));
        CHECK(choosing.choice.latency() == Usec{9200});
    }
    SUBCASE("none is in use any more") {
        CHECK(choosing.choice.made(Choosing::made(*request, Usec{9400}, Usec{10'000}), false));
    }
    SUBCASE("the one in use does not fit any more") {
        CHECK(choosing.choice.made(Choosing::made(*request, Usec{9400}, Usec{0}), true));
    }
    SUBCASE("what nobody asked for") {
        PlanRequest other = *request;
        ++other.number;
        CHECK_FALSE(choosing.choice.made(Choosing::made(other, Usec{1}), false));
        CHECK(choosing.choice.made(Choosing::made(*request, Usec{1}), false));
        CHECK_FALSE(choosing.choice.made(Choosing::made(*request, Usec{1}), false));
    }
    SUBCASE("nothing could be made") {
        CHECK_FALSE(choosing.choice.made(ev::PlanMade{request->number, std::nullopt, "no"}, true));
        CHECK(choosing.choice.latency() == from_ms(30));
    }
}

TEST_CASE("the chain plans nothing, and edgeflow goes by rows whatever is offered") {
    Choosing chain(PartitionKind::chain);
    CHECK_FALSE(chain.consider());
    CHECK_FALSE(chain.choice.by_rows(chain.facts, chain.now));
    Choosing rows(PartitionKind::edgeflow);
    rows.facts.offered_per_s = rows.facts.chain_per_s = 1e6;
    rows.facts.held_back = true;
    CHECK(rows.choice.by_rows(rows.facts, rows.now));
}

TEST_CASE("auto: few frames go by rows, more than rows carry go where more get through") {
    Choosing choosing(PartitionKind::automatic);
    CHECK_FALSE(choosing.choice.by_rows(choosing.facts, choosing.now));  // there is no plan
    choosing.use(from_ms(10));                                           // 100 frames/s at best
    choosing.now += RowChoice::mode_for;
    choosing.facts.chain_per_s = 1000;
    choosing.facts.offered_per_s = 79;
    CHECK(choosing.choice.by_rows(choosing.facts, choosing.now));
    SUBCASE("many are offered") { choosing.facts.offered_per_s = 81; }
    SUBCASE("frames wait") { choosing.facts.held_back = true; }
    CHECK_FALSE(choosing.choice.by_rows(choosing.facts, choosing.now));
    choosing.facts.chain_per_s = 50;
    choosing.now += RowChoice::mode_for - Usec{1};
    CHECK_FALSE(choosing.choice.by_rows(choosing.facts, choosing.now));  // not to and fro
    choosing.now += Usec{1};
    CHECK(choosing.choice.by_rows(choosing.facts, choosing.now));  // the chain carries less still
    choosing.facts.chain_per_s = 1000;
    CHECK(choosing.choice.by_rows(choosing.facts, choosing.now + RowChoice::mode_for - Usec{1}));
    CHECK_FALSE(choosing.choice.by_rows(choosing.facts, choosing.now + RowChoice::mode_for));
}

TEST_CASE("auto: where both ways carry about as much, frames stay on theirs") {
    Choosing choosing(PartitionKind::automatic);
    choosing.use(from_ms(10));
    choosing.facts.offered_per_s = 1000;
    const auto way = [&](double chain_per_s) {
        choosing.now += RowChoice::mode_for;
        choosing.facts.chain_per_s = chain_per_s;
        return choosing.choice.by_rows(choosing.facts, choosing.now);
    };
    CHECK(way(108));
    CHECK_FALSE(way(113));
    CHECK_FALSE(way(108));
    CHECK_FALSE(way(92));
    CHECK(way(88));
    CHECK(way(92));
}

TEST_CASE("auto: frames go on under the plan in use though the next one came to nothing") {
    Choosing choosing(PartitionKind::automatic);
    choosing.use();
    choosing.facts.devices[1].speed = 3;
    const auto request = choosing.after(RowChoice::mode_for);
    REQUIRE(request);
    REQUIRE(choosing.choice.made(Choosing::made(*request, Usec{1000}, Usec{10'000}, from_ms(1)), true));
    ++choosing.failures;  // somebody refuses
    choosing.consider();
    CHECK(choosing.choice.by_rows(choosing.facts, choosing.now));
    choosing.fail();
    choosing.consider();
    CHECK_FALSE(choosing.choice.by_rows(choosing.facts, choosing.now));
}

TEST_CASE("what was planned for is told in words") {
    Choosing choosing;
    CHECK(choosing.choice.in_words().empty());
    choosing.use();
    const std::string words = choosing.choice.in_words();
    CHECK(words.find("30.00 ms, 90.00 ms here alone") != std::string::npos);
    CHECK(words.find("at speed 1.00") != std::string::npos);
    CHECK(words.find("links of 8.00 to 8.00 Mbit/s") != std::string::npos);
}
