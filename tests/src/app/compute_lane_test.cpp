#include "src/app/compute_lane.hpp"

#include <future>
#include <thread>

#include <doctest/doctest.h>

#include "src/app/duty_cycle.hpp"

using namespace eddy;
using namespace eddy::app;
using namespace std::chrono_literals;

namespace {

/// Says what it was given, or fails if the run begins at layer 13.
class ScriptedRunner final : public Runner {
public:
    Result<RunOutput> run(UnitRange units, std::span<const HostTensor> inputs, bool ends_model) override {
        if (units.first == 13) return internal("layer 13");
        RunOutput output;
        output.outputs.assign(inputs.begin(), inputs.end());
        if (ends_model) output.inference = Inference{{{units.last, 1.0F}}, {}};
        return output;
    }
};

/// Uses the processor until the thread has taken 20 ms of it.
class BusyRunner final : public Runner {
public:
    Result<RunOutput> run(UnitRange, std::span<const HostTensor>, bool) override {
        timespec time{};
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
        const long until_us = time.tv_sec * 1'000'000 + time.tv_nsec / 1000 + 20'000;
        do clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
        while (time.tv_sec * 1'000'000 + time.tv_nsec / 1000 < until_us);
        return RunOutput{};
    }
};

Finished one(Runner* runner, double limit, UnitRange units, bool ends_model) {
    std::promise<Finished> done;
    ComputeLane lane([runner] { return std::unique_ptr<Runner>(runner); }, limit, 1,
                     [&](Finished finished) { done.set_value(std::move(finished)); });
    lane.start(JobId{5}, units, {HostTensor{}, HostTensor{}}, ends_model);
    return done.get_future().get();
}

}  // namespace

TEST_CASE("the rest after a job makes its processor time the lane's share") {
    CHECK(rest_after(12ms, 12ms, 0.12) == 88ms);
    CHECK(rest_after(10ms, 30ms, 0.5) == 0ms);  // it waited for a processor for longer than it should rest
    CHECK(rest_after(10ms, 15ms, 0.5) == 5ms);
    CHECK(rest_after(10ms, 10ms, 1.0) == 0ms);
}

TEST_CASE("a lane gives back what its runner made of the job") {
    const auto finished = one(new ScriptedRunner, 1.0, {PlanId{}, 2, 9}, true);
    CHECK(finished.job == JobId{5});
    REQUIRE(finished.output);
    CHECK(finished.output->outputs.size() == 2);
    REQUIRE(finished.output->inference);
    CHECK(finished.output->inference->classes[0].label == 9);
}

TEST_CASE("a failure of the runner is the job's, not the lane's") {
    const auto finished = one(new ScriptedRunner, 1.0, {PlanId{}, 13, 14}, false);
    REQUIRE_FALSE(finished.output);
    CHECK(finished.output.error().message == "layer 13");
}

TEST_CASE("a limited lane is taken for its job's processor time over the limit") {
    const auto finished = one(new BusyRunner, 0.25, {PlanId{}, 0, 1}, false);
    CHECK(finished.busy >= 79ms);  // a lower bound only: other programs may make it longer
    CHECK(finished.computing < finished.busy);
}

TEST_CASE("a lane that rests for an hour can be ended at once") {
    std::promise<void> done;
    {
        ComputeLane lane([] { return std::make_unique<BusyRunner>(); }, 5e-6, 1, [&](Finished) { done.set_value(); });
        lane.start(JobId{1}, {PlanId{}, 0, 1}, {}, false);
    }
    CHECK(done.get_future().wait_for(0s) == std::future_status::ready);
}
