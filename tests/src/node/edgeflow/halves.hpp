// Two layers that several nodes share, of eight rows each: a plan that can be followed by hand.
#pragma once

#include "row_world.hpp"

namespace eddy::test {

struct Halves {
    RowWorld world;
    RowPlan plan;

    explicit Halves(size_t nodes = 2, size_t lanes = 1) : world(net(), nodes, 1, lanes) {
        plan.window = 2;
        plan.blocks = {{0, 1, {0, 4, 8}, false}, {1, 2, {0, 4, 8}, false}};
    }
    static graph::ModelGraph net() {
        NetBuilder net(8);
        net.convolution(net.convolution(ValueId{0}));
        return net.graph();
    }
    RowWorld& in_use() {
        world.propose(0, plan);
        world.run();
        REQUIRE(world.flows(0).current() != nullptr);
        return world;
    }
    /// The rows of a new frame that the capture cuts out for the second node, on their way.
    RowWorld::Parcel first_rows(uint64_t k = 0) {
        world.capture(0, k);
        for (;;) {
            for (const RowWorld::Parcel& parcel : world.parcels)
                if (parcel.rows() != nullptr && parcel.rows()->frame.k == k) return parcel;
            REQUIRE_FALSE(world.idle());
            world.step();
        }
    }
};

}  // namespace eddy::test
