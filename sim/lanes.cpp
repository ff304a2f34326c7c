#include "sim/lanes.hpp"

#include <cmath>

#include "eddy/assert.hpp"

namespace eddy::sim {

namespace {
Usec rounded(double seconds) { return Usec(std::llround(seconds * 1e6)); }
}  // namespace

Lanes::Ending Lanes::begin(const Job& job, Instant now) {
    EDDY_ASSERT(job.units.first < job.units.last && job.units.last <= profile_->layers.size());
    Running running{job, now, {}, ++plans_};
    double so_far_s = 0;
    for (uint32_t i = job.units.first; i < job.units.last; ++i) {
        so_far_s += to_seconds(profile_->layers[i].time) / speed_;
        running.ends.push_back(now + rounded(so_far_s));
    }
    const Ending ending{job.id, running.planned, running.ends.back()};
    EDDY_ASSERT(running_.emplace(job.id, std::move(running)).second);
    return ending;
}

std::vector<Lanes::Ending> Lanes::set_speed(double speed, Instant now) {
    EDDY_ASSERT(speed > 0);
    const double stretch = speed_ / speed;
    speed_ = speed;
    std::vector<Ending> endings;
    for (auto& [id, running] : running_) {
        for (Instant& end : running.ends)
            if (end > now) end = now + rounded(to_seconds(end - now) * stretch);
        running.planned = ++plans_;
        endings.push_back({id, running.planned, running.ends.back()});
    }
    return endings;
}

bool Lanes::holds(const Ending& ending) const {
    const auto at = running_.find(ending.job);
    return at != running_.end() && at->second.planned == ending.planned;
}

Lanes::Done Lanes::end(JobId job, Instant now) {
    const auto at = running_.find(job);
    EDDY_ASSERT(at != running_.end() && now >= at->second.ends.back());
    Running& running = at->second;
    Done done{std::move(running.job), running.ends.back() - running.begun, {}};
    Instant begun = running.begun;
    for (const Instant end : running.ends) {
        done.layer_times.push_back(end - begun);
        begun = end;
    }
    ended_busy_ += done.busy;
    running_.erase(at);
    return done;
}

void Lanes::clear(Instant now) {
    ended_busy_ = busy(now);
    running_.clear();
}

Usec Lanes::busy(Instant now) const {
    Usec total = ended_busy_;
    for (const auto& [id, running] : running_) total += std::min(now, running.ends.back()) - running.begun;
    return total;
}

}  // namespace eddy::sim
