#include "src/cli/edgeflow_output.hpp"

#include <algorithm>
#include <map>
#include <optional>

#include <fmt/format.h>

#include "eddy/text_table.hpp"

namespace eddy::cli {

namespace {

using namespace planner::edgeflow;
using Json = nlohmann::ordered_json;
using Align = TextTable::Align;

constexpr double us_per_ms = 1000;
constexpr double bytes_per_kb = 1000;

/// The device that alone is soonest is what all are compared with.
double alone_us(const EdgeflowAnswer& answer) {
    for (const EdgeflowOutcome& outcome : answer.outcomes)
        if (outcome.by == Planner::one_device && outcome.planned) return outcome.planned->latency_us;
    return 0;
}

/// Nothing if no device could make a frame alone.
std::optional<double> against_alone(const EdgeflowAnswer& answer, const EdgeflowOutcome& outcome) {
    const double alone = alone_us(answer);
    if (alone <= 0) return std::nullopt;
    return outcome.planned->latency_us / alone;
}

/// A part of a block on one device, all its units together. Rows of it that nobody needs, as behind a stride, cost
/// nothing.
struct Part {
    graph::RowRange rows;  ///< as the plan divides them
    double compute_us = 0;
    uint64_t received_bytes = 0;
    uint32_t messages = 0;
};

std::vector<Part> parts_of(const EdgeflowAnswer& answer, uint32_t block) {
    const EdgeflowOutcome& outcome = answer.outcomes[answer.shown];
    std::vector<Part> parts(answer.problem.devices());
    for (size_t device = 0; device < parts.size(); ++device)
        parts[device].rows = outcome.planned->plan.blocks[block].part(device);
    for (const Unit& unit : outcome.units.units) {
        if (unit.block != block || unit.part.empty()) continue;
        parts[unit.device].compute_us += unit.cost_us;
    }
    for (const auto& message : outcome.units.messages) {
        if (message.block != block) continue;
        parts[message.to].received_bytes += message.bytes;
        ++parts[message.to].messages;
    }
    return parts;
}

/// As the model's author named it.
std::string place_of(const graph::Operator& op) {
    return op.place.empty() ? op.kind.substr(op.kind.find("::") + 2) : op.place;
}

/// Operators of a kind of which one device makes everything, and why.
struct WholeKind {
    std::string kind;
    std::string why;
    std::string first;
    uint32_t count = 0;
};

std::string why_whole(const graph::ModelGraph& graph, const graph::Operator& op) {
    if (!graph::has_row_rule(op.kind)) return "no rule says which rows it needs";
    const auto is_one_row = [&](ValueId id) { return graph::row_count(graph.value(id)) == 1; };
    const bool one_row = std::all_of(op.inputs.begin(), op.inputs.end(), is_one_row);
    return one_row ? "what it is given is one row" : "its rule does not fit its shapes or attributes here";
}

std::vector<WholeKind> whole_kinds(const planner::edgeflow::Problem& problem) {
    std::vector<WholeKind> kinds;
    const auto& operators = problem.graph().operators();
    for (size_t i = 0; i < operators.size(); ++i) {
        if (problem.rules()[i].divisible()) continue;
        WholeKind made{operators[i].kind, why_whole(problem.graph(), operators[i]), place_of(operators[i])};
        const auto same = [&](const WholeKind& each) { return each.kind == made.kind && each.why == made.why; };
        auto known = std::find_if(kinds.begin(), kinds.end(), same);
        if (known == kinds.end()) known = kinds.insert(kinds.end(), std::move(made));
        ++known->count;
    }
    return kinds;
}

/// "layer1.0.conv1 … layer1.2.conv3".
std::string places_of(const EdgeflowAnswer& answer, const Block& block) {
    const auto& steps = answer.problem.steps();
    const auto& operators = answer.problem.graph().operators();
    const std::string first = place_of(operators[steps[block.first].first]);
    const std::string last = place_of(operators[steps[block.last - 1].first]);
    return first == last ? first : first + " … " + last;
}

Json planners_json(const EdgeflowAnswer& answer) {
    Json list = Json::array();
    for (const EdgeflowOutcome& outcome : answer.outcomes) {
        Json item{{"planner", name_of(outcome.by)}, {"planning_ms", outcome.planning_ms}};
        if (outcome.planned) {
            item["predicted_ms"] = outcome.planned->latency_us / us_per_ms;
            const auto ratio = against_alone(answer, outcome);
            item["against_one_device"] = ratio ? Json(*ratio) : Json(nullptr);
            item["blocks"] = outcome.planned->plan.blocks.size();
            item["messages"] = outcome.units.messages.size();
            item["exchanged_bytes"] = outcome.timeline.bytes;
        } else {
            item["failed"] = outcome.planned.error().message;
        }
        list.push_back(std::move(item));
    }
    return list;
}

Json blocks_json(const EdgeflowAnswer& answer) {
    Json list = Json::array();
    const Plan& plan = answer.outcomes[answer.shown].planned->plan;
    for (uint32_t index = 0; index < plan.blocks.size(); ++index) {
        const Block& block = plan.blocks[index];
        Json item{{"first_step", block.first},
                  {"last_step", block.last - 1},
                  {"first_operator", answer.problem.steps()[block.first].first},
                  {"last_operator", answer.problem.steps()[block.last - 1].last - 1},
                  {"place", places_of(answer, block)},
                  {"rows", block.bounds.back()},
                  {"boundary_first", block.boundary_first},
                  {"parts", Json::array()}};
        const auto parts = parts_of(answer, index);
        for (size_t device = 0; device < parts.size(); ++device) {
            const Part& part = parts[device];
            if (part.rows.empty()) continue;
            item["parts"].push_back({{"device", answer.problem.device(device).name},
                                     {"first_row", part.rows.begin},
                                     {"end_row", part.rows.end},
                                     {"compute_ms", part.compute_us / us_per_ms},
                                     {"received_bytes", part.received_bytes},
                                     {"messages", part.messages}});
        }
        list.push_back(std::move(item));
    }
    return list;
}

Json whole_json(const EdgeflowAnswer& answer) {
    Json list = Json::array();
    for (const WholeKind& each : whole_kinds(answer.problem))
        list.push_back({{"operator", each.kind}, {"count", each.count}, {"first", each.first}, {"why", each.why}});
    return list;
}

const char* name_of(PathPiece::What what) {
    switch (what) {
        case PathPiece::What::computing: return "computing";
        case PathPiece::What::transferring: return "transferring";
        case PathPiece::What::handling: return "handling";
    }
    return "";
}

Json path_json(const EdgeflowAnswer& answer) {
    Json list = Json::array();
    const EdgeflowOutcome& outcome = answer.outcomes[answer.shown];
    for (const PathPiece& piece : critical_path(outcome.units, outcome.timeline)) {
        Json item{{"what", name_of(piece.what)}, {"device", answer.problem.device(piece.from).name}};
        if (piece.what == PathPiece::What::transferring) item["to"] = answer.problem.device(piece.to).name;
        item["block"] = piece.block;
        item["begin_ms"] = piece.begin_us / us_per_ms;
        item["end_ms"] = piece.end_us / us_per_ms;
        list.push_back(std::move(item));
    }
    return list;
}

std::string planners_text(const EdgeflowAnswer& answer) {
    TextTable table({{"planner", Align::left},
                     {"predicted ms"},
                     {"of one device"},
                     {"blocks"},
                     {"messages"},
                     {"exchanged kB"},
                     {"planning ms"}});
    for (const EdgeflowOutcome& outcome : answer.outcomes) {
        std::string name(name_of(outcome.by));
        if (outcome.by == Planner::progressive_lp) name += " (reconstruction of the paper's)";
        if (!outcome.planned) {
            table.add_row({name, "failed"});
            continue;
        }
        const auto ratio = against_alone(answer, outcome);
        table.add_row({name, fmt::format("{:.2f}", outcome.planned->latency_us / us_per_ms),
                       ratio ? fmt::format("{:.3f}", *ratio) : "–", std::to_string(outcome.planned->plan.blocks.size()),
                       std::to_string(outcome.units.messages.size()),
                       fmt::format("{:.0f}", static_cast<double>(outcome.timeline.bytes) / bytes_per_kb),
                       fmt::format("{:.0f}", outcome.planning_ms)});
    }
    std::string text = table.str();
    for (const EdgeflowOutcome& outcome : answer.outcomes)
        if (!outcome.planned) text += fmt::format("{}: {}\n", name_of(outcome.by), outcome.planned.error().message);
    return text + "\n";
}

std::string blocks_text(const EdgeflowAnswer& answer) {
    std::vector<TextTable::Column> columns{{"block"}, {"from … to", Align::left}, {"rows"}};
    for (size_t device = 0; device < answer.problem.devices(); ++device)
        columns.push_back({answer.problem.device(device).name + ": rows, ms, kB in"});
    columns.push_back({"boundary first"});
    TextTable table(std::move(columns));
    const Plan& plan = answer.outcomes[answer.shown].planned->plan;
    for (uint32_t index = 0; index < plan.blocks.size(); ++index) {
        const Block& block = plan.blocks[index];
        std::vector<std::string> cells{std::to_string(index), places_of(answer, block),
                                       std::to_string(block.bounds.back())};
        for (const Part& part : parts_of(answer, index))
            cells.push_back(part.rows.empty()
                                ? "–"
                                : fmt::format("{}, {:.2f}, {:.0f}", part.rows.size(), part.compute_us / us_per_ms,
                                              static_cast<double>(part.received_bytes) / bytes_per_kb));
        cells.emplace_back(block.boundary_first ? "yes" : "");
        table.add_row(std::move(cells));
    }
    return fmt::format("{}:\n", name_of(answer.outcomes[answer.shown].by)) + table.str() +
           "rows: of the block's largest output; ms: of computing them, halo rows included; kB in: rows it lacks\n";
}

std::string whole_text(const EdgeflowAnswer& answer) {
    TextTable table(
        {{"made whole by one device", Align::left}, {"times"}, {"first", Align::left}, {"why", Align::left}});
    const auto kinds = whole_kinds(answer.problem);
    for (const WholeKind& each : kinds) table.add_row({each.kind, std::to_string(each.count), each.first, each.why});
    return kinds.empty() ? "" : "\n" + table.str();
}

/// What the latency is made of, and what each device is worth.
std::string explanation_text(const EdgeflowAnswer& answer) {
    const EdgeflowOutcome& outcome = answer.outcomes[answer.shown];
    std::map<std::string, double> total_us;
    TextTable path({{"from ms"}, {"to ms"}, {"what the result waits for", Align::left}, {"for block"}});
    for (const PathPiece& piece : critical_path(outcome.units, outcome.timeline)) {
        const std::string& from = answer.problem.device(piece.from).name;
        const std::string what = piece.what == PathPiece::What::transferring
                                     ? fmt::format("transferring {} → {}", from, answer.problem.device(piece.to).name)
                                     : fmt::format("{} on {}", name_of(piece.what), from);
        total_us[what] += piece.end_us - piece.begin_us;
        path.add_row({fmt::format("{:.2f}", piece.begin_us / us_per_ms),
                      fmt::format("{:.2f}", piece.end_us / us_per_ms), what, std::to_string(piece.block)});
    }
    TextTable sums({{"what", Align::left}, {"ms"}, {"% of the latency"}});
    for (const auto& [what, us] : total_us)
        sums.add_row({what, fmt::format("{:.2f}", us / us_per_ms),
                      fmt::format("{:.1f}", 100 * us / outcome.planned->latency_us)});
    return "\nThe critical path: to make a frame faster, one of these must become faster.\n" + path.str() +
           "\nTogether:\n" + sums.str();
}

}  // namespace

Json edgeflow_json(const EdgeflowAnswer& answer) {
    Json json{{"schema", "eddy.edgeflow_plan/1"},
              {"experiment", answer.experiment.name},
              {"model", answer.model},
              {"row_profile_device", answer.row_profile_device},
              {"source", answer.problem.device(answer.problem.source()).name},
              {"planners", planners_json(answer)},
              {"shown", name_of(answer.outcomes[answer.shown].by)},
              {"blocks", blocks_json(answer)},
              {"whole", whole_json(answer)}};
    if (answer.explain) json["critical_path"] = path_json(answer);
    return json;
}

std::string edgeflow_text(const EdgeflowAnswer& answer) {
    const std::string head = fmt::format(
        "{}: {} over {} devices, frames at {}; times measured on {}\n\n", answer.experiment.name, answer.model,
        answer.problem.devices(), answer.problem.device(answer.problem.source()).name, answer.row_profile_device);
    return head + planners_text(answer) + blocks_text(answer) + whole_text(answer) +
           (answer.explain ? explanation_text(answer) : "");
}

}  // namespace eddy::cli
