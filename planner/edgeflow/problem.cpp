#include "planner/edgeflow/problem.hpp"

#include <algorithm>
#include <cmath>

namespace eddy::planner::edgeflow {

namespace {

bool positive(double number) { return std::isfinite(number) && number > 0; }
bool not_negative(double number) { return std::isfinite(number) && number >= 0; }

}  // namespace

Result<Problem> Problem::make(Parts parts) {
    Problem problem(std::move(parts));
    problem.rules_ = graph::row_rules(problem.graph());
    problem.steps_ = graph::row_steps(problem.graph(), problem.rules_);
    for (uint32_t step = 0; step < problem.step_count(); ++step)
        problem.step_of_.resize(problem.steps_[step].last, step);
    for (const graph::Value& value : problem.graph().values())
        problem.row_bytes_.push_back(value.bytes / static_cast<uint64_t>(graph::row_count(value)));
    if (auto checked = problem.check(); !checked) return checked.error();
    return problem;
}

Result<Problem> Problem::of_structure(graph::ModelGraph graph, size_t devices, size_t source) {
    RowProfile free;
    for (const graph::RowStep& step : graph::row_steps(graph, graph::row_rules(graph)))
        free.steps.push_back({step.first, step.last, {{static_cast<uint32_t>(step.rows), 0}}});
    Parts parts{std::move(graph), {std::move(free)}, std::vector<Device>(devices), {}, {}, source};
    parts.links.resize(devices * devices);
    return make(std::move(parts));
}

Result<Problem> Problem::with(std::vector<Device> devices, std::vector<Link> links, size_t source) const {
    Problem changed = *this;
    changed.parts_.devices = std::move(devices);
    changed.parts_.links = std::move(links);
    changed.parts_.source = source;
    if (auto checked = changed.check_cluster(); !checked) return checked.error();
    return changed;
}

Status Problem::check() const {
    if (steps_.empty()) return invalid("the model has no operators");
    if (graph().inputs().size() != 1) return invalid("the model must have one input, the frame");
    for (const RowProfile& profile : parts_.profiles)
        if (auto checked = check_profile(profile); !checked) return checked;
    return check_cluster();
}

Status Problem::check_cluster() const {
    if (parts_.devices.empty() || devices() > devices_max)
        return invalid(std::to_string(devices()) + " devices, allowed: 1 to " + std::to_string(devices_max));
    if (parts_.links.size() != devices() * devices()) return invalid("there is not one link from each device to each");
    if (parts_.source >= devices()) return invalid("the source is none of the devices");
    for (const Device& device : parts_.devices) {
        if (device.profile >= profiles()) return invalid(device.name + ": has no row profile");
        if (!positive(device.speed)) return invalid(device.name + ": its speed must be above 0");
    }
    if (std::none_of(parts_.devices.begin(), parts_.devices.end(), [](const Device& d) { return d.has_model; }))
        return invalid("no device has the model");
    for (const Link& link : parts_.links)
        if (!positive(link.bytes_per_us) || !not_negative(link.delay_us))
            return invalid("a link's speed must be above 0, its delay 0 or more");
    if (!not_negative(parts_.message.fixed_us) || !not_negative(parts_.message.us_per_byte) ||
        !not_negative(parts_.dispatch_us))
        return invalid("what a message or a unit costs must be 0 or more");
    return success();
}

Status Problem::check_profile(const RowProfile& profile) const {
    const std::string name = "row profile of " + profile.model + " on " + profile.device;
    if (!not_negative(profile.unit_us) || !not_negative(profile.gather_us_per_byte))
        return invalid(name + ": what a unit and its inputs take must be 0 or more");
    if (profile.steps.size() != steps_.size())
        return invalid(name + ": has " + std::to_string(profile.steps.size()) + " steps, the model " +
                       std::to_string(steps_.size()));
    for (size_t i = 0; i < steps_.size(); ++i) {
        const StepTimes& times = profile.steps[i];
        const std::string at = name + ": step " + std::to_string(i);
        if (times.first != steps_[i].first || times.last != steps_[i].last)
            return invalid(at + " has other operators than the model's");
        if (times.times.empty() || times.times.back().rows != steps_[i].rows)
            return invalid(at + ": the time of all its " + std::to_string(steps_[i].rows) + " rows is missing");
        uint32_t before = 0;
        for (const RowTime& each : times.times) {
            if (each.rows <= before) return invalid(at + ": rows must ascend");
            if (!not_negative(each.time_us)) return invalid(at + ": a time is not finite, or below 0");
            before = each.rows;
        }
    }
    return success();
}

}  // namespace eddy::planner::edgeflow
