#include "lab/nodes.hpp"

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "eddy/real_clock.hpp"
#include "src/control/protocol.hpp"
#include "src/control/status.hpp"

namespace eddy::lab {

namespace {

constexpr Usec answer_within = std::chrono::seconds(2);
constexpr size_t log_end_bytes = 2000;

std::string text_of(const std::filesystem::path& path, size_t from_end = SIZE_MAX) {
    std::ifstream file(path, std::ios::binary);
    file.seekg(0, std::ios::end);
    const auto size = static_cast<size_t>(std::max<std::streamoff>(file.tellg(), 0));
    file.seekg(static_cast<std::streamoff>(size - std::min(size, from_end)));
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

}  // namespace

Status Nodes::start(const DevicePlan& plan, const Place& place) {
    const std::filesystem::path folder = plan.node.data_dir;
    std::error_code failed;
    std::filesystem::remove_all(folder, failed);
    std::filesystem::create_directories(folder, failed);
    std::ofstream file(folder / "node.toml");
    file << node_file(plan.node);
    file.close();
    if (!file) return unavailable("cannot write " + (folder / "node.toml").string());
    auto process = Process::start(place,
                                  {program_, "--config", folder / "node.toml", "--report", folder / "report.json",
                                   "--results", folder / "results.jsonl"},
                                  {{"XDG_CACHE_HOME", folder / "cache"}}, folder / "node.log");
    if (!process) return Error{process.error().code, plan.node.name + ": " + process.error().message};
    nodes_.push_back({plan.node.name, folder, plan.node.control_socket, std::move(*process), {}});
    return success();
}

std::string Nodes::log_end(const Node& node) const {
    return text_of(std::filesystem::path(node.folder) / "node.log", log_end_bytes);
}

Status Nodes::all_run() {
    for (Node& node : nodes_)
        if (!node.process.running())
            return unavailable(fmt::format("node {} ended by itself, with {}; the end of its log:\n{}", node.name,
                                           node.process.wait_for(Usec(0)).value_or(-1), log_end(node)));
    return success();
}

std::optional<std::string> Nodes::address(size_t node) const {
    const auto reply = ask_(nodes_[node].socket, "status", answer_within);
    if (!reply) return std::nullopt;
    const auto status = control::from_json(*reply);
    if (!status) return std::nullopt;
    return status->address;
}

bool Nodes::ring_formed() const {
    return std::all_of(nodes_.begin(), nodes_.end(), [this](const Node& node) {
        const auto reply = ask_(node.socket, "status", answer_within);
        if (!reply) return false;
        const auto status = control::from_json(*reply);
        return status && status->ring.size() == nodes_.size();
    });
}

Look Nodes::look() {
    Look look;
    look.at_unix_s = to_seconds(real_wall_clock());
    for (Node& node : nodes_) {
        if (const auto reply = ask_(node.socket, "report", answer_within))
            if (auto report = metrics::from_json(*reply)) node.last = std::move(*report);
        look.reports.push_back(node.last);
    }
    return look;
}

Status Nodes::tell(size_t node, const std::string& line) {
    const auto reply = ask_(nodes_[node].socket, line, answer_within);
    if (!reply) return Error{reply.error().code, nodes_[node].name + ": " + reply.error().message};
    if (const auto read = control::read_reply(*reply); !read)
        return Error{read.error().code, nodes_[node].name + ": " + read.error().message};
    return success();
}

Status Nodes::end(Usec within) {
    for (Node& node : nodes_) node.process.signal(SIGTERM);
    const Instant until = real_now() + within;
    std::vector<std::string> problems;
    for (Node& node : nodes_) {
        std::optional<int> code;
        // A signal to this process cuts a wait short.
        while (!(code = node.process.wait_for(std::max(Usec(0), until - real_now()))) && real_now() < until) {
        }
        if (!code)
            problems.push_back(node.name + " did not end");
        else if (*code != 0)
            problems.push_back(
                fmt::format("{} ended with {}; the end of its log:\n{}", node.name, *code, log_end(node)));
    }
    if (problems.empty()) return success();
    return unavailable(fmt::format("{}", fmt::join(problems, "; ")));
}

Result<std::vector<NodeRecords>> Nodes::records() const {
    std::vector<NodeRecords> records;
    for (const Node& node : nodes_) {
        const std::filesystem::path folder = node.folder;
        auto results = metrics::read_results(folder / "results.jsonl");
        if (!results) return results.error();
        auto report = metrics::from_json(text_of(folder / "report.json"));
        if (!report) return Error{report.error().code, node.name + ": " + report.error().message};
        if (!report->balanced())
            return internal(node.name + ": its report's sums do not hold: " + (folder / "report.json").string());
        records.push_back({std::move(*results), std::move(*report)});
    }
    return records;
}

std::string Nodes::measured_profile(size_t node) const {
    const std::filesystem::path folder = std::filesystem::path(nodes_[node].folder) / "cache/eddy/profiles";
    std::error_code none;
    for (const auto& entry : std::filesystem::directory_iterator(folder, none))
        if (entry.path().extension() == ".json") return text_of(entry.path());
    return {};
}

}  // namespace eddy::lab
