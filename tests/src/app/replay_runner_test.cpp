// Goal: a replayed run takes as long as recorded, never less, and gives what a real one would, but for what is in it.
#include "src/app/replay_runner.hpp"

#include <cmath>
#include <future>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "eddy/messages.hpp"
#include "eddy/real_clock.hpp"

using namespace eddy;
using namespace eddy::app;
using namespace std::chrono_literals;

namespace {

/// Three layers of 4, 6 and 10 ms; the frontier before the second is of three tensors.
ModelProfile recorded() {
    ModelProfile profile;
    profile.layers.resize(3);
    profile.layers[0].time = 4ms;
    profile.layers[0].frontier_bytes = 12;
    profile.layers[1].time = 6ms;
    profile.layers[1].frontier_bytes = 1000;
    profile.layers[1].frontier_tensors = 3;
    profile.layers[2].time = 10ms;
    profile.layers[2].frontier_bytes = 40;
    profile.layers[2].frontier_tensors = 0;  // as no real model has, but a file may
    return profile;
}

std::shared_ptr<Replay> replay_of(const ModelProfile& profile, double speed = 1.0) {
    auto replay = Replay::make(profile, speed);
    REQUIRE(replay.ok());
    return *replay;
}

UnitRange layers(uint32_t first, uint32_t last) { return {PlanId{}, first, last}; }

/// How long a run really took.
Usec timed(Runner& runner, const Replay& replay, UnitRange units) {
    const Instant began = real_now();
    const auto output = runner.run(units, replay.frontier(units.first), units.last == replay.layers());
    CHECK(output.ok());
    return real_now() - began;
}

}  // namespace

TEST_CASE("a run takes as long as its layers were recorded to, by the speed of the moment it begins") {
    const auto replay = replay_of(recorded());
    const auto runner = make_replay_runner(replay);
    // Lower bounds only: a machine busy with other things may make it longer.
    CHECK(timed(*runner, *replay, layers(0, 3)) >= 20ms);
    CHECK(timed(*runner, *replay, layers(1, 2)) >= 6ms);
    replay->set_speed(0.25);
    CHECK(timed(*runner, *replay, layers(0, 2)) >= 40ms);
    replay->set_speed(1000);
    CHECK(replay->duration(layers(0, 3)) == 20us);
    CHECK(timed(*runner, *replay, layers(0, 3)) >= 20us);
    CHECK(replay_of(recorded(), 2)->duration(layers(2, 3)) == 5ms);
}

TEST_CASE("no run is shorter than its layers' times by the speed, and none longer than a day") {
    CHECK(rc::check("durations", [] {
        ModelProfile profile;
        const auto times = *rc::gen::container<std::vector<int64_t>>(rc::gen::inRange<int64_t>(0, 1'000'000));
        RC_PRE(!times.empty());
        int64_t sum = 0;
        for (const int64_t time : times) {
            profile.layers.emplace_back().time = Usec(time);
            sum += time;
        }
        const double speed = *rc::gen::inRange(1, 1'000'000) / 1000.0;
        const auto replay = *Replay::make(profile, speed);
        const Usec all = replay->duration(layers(0, static_cast<uint32_t>(times.size())));
        RC_ASSERT(static_cast<double>(all.count()) * speed >= static_cast<double>(sum) * (1 - 1e-12));
        RC_ASSERT(static_cast<double>(all.count() - 1) * speed < static_cast<double>(sum) || all == Usec{0});
    }));
    ModelProfile slow = recorded();
    slow.layers[0].time = Usec(int64_t{1} << 50);
    CHECK(replay_of(slow, 5e-324)->duration(layers(0, 3)) == 24h);
    CHECK(replay_of(slow, 5e-324)->speed() == Replay::speed_min);
}

