#include "sim/fault_player.hpp"

namespace eddy::sim {

namespace {
/// Nobody is down for less: a process that says goodbye first has to end.
constexpr Usec down_min = from_seconds(1);
}  // namespace

void FaultPlayer::play(Instant from, Instant until) {
    repeat(faults_.crash_per_s, from, until, &FaultPlayer::crash);
    repeat(faults_.vanish_per_s, from, until, &FaultPlayer::vanish);
    repeat(faults_.leave_per_s, from, until, &FaultPlayer::leave);
    repeat(faults_.pause_per_s, from, until, &FaultPlayer::pause);
    repeat(faults_.slow_per_s, from, until, &FaultPlayer::slow);
    repeat(faults_.partition_per_s, from, until, &FaultPlayer::partition);
    repeat(faults_.one_way_per_s, from, until, &FaultPlayer::cut_one_way);
}

void FaultPlayer::mend() {
    world_.heal();
    for (size_t node = 0; node < world_.size(); ++node) {
        world_.resume(node);
        world_.slow(node, Usec{0});
        world_.start(node);
    }
}

void FaultPlayer::repeat(double per_s, Instant after, Instant until, Fault fault) {
    if (per_s <= 0) return;
    const Instant at = after + from_seconds(random_.exponential(1 / per_s));
    if (at >= until) return;
    world_.at(at, [this, per_s, at, until, fault] {
        // Someone must stay.
        if (world_.live_count() >= 2) {
            ++count_;
            (this->*fault)();
        }
        repeat(per_s, at, until, fault);
    });
}

void FaultPlayer::after(Usec mean, std::function<void()> end) {
    world_.at(world_.now() + from_seconds(random_.exponential(to_seconds(mean))), std::move(end));
}

size_t FaultPlayer::victim() { return world_.live_nodes()[random_.below(world_.live_count())]; }

void FaultPlayer::depart(Departure how) {
    const size_t node = victim();
    ++departures_;
    (world_.*how)(node);
    const Usec down = down_min + from_seconds(random_.exponential(to_seconds(faults_.down_mean)));
    world_.at(world_.now() + down, [this, node] { world_.start(node); });
}

void FaultPlayer::pause() {
    const size_t node = victim();
    world_.pause(node);
    after(faults_.pause_mean, [this, node] { world_.resume(node); });
}

void FaultPlayer::slow() {
    const size_t node = victim();
    world_.slow(node, faults_.slow_by);
    after(faults_.slow_mean, [this, node] { world_.slow(node, Usec{0}); });
}

void FaultPlayer::partition() {
    std::vector<size_t> apart;
    for (size_t node = 0; node < world_.size(); ++node)
        if (random_.chance(0.5)) apart.push_back(node);
    world_.partition({apart});
    after(faults_.partition_mean, [this] { world_.heal(); });
}

void FaultPlayer::cut_one_way() {
    const size_t from = victim();
    const size_t to = victim();
    if (from == to) return;
    world_.cut_one_way(from, to);
    after(faults_.one_way_mean, [this] { world_.heal(); });
}

}  // namespace eddy::sim
