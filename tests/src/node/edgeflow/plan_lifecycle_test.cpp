// Goal: frames begin only under plans that every device is ready for, the last good plan goes on until then, and each
// plan is retired once. Method: by hand, and at random against what must hold of any order.
#include "src/node/edgeflow/plan_lifecycle.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "eddy/random.hpp"

using namespace eddy;
using namespace eddy::node;

namespace {

NodeId device_id(uint8_t number) {
    NodeId id;
    id.bytes[0] = number;
    return id;
}

RowPlan plan_for(std::initializer_list<uint8_t> numbers) {
    RowPlan plan;
    for (const uint8_t number : numbers) plan.devices.push_back(device_id(number));
    return plan;
}

struct Life {
    PlanLifecycle plans;
    PlanLifecycle::Change change;
    Instant now{};
    uint32_t propose(std::initializer_list<uint8_t> numbers) {
        change = {};
        return plans.propose(plan_for(numbers), now, change);
    }
    void answer(uint8_t number, uint32_t epoch, bool ready = true) { change = plans.answered(device_id(number), epoch, ready); }
    uint32_t in_use(std::initializer_list<uint8_t> numbers) {
        const uint32_t epoch = propose(numbers);
        for (const uint8_t number : numbers) answer(number, epoch);
        REQUIRE(plans.current() == epoch);
        return epoch;
    }
};

using Numbers = std::vector<uint32_t>;

}  // namespace

TEST_CASE("frames begin under a plan when the last of its devices is ready") {
    Life life;
    const uint32_t epoch = life.propose({1, 2, 3});
    CHECK(life.plans.preparing());
    life.answer(1, epoch);
    life.answer(3, epoch);
    life.answer(3, epoch);
    CHECK_FALSE(life.plans.current());
    life.answer(2, epoch);
    CHECK(life.change.switched);
    CHECK(life.plans.current() == epoch);
    CHECK_FALSE(life.plans.preparing());
    CHECK(life.plans.plan(epoch)->devices.size() == 3);
}

TEST_CASE("the last plan goes on while the next is prepared, and is retired when its last frame has ended") {
    Life life;
    const uint32_t first = life.in_use({1, 2});
    life.plans.frame_began(first);
    const uint32_t second = life.propose({1, 3});
    CHECK(life.plans.current() == first);
    life.answer(1, second);
    life.answer(3, second);
    CHECK(life.plans.current() == second);
    CHECK(life.change.retire.empty());
    CHECK(life.plans.frame_ended(first).retire == Numbers{first});
    CHECK(life.plans.plan(first) == nullptr);
    CHECK(life.plans.plans() == 1);
}

TEST_CASE("a plan in use is not retired because no frame is under way") {
    Life life;
    const uint32_t epoch = life.in_use({1});
    life.plans.frame_began(epoch);
    CHECK(life.plans.frame_ended(epoch).retire.empty());
    CHECK(life.plans.current() == epoch);
}

TEST_CASE("a plan that one device refuses, or does not answer, is given up, and the last one goes on") {
    Life life;
    const uint32_t first = life.in_use({1, 2});
    uint32_t next = life.propose({1, 2, 3});
    SUBCASE("refused") {
        life.answer(2, next);
        life.answer(3, next, false);
        CHECK(life.change.given_up);
        CHECK(life.change.retire == Numbers{next});
        life.answer(1, next);
    }
    SUBCASE("no answer") {
        life.now += PlanLifecycle::answer_within - Usec{1};
        CHECK_FALSE(life.plans.tick(life.now).given_up);
        life.change = life.plans.tick(life.now + Usec{1});
        CHECK(life.change.given_up);
        CHECK(life.change.retire == Numbers{next});
    }
    SUBCASE("replaced, which is no failure") {
        const uint32_t newer = life.propose({1, 2});
        CHECK(life.change.retire == Numbers{next});
        CHECK_FALSE(life.change.given_up);
        CHECK(newer > next);
        life.answer(1, next);
        life.answer(2, next);
        life.answer(3, next);
    }
    CHECK(life.plans.current() == first);
    CHECK_FALSE(life.change.switched);
}