TEST_CASE("what a run hands on is of the recorded sizes, zero, and always the same memory") {
    const auto replay = replay_of(recorded(), 1000);
    const auto runner = make_replay_runner(replay);
    const auto first = runner->run(layers(0, 1), replay->frontier(0), false);
    const auto second = runner->run(layers(0, 1), replay->frontier(0), false);
    REQUIRE(first.ok());
    REQUIRE(second.ok());
    CHECK_FALSE(first->inference.has_value());
    REQUIRE(first->outputs.size() == 3);
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < 3; ++i) {
        const HostTensor& tensor = first->outputs[i];
        CHECK(tensor.meta.value == ValueId{i});
        CHECK(tensor.meta.dtype == DType::u8);
        CHECK(tensor.meta.bytes() == tensor.bytes.size());
        CHECK(tensor.bytes.data() == second->outputs[i].bytes.data());
        CHECK(std::all_of(tensor.bytes.data(), tensor.bytes.data() + tensor.bytes.size(),
                          [](std::byte b) { return b == std::byte{0}; }));
        bytes += tensor.bytes.size();
    }
    CHECK(bytes == 1000);
    CHECK(first->outputs[0].bytes.size() == 334);
    CHECK(first->outputs[2].bytes.size() == 333);
    // Work without tensors would be refused by whoever gets it.
    const auto third = runner->run(layers(1, 2), first->outputs, false);
    REQUIRE(third.ok());
    REQUIRE(third->outputs.size() == 1);
    CHECK(third->outputs[0].bytes.size() == 40);
}

TEST_CASE("a run that ends the model gives a result in which nothing was found") {
    const auto replay = replay_of(recorded(), 1000);
    const auto output = make_replay_runner(replay)->run(layers(2, 3), replay->frontier(2), true);
    REQUIRE(output.ok());
    CHECK(output->outputs.empty());
    REQUIRE(output->inference.has_value());
    CHECK(*output->inference == Inference{});
}

TEST_CASE("layers that the profile does not have, and a frontier of another size, are the job's failure") {
    const auto replay = replay_of(recorded(), 1000);
    const auto runner = make_replay_runner(replay);
    for (const UnitRange units : {layers(0, 4), layers(2, 2), layers(2, 1), layers(7, 9)})
        CHECK_FALSE(runner->run(units, replay->frontier(0), false).ok());
    const auto wrong = runner->run(layers(1, 2), replay->frontier(0), false);
    CHECK(wrong.error().message == "layer 1 was given 12 bytes, the profile says 1000");
}

TEST_CASE("a profile without layers, or with more than a message carries, cannot be replayed") {
    CHECK(Replay::make(ModelProfile{}, 1).error().message == "the profile has no layers");
    ModelProfile profile = recorded();
    profile.layers[2].frontier_bytes = work_bytes_max;
    CHECK(Replay::make(profile, 1).error().message ==
          "the tensors before layer 2 have 268435456 bytes, more than a message may");
}

TEST_CASE("a lane in the midst of a day's run can be ended at once, and waits for nothing any more") {
    ModelProfile profile = recorded();
    profile.layers[1].time = 24h;
    const auto replay = replay_of(profile);
    std::promise<Finished> done;
    {
        ComputeLane lane([&] { return make_replay_runner(replay); }, 1.0, 1,
                         [&](Finished finished) { done.set_value(std::move(finished)); });
        lane.start(JobId{1}, layers(0, 3), replay->frontier(0), true);
        replay->end();
    }
    auto finished = done.get_future();
    REQUIRE(finished.wait_for(0s) == std::future_status::ready);
    CHECK_FALSE(finished.get().output.ok());
    CHECK_FALSE(replay->wait_until(real_now() + 24h));
}

TEST_CASE("a camera's frame is the most square picture that fills the first layer's bytes") {
    const auto is = [](uint64_t bytes, uint32_t width, uint32_t height) {
        const auto size = frame_of(bytes);
        REQUIRE(size.ok());
        CHECK(size->width == width);
        CHECK(size->height == height);
    };
    is(150528, 224, 224);
    is(3, 1, 1);
    is(18, 3, 2);
    is(21, 7, 1);
    CHECK(rc::check("every other picture of so many bytes is less square", [] {
        const auto height = *rc::gen::inRange<uint64_t>(1, 1000);
        const auto width = *rc::gen::inRange<uint64_t>(1, 1000);
        const auto size = frame_of(width * height * 3);
        RC_ASSERT(size.ok());
        RC_ASSERT(uint64_t{size->width} * size->height == width * height);
        RC_ASSERT(size->width >= size->height);
        RC_ASSERT(size->height >= std::min(width, height));
    }));
    for (const uint64_t bytes : {uint64_t{0}, uint64_t{10}, uint64_t{3} << 40})
        CHECK(frame_of(bytes).error().message == std::to_string(bytes) + " bytes are no picture of 3 bytes a pixel");
}
