// eddy doctor: why is a peer not seen? Looks at this device, then asks every address that matters, and says for each
// what is wrong and what to do.
#include <algorithm>
#include <iostream>
#include <set>
#include <sstream>

#include "eddy/time.hpp"
#include "src/cli/commands.hpp"
#include "src/cli/doctor.hpp"
#include "src/config/node_config.hpp"

namespace eddy::cli {
namespace {

struct Options {
    std::string config_path;
    double timeout_s = 5;
    bool json = false;
};

constexpr size_t targets_max = 256;

int show(const control::Checks& checks, bool json, int code_if_wrong) {
    std::cout << (json ? control::to_json(checks) : control::print(checks));
    return control::all_well(checks) ? exit_done : code_if_wrong;
}

/// A configuration's mistakes come one on a line.
control::Checks config_problems(const std::string& path, const std::string& message) {
    control::Checks checks;
    std::istringstream lines(message);
    for (std::string line; std::getline(lines, line);)
        checks.push_back(
            control::wrong("config", path, line, "correct this line; `eddy-node --help-config` shows every key"));
    return checks;
}

/// Seeds, then what the running node knows besides: itself as others are told to dial it, its ring, and whom it could
/// not reach. Each address once.
std::vector<DoctorTarget> targets_of(const NodeConfig& config, const std::optional<control::NodeStatus>& status) {
    std::vector<DoctorTarget> targets;
    std::set<Endpoint> seen;
    const auto add = [&](const char* kind, const Endpoint& endpoint) {
        if (targets.size() < targets_max && seen.insert(endpoint).second) targets.push_back({kind, endpoint});
    };
    for (const Endpoint& seed : config.seeds) add("seed", seed);
    if (!status) return targets;
    const auto add_text = [&](const char* kind, const std::string& address) {
        if (const auto endpoint = config::parse_endpoint(address)) add(kind, *endpoint);
    };
    add_text("advertise", status->address);
    for (const auto& member : status->ring)
        if (!member.self) add_text("member", member.address);
    for (const auto& unreached : status->unreached) add_text("peer", unreached.address);
    return targets;
}

/// A member that is a seed too, by another address, is told once unless something is odd about it.
bool told_already(const control::PeerProbe& probe, const control::Checks& checks, std::set<std::string>& ids) {
    if (!probe.hello || probe.reach != control::Reach::proved) return false;
    const bool known = !ids.insert(probe.hello->id).second;
    return known && probe.kind != "seed" && control::all_well(checks);
}

int doctor(const Options& options) {
    const auto config = config::load_node_config(options.config_path);
    if (!config) return show(config_problems(options.config_path, config.error().message), options.json, exit_usage);
    control::Checks checks{control::well("config", options.config_path, "in order")};
    transport::Loop loop;
    auto device = examine_device(*config, loop);
    checks.insert(checks.end(), device.checks.begin(), device.checks.end());
    const auto targets = targets_of(*config, device.own.status);
    if (config->seeds.empty())
        checks.push_back(
            control::well("seeds", options.config_path, "none: other nodes must have this one for a seed"));
    std::set<std::string> ids;
    for (const auto& probe : probe_all(*config, targets, from_seconds(options.timeout_s), loop)) {
        const auto found = control::explain(probe, device.own);
        if (!told_already(probe, found, ids)) checks.insert(checks.end(), found.begin(), found.end());
    }
    return show(checks, options.json, exit_failed);
}

}  // namespace

void add_doctor_command(CLI::App& program, Chosen& chosen) {
    auto* command = program.add_subcommand("doctor", "Say why a node is not seen by others, and what to do about it");
    auto options = std::make_shared<Options>();
    command->add_option("--config", options->config_path, "The node's TOML file")->required();
    command->add_option("--timeout", options->timeout_s, "Seconds each address has to answer")
        ->check(CLI::Range(0.1, 60.0));
    command->add_flag("--json", options->json, "One eddy.doctor/1 JSON object");
    command->footer(
        "Looks at configuration, folder, port and model of this device, then asks every seed, and if the node runs\n"
        "also every member of its ring. Changes nothing, joins nothing.\n"
        "Example:\n"
        "  eddy doctor --config configs/three-devices/a.toml\n"
        "Exit codes: 0 all well, 1 something is wrong, 2 bad usage or configuration.");
    command->callback([options, &chosen] { chosen = [options] { return doctor(*options); }; });
}

}  // namespace eddy::cli
