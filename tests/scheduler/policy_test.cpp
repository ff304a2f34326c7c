#include <algorithm>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "scheduler/policies.hpp"
#include "tests/support/recording_sink.hpp"

using namespace eddy;
using namespace eddy::scheduler;
using eddy::testing::node_id;

namespace {

const SourceId a{node_id(1), StreamId{0}};
const SourceId b{node_id(2), StreamId{0}};

SourceView view(SourceId source, uint32_t local, uint32_t distributed, uint32_t downstream, uint64_t served = 0) {
    return {source, local, distributed, downstream, true, false, false, served};
}

}  // namespace

TEST_CASE("ms-mdi admits to the shorter queue, and to the local one if both are equal") {
    const MsMdiPolicy policy;
    CHECK(policy.admit(view(a, 2, 3, 0)) == QueueKind::local);
    CHECK(policy.admit(view(a, 3, 2, 0)) == QueueKind::distributed);
    CHECK(policy.admit(view(a, 3, 3, 0)) == QueueKind::local);
}

TEST_CASE("ms-mdi serves the largest of the local queue and the differences") {
    const MsMdiPolicy policy;
    CHECK(policy.pick(std::vector{view(a, 4, 5, 2), view(b, 0, 9, 8)}) == Pick{a, QueueKind::local});
    CHECK(policy.pick(std::vector{view(a, 2, 5, 2), view(b, 0, 9, 8)}) == Pick{a, QueueKind::distributed});
    CHECK(policy.pick(std::vector{view(a, 2, 5, 2), view(b, 0, 9, 1)}) == Pick{b, QueueKind::distributed});
}

TEST_CASE("ms-mdi: a tie goes to the distributed queue, then to whoever waited longest") {
    const MsMdiPolicy policy;
    CHECK(policy.pick(std::vector{view(a, 4, 4, 0)}) == Pick{a, QueueKind::distributed});
    CHECK(policy.pick(std::vector{view(a, 0, 4, 0, 7), view(b, 0, 4, 0, 3)}) == Pick{b, QueueKind::distributed});
    CHECK(policy.pick(std::vector{view(a, 4, 0, 0, 2), view(b, 4, 0, 0, 9)}) == Pick{a, QueueKind::local});
}

TEST_CASE("ms-mdi works on even when every difference is negative, but not on what cannot move") {
    const MsMdiPolicy policy;
    CHECK(policy.pick(std::vector{view(a, 0, 1, 5), view(b, 0, 1, 3)}) == Pick{b, QueueKind::distributed});
    auto blocked = view(b, 0, 9, 0);
    blocked.servable = false;
    CHECK(policy.pick(std::vector{view(a, 0, 1, 5), blocked}) == Pick{a, QueueKind::distributed});
    CHECK_FALSE(policy.pick(std::vector{blocked}));
}

TEST_CASE("local admits and serves its own queues only, the longest first") {
    const LocalPolicy policy;
    CHECK(policy.admit(view(a, 9, 0, 0)) == QueueKind::local);
    CHECK(policy.pick(std::vector{view(a, 1, 0, 0), view(b, 2, 0, 0)}) == Pick{b, QueueKind::local});
    CHECK(policy.pick(std::vector{view(a, 1, 50, 0)}) == Pick{a, QueueKind::local});
    CHECK_FALSE(policy.pick({}));
}

TEST_CASE("every kind in the configuration has its policy, by its name") {
    CHECK(std::string(make_policy(PolicyKind::local)->name()) == "local");
    CHECK(std::string(make_policy(PolicyKind::ms_mdi)->name()) == "ms-mdi");
}

TEST_CASE("a starving queue comes before any weight, the one that waited longest first, but not if it cannot move") {
    auto heavy = view(a, 9, 9, 0, 5);
    auto light = view(b, 0, 1, 3, 2);
    CHECK_FALSE(pick_starving(std::vector{heavy, light}));
    light.distributed_starves = true;
    CHECK(pick_starving(std::vector{heavy, light}) == Pick{b, QueueKind::distributed});
    heavy.local_starves = true;
    CHECK(pick_starving(std::vector{heavy, light}) == Pick{b, QueueKind::distributed});
    light.servable = false;
    CHECK(pick_starving(std::vector{heavy, light}) == Pick{a, QueueKind::local});
    CHECK_FALSE(pick_starving(std::vector{light}));
}

TEST_CASE("no policy picks an empty queue, or idles while something can be served") {
    for (const auto kind : {PolicyKind::local, PolicyKind::ms_mdi}) {
        const auto policy = make_policy(kind);
        CHECK(rc::check(
            policy->name(), [&](const std::vector<std::tuple<uint8_t, uint8_t, uint8_t, bool, uint8_t>>& rows) {
                std::vector<SourceView> views;
                for (size_t i = 0; i < rows.size(); ++i) {
                    const auto& [local, distributed, downstream, servable, served] = rows[i];
                    views.push_back({{node_id(static_cast<uint8_t>(i)), StreamId{0}},
                                     local,
                                     distributed,
                                     downstream,
                                     servable,
                                     false,
                                     false,
                                     served});
                }
                const bool work = std::any_of(views.begin(), views.end(), [](const auto& v) {
                    return v.local > 0 || (v.distributed > 0 && v.servable);
                });
                const auto pick = policy->pick(views);
                RC_ASSERT(pick.has_value() == work);
                if (!pick) return;
                const auto& v =
                    *std::find_if(views.begin(), views.end(), [&](const auto& x) { return x.source == pick->source; });
                if (pick->queue == QueueKind::local)
                    RC_ASSERT(v.local > 0U);
                else
                    RC_ASSERT(v.distributed > 0 && v.servable);
            }));
    }
}

TEST_CASE("a source that always has work is served again and again beside a busier one of equal weight") {
    const MsMdiPolicy policy;
    std::vector<SourceView> views{view(a, 0, 5, 0), view(b, 0, 5, 0)};
    uint64_t clock = 0;
    int served_a = 0;
    for (int i = 0; i < 100; ++i) {
        const auto pick = policy.pick(views);
        REQUIRE(pick);
        auto& v = pick->source == a ? views[0] : views[1];
        v.served = ++clock;
        served_a += pick->source == a ? 1 : 0;
    }
    CHECK(served_a == 50);
}