TEST_CASE("a device that is lost breaks every plan it takes part in, frames or not") {
    Life life;
    const uint32_t first = life.in_use({1, 2, 3});
    life.plans.frame_began(first);
    const uint32_t second = life.in_use({1, 2});
    const uint32_t third = life.propose({1, 3});
    life.change = life.plans.lost(device_id(3));
    CHECK(life.change.retire == Numbers{third, first});
    CHECK(life.change.given_up);
    CHECK_FALSE(life.change.switched);
    CHECK(life.plans.current() == second);
    CHECK(life.plans.frame_ended(first).retire.empty());
    life.change = life.plans.lost(device_id(2));
    CHECK(life.change.switched);
    CHECK_FALSE(life.plans.current());
    CHECK(life.plans.plans() == 0);
}

TEST_CASE("a plan that a device cannot go on with ends alone, and once") {
    Life life;
    const uint32_t first = life.in_use({1, 2});
    life.plans.frame_began(first);
    const uint32_t second = life.in_use({1, 2});
    const uint32_t third = life.propose({1, 2});
    life.change = life.plans.broken(first);
    CHECK(life.change.retire == Numbers{first});
    CHECK_FALSE(life.change.switched);
    CHECK_FALSE(life.change.given_up);
    life.change = life.plans.broken(third);
    CHECK(life.change.retire == Numbers{third});
    CHECK(life.change.given_up);
    CHECK_FALSE(life.plans.preparing());
    CHECK(life.plans.current() == second);
    life.change = life.plans.broken(second);
    CHECK(life.change.retire == Numbers{second});
    CHECK(life.change.switched);
    CHECK_FALSE(life.plans.current());
    for (const uint32_t epoch : {first, second, third, 99U}) CHECK(life.plans.broken(epoch).retire.empty());
    CHECK(life.plans.plans() == 0);
}

TEST_CASE("who wants no plan any more lets frames end as they began") {
    Life life;
    const uint32_t epoch = life.in_use({1, 2});
    life.plans.frame_began(epoch);
    life.change = life.plans.stop();
    CHECK(life.change.switched);
    CHECK(life.change.retire.empty());
    CHECK_FALSE(life.plans.current());
    CHECK(life.plans.frame_ended(epoch).retire == Numbers{epoch});
    CHECK(life.plans.stop().retire.empty());
}

TEST_CASE("each plan is retired exactly once, and never while frames begin under it") {
    CHECK(rc::check("any order", [] {
        Random random(*rc::gen::inRange<uint64_t>(0, 1'000'000'000));
        PlanLifecycle plans;
        std::set<uint32_t> proposed;
        std::set<uint32_t> retired;
        std::vector<uint32_t> frames;
        const auto took = [&](const PlanLifecycle::Change& change) {
            for (const uint32_t epoch : change.retire) {
                RC_ASSERT(proposed.count(epoch) == 1U);
                RC_ASSERT(retired.insert(epoch).second);
            }
        };
        for (int step = 0; step < 60; ++step) {
            PlanLifecycle::Change change;
            switch (random.below(6)) {
                case 0:
                    proposed.insert(plans.propose(plan_for({1, static_cast<uint8_t>(2 + random.below(2))}), {}, change));
                    took(change);
                    break;
                case 1:
                case 2:
                    if (!proposed.empty())
                        took(plans.answered(device_id(static_cast<uint8_t>(1 + random.below(3))), *proposed.rbegin(),
                                            !random.chance(0.1)));
                    break;
                case 3:
                    if (plans.current()) {
                        plans.frame_began(*plans.current());
                        frames.push_back(*plans.current());
                    }
                    break;
                case 4:
                    if (!frames.empty()) {
                        took(plans.frame_ended(frames.back()));
                        frames.pop_back();
                    }
                    break;
                default:
                    if (random.chance(0.2)) took(plans.lost(device_id(static_cast<uint8_t>(2 + random.below(2)))));
            }
            if (plans.current()) RC_ASSERT(retired.count(*plans.current()) == 0U);
            RC_ASSERT(plans.plans() == proposed.size() - retired.size());
        }
        took(plans.stop());
        for (const uint32_t epoch : frames) took(plans.frame_ended(epoch));
        RC_ASSERT(retired.size() == proposed.size());
    }));
}
