// Plays random faults on a world of rings, at the rates of ProcessFaults: each kind is a Poisson process, each fault
// has its victim, and its end some time later. For churn, and for runs that only ask whether a ring survives; runs that
// are to be told as stories, checked step by step and shrunk are made by sim/ring_faults.hpp.
//
// Must outlive the world's run: the world calls it back. Follows from its seed and the world's course.
#pragma once

#include <functional>

#include "eddy/random.hpp"
#include "sim/faults.hpp"
#include "sim/ring_world.hpp"

namespace eddy::sim {

class FaultPlayer {
public:
    FaultPlayer(RingWorld& world, ProcessFaults faults, uint64_t seed)
        : world_(world), faults_(faults), random_(seed) {}
    FaultPlayer(const FaultPlayer&) = delete;
    FaultPlayer& operator=(const FaultPlayer&) = delete;

    /// Faults begin from `from` on and before `until`; some end later.
    void play(Instant from, Instant until);
    /// Ends all that is going on: the network heals, everyone runs and at full speed.
    void mend();
    /// Nodes that crashed, vanished or left.
    [[nodiscard]] uint64_t departures() const { return departures_; }
    [[nodiscard]] uint64_t faults() const { return count_; }

private:
    using Fault = void (FaultPlayer::*)();
    using Departure = void (RingWorld::*)(size_t);

    /// `fault` now and again until `until`, beginning some time after `after`.
    void repeat(double per_s, Instant after, Instant until, Fault fault);
    void after(Usec mean, std::function<void()> end);
    [[nodiscard]] size_t victim();
    void depart(Departure how);
    void crash() { depart(&RingWorld::crash); }
    void vanish() { depart(&RingWorld::vanish); }
    void leave() { depart(&RingWorld::leave); }
    void pause();
    void slow();
    void partition();
    void cut_one_way();

    RingWorld& world_;
    ProcessFaults faults_;
    Random random_;
    uint64_t departures_ = 0;
    uint64_t count_ = 0;
};

}  // namespace eddy::sim
