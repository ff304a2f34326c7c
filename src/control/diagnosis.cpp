#include "src/control/diagnosis.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace eddy::control {
namespace {

/// Names and reasons may come from other machines: nothing that moves a terminal's cursor is passed on.
std::string clean(std::string text) {
    for (char& c : text)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
    return text;
}

}  // namespace

Check well(std::string check, std::string where, std::string seen) {
    return {std::move(check), std::move(where), true, std::move(seen), ""};
}

Check wrong(std::string check, std::string where, std::string problem, std::string advice) {
    return {std::move(check), std::move(where), false, std::move(problem), std::move(advice)};
}

bool all_well(const Checks& checks) {
    return std::all_of(checks.begin(), checks.end(), [](const Check& check) { return check.ok; });
}

std::string to_json(const Checks& checks) {
    using Json = nlohmann::ordered_json;
    Json list = Json::array();
    for (const Check& check : checks)
        list.push_back({{"check", check.check},
                        {"where", check.where},
                        {"ok", check.ok},
                        {"problem", check.ok ? "" : check.problem},
                        {"advice", check.advice},
                        {"seen", check.ok ? check.problem : ""}});
    const Json value = {{"schema", doctor_schema}, {"ok", all_well(checks)}, {"checks", list}};
    return value.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string print(const Checks& checks) {
    size_t check_width = 0;
    size_t where_width = 0;
    for (const Check& check : checks) {
        check_width = std::max(check_width, check.check.size());
        where_width = std::max(where_width, std::min<size_t>(check.where.size(), 40));
    }
    std::string text;
    size_t problems = 0;
    for (const Check& check : checks) {
        text += clean(fmt::format("{}  {:{}}  {:{}}  {}", check.ok ? "ok   " : "WRONG", check.check, check_width,
                                  check.where, where_width, check.problem)) +
                "\n";
        if (check.ok) continue;
        ++problems;
        text += "       to do: " + clean(check.advice) + "\n";
    }
    const char* noun = problems == 1 ? "problem" : "problems";
    return text + (problems == 0 ? fmt::format("all well: {} checks\n", checks.size())
                                 : fmt::format("{} {} in {} checks\n", problems, noun, checks.size()));
}

}  // namespace eddy::control
