#include "scheduler/ar_mdi.hpp"

#include <cmath>
#include <limits>

#include <doctest/doctest.h>
#include <rapidcheck.h>

using namespace eddy;
using namespace eddy::scheduler;

namespace {

ModelProfile chain(const std::vector<uint64_t>& parameters, const std::vector<uint64_t>& bytes = {}) {
    ModelProfile profile;
    for (size_t i = 0; i < parameters.size(); ++i) {
        LayerProfile layer;
        layer.parameters = parameters[i];
        layer.frontier_bytes = i < bytes.size() ? bytes[i] : 1000;
        layer.time = Usec{10};
        profile.layers.push_back(layer);
    }
    return profile;
}

}  // namespace

TEST_CASE("equal nodes take equal shares of the parameters") {
    const ChainCosts costs(chain({10, 10, 10, 10, 10, 10}));
    CHECK(ar_mdi_cut(costs, 0, std::vector<double>{1e-9, 1e-9, 1e-9}) == 2);
    CHECK(ar_mdi_cut(costs, 2, std::vector<double>{1e-9, 1e-9}) == 4);
    CHECK(ar_mdi_cut(costs, 4, std::vector<double>{1e-9}) == 6);
}

TEST_CASE("a node twice as fast takes twice as much") {
    const ChainCosts costs(chain({10, 10, 10, 10, 10, 10}));
    CHECK(ar_mdi_cut(costs, 0, std::vector<double>{1e-9, 2e-9}) == 4);
    CHECK(ar_mdi_cut(costs, 0, std::vector<double>{2e-9, 1e-9}) == 2);
}

TEST_CASE("the share is rounded to the nearest cut, in parameters and not in layers") {
    // Half of 1000 is nearest to the cut before the heavy last layer.
    const ChainCosts costs(chain({1, 1, 398, 600}));
    CHECK(ar_mdi_cut(costs, 0, std::vector<double>{1e-9, 1e-9}) == 3);
}

TEST_CASE("a share smaller than half the next layer means: pass the frame on") {
    const ChainCosts costs(chain({1000, 10}));
    CHECK(ar_mdi_cut(costs, 0, std::vector<double>{9e-9, 1e-9}) == 0);
}

TEST_CASE("among cuts equally near the smallest frontier wins, then the furthest") {
    // Layers 1 and 2 have no parameters: cuts 1, 2 and 3 are equally near.
    CHECK(ar_mdi_cut(ChainCosts(chain({10, 0, 0, 10}, {900, 800, 400, 700})), 0, std::vector<double>{1e-9, 1e-9}) == 2);
    CHECK(ar_mdi_cut(ChainCosts(chain({10, 0, 0, 10}, {900, 500, 500, 500})), 0, std::vector<double>{1e-9, 1e-9}) == 3);
}

TEST_CASE("a node that cannot compute takes nothing, and others do not count on it") {
    const ChainCosts costs(chain({10, 10, 10, 10}));
    CHECK(ar_mdi_cut(costs, 1, std::vector<double>{0.0, 1e-9}) == 1);
    CHECK(ar_mdi_cut(costs, 0, std::vector<double>{1e-9, 0.0}) == 4);
    CHECK(ar_mdi_cut(costs, 0, std::vector<double>{1e-9, std::numeric_limits<double>::quiet_NaN()}) == 4);
    CHECK(ar_mdi_cut(costs, 0, std::vector<double>{1e-9, -5.0, 1e-9}) == 2);
}

TEST_CASE("no layer is skipped or done twice, whatever each node believes of the others") {
    CHECK(rc::check([](const std::vector<uint16_t>& parameters, const std::vector<std::vector<double>>& beliefs) {
        RC_PRE(!parameters.empty());
        const ChainCosts costs(chain({parameters.begin(), parameters.end()}));
        uint16_t layer = 0;
        for (const auto& gammas : beliefs) {
            if (gammas.empty()) continue;
            const uint16_t cut = ar_mdi_cut(costs, layer, gammas);
            RC_ASSERT(cut >= layer);
            RC_ASSERT(cut <= costs.layers());
            layer = cut;  // the next node goes on exactly here
        }
        // The last node before the source finishes by rule, not by share.
        RC_ASSERT(costs.parameters(0, layer) + costs.parameters(layer, costs.layers()) ==
                  costs.parameters(0, costs.layers()));
    }));
}

TEST_CASE("the chosen cut is at least as near as any other") {
    CHECK(rc::check([] {
        const auto parameters =
            *rc::gen::nonEmpty(rc::gen::container<std::vector<uint16_t>>(rc::gen::arbitrary<uint16_t>()));
        const ChainCosts costs(chain({parameters.begin(), parameters.end()}));
        const auto layer = *rc::gen::inRange<uint16_t>(0, costs.layers());
        const double mine = *rc::gen::inRange(1, 1000);
        const double other = *rc::gen::inRange(1, 1000);
        const uint16_t cut = ar_mdi_cut(costs, layer, std::vector<double>{mine, other});
        const double target =
            static_cast<double>(costs.parameters(layer, costs.layers())) * (1 / mine) / (1 / mine + 1 / other);
        const auto distance = [&](uint16_t c) {
            return std::abs(static_cast<double>(costs.parameters(layer, c)) - target);
        };
        for (uint16_t c = layer; c <= costs.layers(); ++c) RC_ASSERT(distance(cut) <= distance(c) + 1e-6);
    }));
}
