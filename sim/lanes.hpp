// What a simulated device computes: the jobs on its lanes, how long they take by the profile at its speed, and what
// becomes of them when its speed changes half-way: the rest goes on at the new one. Pure; its owner sees to the time.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "eddy/effects.hpp"
#include "eddy/profile.hpp"

namespace eddy::sim {

class Lanes {
public:
    struct Done {
        Job job;
        Usec busy{0};
        std::vector<Usec> layer_times;
    };
    struct Ending {
        JobId job;
        uint64_t planned = 0;  ///< which plan of this job's end: a later one makes it void
        Instant at{};
    };

    /// `profile` outlives this. Speed above 0.
    Lanes(const ModelProfile& profile, double speed) : profile_(&profile), speed_(speed) {}

    [[nodiscard]] double speed() const { return speed_; }
    Ending begin(const Job& job, Instant now);
    /// New ends of all jobs under way, in the order of their ids.
    std::vector<Ending> set_speed(double speed, Instant now);
    /// Whether that plan still holds. Then the job is over: end() it.
    [[nodiscard]] bool holds(const Ending& ending) const;
    Done end(JobId job, Instant now);
    /// The device lost all its jobs.
    void clear(Instant now);
    /// Time that all lanes together were taken, up to now.
    [[nodiscard]] Usec busy(Instant now) const;

private:
    struct Running {
        Job job;
        Instant begun{};
        std::vector<Instant> ends;  ///< of its layers
        uint64_t planned = 0;
    };

    const ModelProfile* profile_;
    double speed_;
    std::map<JobId, Running> running_;
    uint64_t plans_ = 0;
    Usec ended_busy_{0};
};

}  // namespace eddy::sim
