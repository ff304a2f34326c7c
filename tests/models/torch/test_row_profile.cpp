// Goal: the profile of rows has every step, with numbers of rows as planners want them, and times that add up to the
// whole model's.
#include <algorithm>

#include "models/engine/row_profile_json.hpp"
#include "models/torch/row_profiler.hpp"
#include "models/torch/unit.hpp"
#include "support.hpp"

using namespace eddy;
using namespace eddy::test;
using namespace eddy::torch_exec;
using graph::RowStep;

namespace {

RowProfile must_measure(const std::string& name, const engine::ProfileOptions& options) {
    const auto profile = measure_row_profile(must_load(made_model(name)), options);
    if (!profile) FAIL(profile.error().message);
    return *profile;
}

}  // namespace

TEST_CASE("steps are measured with few rows and with many, ascending up to all of them") {
    for (int64_t rows = 1; rows <= 300; ++rows) {
        for (const auto kind : {RowStep::Kind::rows, RowStep::Kind::reduction}) {
            const std::vector<int64_t> counts = measured_rows({0, 1, kind, rows});
            CHECK(counts.back() == rows);
            CHECK(counts.front() == 1);
            CHECK(counts.size() >= std::min<size_t>(6, static_cast<size_t>(rows)));
            CHECK(counts.size() <= 7);
            for (size_t i = 1; i < counts.size(); ++i) CHECK(counts[i] > counts[i - 1]);
        }
        CHECK(measured_rows({0, 1, RowStep::Kind::whole, rows}) == std::vector<int64_t>{rows});
    }
    CHECK(measured_rows({0, 1, RowStep::Kind::rows, 56}) == std::vector<int64_t>{1, 2, 7, 14, 28, 42, 56});
}

TEST_CASE("a row profile has every step of the model, and survives its way through JSON") {
    for (const char* name : {"Windows", "Grows", "vit_small"}) {
        const auto model = must_load(made_model(name));
        const RowProfile profile = must_measure(name, {.repeats = 2, .warm_up = 1});
        CHECK(profile.model == std::string(name) + ".pt");
        CHECK(profile.model_hash == model->model_hash());
        CHECK_FALSE(profile.device.empty());
        CHECK(profile.unit_us > 0);
        CHECK(profile.gather_us_per_byte >= 0);
        const auto steps = graph::row_steps(model->graph(), model->row_rules());
        REQUIRE(profile.steps.size() == steps.size());
        for (size_t i = 0; i < steps.size(); ++i) {
            const StepTimes& times = profile.steps[i];
            CHECK(times.first == steps[i].first);
            CHECK(times.last == steps[i].last);
            const auto counts = measured_rows(steps[i]);
            REQUIRE(times.times.size() == counts.size());
            for (size_t n = 0; n < counts.size(); ++n) {
                CHECK(times.times[n].rows == static_cast<uint32_t>(counts[n]));
                CHECK(times.times[n].time_us >= 0);
            }
        }
        const auto back = engine::row_profile_from_json(engine::row_profile_to_json(profile));
        REQUIRE(back.ok());
        CHECK(*back == profile);
    }
}

TEST_CASE("times of all rows add up to the whole model's, and few rows take less than all") {
    const auto model = must_load(made_model("resnet50_scripted"));
    const RowProfile profile = must_measure("resnet50_scripted", {.repeats = 3, .warm_up = 1, .seconds_max = 20});
    const auto whole = Unit::compile(model, unit_between(model->graph(), 0, model->graph().cuts() - 1));
    REQUIRE(whole.ok());
    std::vector<double> times_us;
    for (int i = 0; i < 9; ++i)
        times_us.push_back(
            static_cast<double>((*whole)->time_operators(std::vector{noise_frame(*model, 1)}, 1).value().count()));
    std::sort(times_us.begin(), times_us.end());
    double all_us = 0;
    double least_us = 0;
    for (const StepTimes& step : profile.steps) {
        all_us += step.times.back().time_us;
        least_us += step.times.front().time_us;
    }
    // Loose, as this machine may be busy.
    CHECK(all_us > times_us[1] / 3);
    CHECK(all_us < times_us[4] * 3);
    CHECK(least_us < all_us);
}

TEST_CASE("measuring ends soon if it may not last, and needs the weights of all layers") {
    const RowProfile profile = must_measure("Windows", {.repeats = 100000, .seconds_max = 0});
    for (const StepTimes& step : profile.steps) CHECK_FALSE(step.times.empty());
    const auto model = Model::load(made_model("resnet18")).value();
    model->keep_only({0, 2});
    const auto refused = measure_row_profile(model, {});
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code == ErrorCode::unsupported);
}
