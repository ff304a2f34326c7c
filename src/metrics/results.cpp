#include "src/metrics/results.hpp"

#include <cmath>
#include <fstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "eddy/json_fields.hpp"

namespace eddy::metrics {
namespace {

using Json = nlohmann::ordered_json;
using Fields = JsonFields<Json>;

/// Far above what detections_max boxes with long names take.
constexpr size_t line_bytes_max = size_t{1} << 20;

/// Floats as few digits: 0.9, not 0.8999999761581421. A millionth of a frame is below every pixel.
double rounded(float value) { return std::round(static_cast<double>(value) * 1e6) / 1e6; }

std::string_view word(FrameState state) {
    switch (state) {
        case FrameState::completed: return "completed";
        case FrameState::failed: return "failed";
        case FrameState::dropped: return "dropped";
    }
    return "failed";
}

FrameState read_state(const Fields& fields) {
    const std::string text = fields.text("state");
    for (const FrameState state : {FrameState::completed, FrameState::failed, FrameState::dropped})
        if (text == word(state)) return state;
    fields.fail("state", "\"completed\", \"failed\" or \"dropped\"");
    return FrameState::failed;
}

NamedDetection read_detection(const Fields& fields) {
    NamedDetection detection;
    detection.label = static_cast<uint32_t>(fields.count("label", UINT32_MAX));
    detection.name = fields.text("name");
    detection.score = fields.number("score");
    std::vector<double> box;
    fields.list("box", 4, [&](const Json& item, const std::string&) {
        if (item.is_number()) box.push_back(item.get<double>());
    });
    if (box.size() == 4) {
        detection.x0 = box[0];
        detection.y0 = box[1];
        detection.x1 = box[2];
        detection.y1 = box[3];
    } else {
        fields.fail("box", "four numbers");
    }
    return detection;
}

}  // namespace

ResultLine make_result_line(const std::string& source, const FrameId& frame, const Outcome& outcome,
                            const std::vector<std::string>& labels, Usec settled_at) {
    const auto name_of = [&labels](uint32_t label) { return label < labels.size() ? labels[label] : std::string(); };
    ResultLine line;
    line.source = source;
    line.k = frame.k;
    line.incarnation = frame.incarnation.value;
    line.state = outcome.state;
    line.reason = outcome.reason;
    line.settled_unix_s = to_seconds(settled_at);
    line.hops = outcome.hops;
    line.local = outcome.local;
    if (outcome.state != FrameState::completed) return line;
    line.completion_ms = to_ms(outcome.completion);
    for (const Detection& d : outcome.inference.detections)
        line.detections.push_back(
            {d.label, name_of(d.label), rounded(d.score), rounded(d.x0), rounded(d.y0), rounded(d.x1), rounded(d.y1)});
    for (const ClassScore& c : outcome.inference.classes)
        line.classes.push_back({c.label, name_of(c.label), rounded(c.score)});
    return line;
}

std::string to_json(const ResultLine& line) {
    Json value = {{"source", line.source},
                  {"k", line.k},
                  {"incarnation", line.incarnation},
                  {"position", line.position ? Json(*line.position) : Json(nullptr)},
                  {"state", word(line.state)},
                  {"reason", line.reason},
                  {"completion_ms", line.completion_ms ? Json(*line.completion_ms) : Json(nullptr)},
                  {"settled_unix_s", line.settled_unix_s ? Json(*line.settled_unix_s) : Json(nullptr)},
                  {"hops", line.hops},
                  {"local", line.local},
                  {"detections", Json::array()},
                  {"classes", Json::array()}};
    for (const auto& d : line.detections)
        value["detections"].push_back(
            {{"label", d.label}, {"name", d.name}, {"score", d.score}, {"box", {d.x0, d.y0, d.x1, d.y1}}});
    for (const auto& c : line.classes)
        value["classes"].push_back({{"label", c.label}, {"name", c.name}, {"score", c.score}});
    return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<ResultLine> parse_result_line(std::string_view text) {
    if (text.size() > line_bytes_max) return invalid("result: a line that is too long");
    const Json value = Json::parse(text, nullptr, false);
    if (value.is_discarded()) return invalid("result: not JSON");
    std::string problem;
    const Fields fields(value, "result", problem);
    ResultLine line;
    line.source = fields.text("source");
    line.k = fields.count("k");
    line.incarnation = fields.count("incarnation");
    if (value.contains("position") && !fields.is_null("position")) line.position = fields.count("position");
    line.state = read_state(fields);
    line.reason = fields.text("reason");
    if (!fields.is_null("completion_ms")) line.completion_ms = fields.number("completion_ms");
    if (value.contains("settled_unix_s") && !fields.is_null("settled_unix_s"))
        line.settled_unix_s = fields.number("settled_unix_s");
    line.hops = static_cast<uint32_t>(fields.count("hops", UINT32_MAX));
    line.local = fields.flag("local");
    fields.list("detections", detections_max, [&](const Json& item, const std::string& place) {
        line.detections.push_back(read_detection(Fields(item, place, problem)));
    });
    fields.list("classes", classes_max, [&](const Json& item, const std::string& place) {
        const Fields member(item, place, problem);
        line.classes.push_back(
            {static_cast<uint32_t>(member.count("label", UINT32_MAX)), member.text("name"), member.number("score")});
    });
    if (!problem.empty()) return invalid(problem);
    return line;
}

Result<std::vector<ResultLine>> read_results(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in.is_open()) return unavailable(fmt::format("{}: cannot be read", path));
    std::vector<ResultLine> lines;
    std::string text;
    for (size_t number = 1; std::getline(in, text); ++number) {
        if (text.empty()) continue;
        auto line = parse_result_line(text);
        if (!line.ok()) return invalid(fmt::format("{}:{}: {}", path, number, line.error().message));
        lines.push_back(std::move(*line));
    }
    if (in.bad()) return unavailable(fmt::format("{}: cannot be read", path));
    return lines;
}

}  // namespace eddy::metrics
