#include "models/engine/row_profile_json.hpp"

#include "models/engine/profile_fields.hpp"
#include "models/graph/graph.hpp"

namespace eddy::engine {

namespace {

using fields::BadProfile;
using fields::json;

void require_object(const json& value, const char* what) {
    if (!value.is_object()) throw BadProfile{std::string(what) + " must be an object"};
}

StepTimes read_step(const json& object, uint32_t first) {
    require_object(object, "a step");
    StepTimes step;
    step.first = static_cast<uint32_t>(fields::count(object, "first", graph::operators_max));
    step.last = static_cast<uint32_t>(fields::count(object, "last", graph::operators_max));
    if (step.first != first || step.last <= step.first)
        throw BadProfile{"it must begin with operator " + std::to_string(first) + ", and have one at least"};
    for (const json& entry : fields::list(object, "times", row_times_max)) {
        require_object(entry, "a time");
        const auto rows = static_cast<uint32_t>(fields::count(entry, "rows", UINT32_MAX));
        if (rows == 0 || (!step.times.empty() && rows <= step.times.back().rows))
            throw BadProfile{"the rows of \"times\" must ascend from at least 1"};
        step.times.push_back({rows, fields::time_us(entry, "time_us")});
    }
    return step;
}

RowProfile read(const json& object, std::string& place) {
    RowProfile profile;
    profile.model = fields::text(object, "model");
    profile.device = fields::text(object, "device");
    profile.model_hash = fields::hash(object, "model_hash");
    profile.unit_us = fields::time_us(object, "unit_us");
    profile.gather_us_per_byte = fields::time_us(object, "gather_us_per_byte");
    for (const json& step : fields::list(object, "steps", graph::operators_max)) {
        place = "steps[" + std::to_string(profile.steps.size()) + "]: ";
        profile.steps.push_back(read_step(step, profile.steps.empty() ? 0 : profile.steps.back().last));
    }
    return profile;
}

}  // namespace

std::string row_profile_to_json(const RowProfile& profile) {
    json steps = json::array();
    for (const StepTimes& step : profile.steps) {
        json times = json::array();
        for (const RowTime& time : step.times) times.push_back({{"rows", time.rows}, {"time_us", time.time_us}});
        steps.push_back({{"first", step.first}, {"last", step.last}, {"times", std::move(times)}});
    }
    const json object = {{"schema", "eddy.row_profile/1"},
                         {"model", profile.model},
                         {"device", profile.device},
                         {"model_hash", to_string(profile.model_hash)},
                         {"unit_us", profile.unit_us},
                         {"gather_us_per_byte", profile.gather_us_per_byte},
                         {"steps", std::move(steps)}};
    return object.dump(1, ' ', false, json::error_handler_t::replace) + "\n";
}

Result<RowProfile> row_profile_from_json(const std::string& text_in) {
    return fields::read_profile<RowProfile>("row profile", "eddy.row_profile/1", row_profile_bytes_max, text_in, read);
}

}  // namespace eddy::engine
