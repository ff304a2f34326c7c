// eddy doctor: what this device itself shows.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "models/engine/torch_engine.hpp"
#include "src/app/identity.hpp"
#include "src/app/recorded_profile.hpp"
#include "src/cli/doctor.hpp"
#include "src/config/node_config.hpp"
#include "src/control/protocol.hpp"
#include "src/transport/line_server.hpp"
#include "src/transport/tcp.hpp"

namespace eddy::cli {
namespace {

namespace fs = std::filesystem;
using control::Check;
using control::well;
using control::wrong;

constexpr Usec answer_within = std::chrono::seconds(3);
constexpr uint64_t free_bytes_min = uint64_t{1} << 20;

Check data_dir_check(const NodeConfig& config) {
    const auto problem = [&](const std::string& what) {
        return wrong("data_dir", config.data_dir, what,
                     fmt::format("give this user the folder (`sudo install -d -o {} {}`), or set [node] data_dir to "
                                 "one that it may write to",
                                 ::geteuid(), config.data_dir));
    };
    fs::path folder(config.data_dir);
    std::error_code failed;
    while (!fs::exists(folder, failed) && folder.has_relative_path()) folder = folder.parent_path();
    if (!fs::is_directory(folder, failed)) return problem(folder.string() + " is not a folder");
    if (::access(folder.c_str(), W_OK | X_OK) != 0)
        return problem("cannot write to " + folder.string() + ": " + std::strerror(errno));
    struct statvfs disk {};
    if (::statvfs(folder.c_str(), &disk) == 0 && uint64_t{disk.f_bavail} * disk.f_frsize < free_bytes_min)
        return wrong("data_dir", config.data_dir, "the disk is full",
                     "free some space: a node keeps its identity there");
    if (const auto id = app::expected_id(config); !id)
        return wrong("data_dir", config.data_dir, id.error().message,
                     "the file must be readable for this user and whole; without it the node starts as a new one");
    return well("data_dir", config.data_dir,
                folder == fs::path(config.data_dir) ? "can be written to" : "will be made at the first start");
}

/// Asks the running node, if there is one.
Check control_check(const NodeConfig& config, std::optional<control::NodeStatus>& status) {
    std::string line = control::request_line(control::Request::status);
    line.pop_back();
    const std::string& path = config.control_socket;
    const auto answer = transport::ask(path, line, answer_within);
    if (!answer) {
        const std::string& why = answer.error().message;
        std::error_code none;
        if (!fs::exists(path, none) || why.find("is the node running?") != std::string::npos)
            return well("node", path, "does not run: its ring is looked at from outside");
        return wrong("node", path, why,
                     "a node that hangs or belongs to another user: look at it (`systemctl status eddy-node`, `ps`), "
                     "and end it if it does not answer");
    }
    const auto reply = control::read_reply(*answer);
    auto told = reply ? control::from_json(*reply) : Result<control::NodeStatus>(reply.error());
    if (!told)
        return wrong("node", path, told.error().message,
                     "node and doctor are of different releases: install the same one, and restart the node");
    status = std::move(*told);
    return well("node", path,
                fmt::format("runs: {} ({}), incarnation {}, in a ring of {}", status->name, status->id.substr(0, 8),
                            status->incarnation, status->ring.size()));
}

Check listen_check(const NodeConfig& config, const std::optional<control::NodeStatus>& status, transport::Loop& loop) {
    const std::string where = config::to_string(config.listen);
    if (status) {
        if (status->name == config.name)
            return well("listen", where, "the running node listens, at " + status->address);
        return wrong("listen", where, "the node that answers is \"" + status->name + "\", not \"" + config.name + "\"",
                     "give each node a data_dir (or control_socket) of its own");
    }
    transport::TcpListener listener(loop, [](auto) {});
    const auto bound = listener.listen(config.listen, config.cluster_key.empty());
    if (bound) return well("listen", where, "is free");
    return wrong("listen", where, bound.error().message,
                 bound.error().code == ErrorCode::unavailable
                     ? fmt::format("`ss -ltnp 'sport = :{}'` names the program: end it, or choose another port in "
                                   "[node] listen",
                                   config.listen.port)
                     : "[node] listen is an address of this device (`ip address`), or 0.0.0.0; ports below 1024 need "
                       "privileges");
}

Check advertise_check(const NodeConfig& config) {
    const Endpoint& told = config.advertise.value_or(config.listen);
    const std::string where = config::to_string(told);
    const bool remote_seeds = std::any_of(config.seeds.begin(), config.seeds.end(),
                                          [](const Endpoint& seed) { return !config::is_loopback(seed); });
    const auto problem = [&](const std::string& what) {
        return wrong("advertise", where, what,
                     "set [node] advertise to this device's address in the network of the other nodes (`ip address`)");
    };
    if (transport::is_wildcard(told.host)) return problem("nobody can dial " + told.host);
    if (config::is_loopback(told) && remote_seeds)
        return problem("others are told to dial " + where +
                       ", which leads each of them to itself, and there are seeds "
                       "on other devices");
    if (config.advertise && !config::is_loopback(told) && config::is_loopback(config.listen))
        return wrong("advertise", where,
                     "others are told to dial it, but [node] listen takes only loopback connections",
                     "set [node] listen to 0.0.0.0:" + std::to_string(config.listen.port));
    return well("advertise", where, config::is_loopback(told) ? "for nodes on this device only" : "is told to others");
}

/// What was found in `path`, against what the running node has.
Check loaded_check(const std::string& path, const ContentHash& chain_hash, size_t layers, control::OwnFacts& own) {
    const std::string hash = to_string(chain_hash);
    if (own.status && own.status->chain_hash != hash)
        return wrong("model", path, "the running node has loaded another one", "restart eddy-node");
    own.chain_hash = hash;
    return well("model", path, fmt::format("{} layers, hash {}", layers, hash.substr(0, 8)));
}

Check replay_check(const std::string& path, control::OwnFacts& own) {
    const auto profile = app::recorded_profile(path);
    if (!profile) return wrong("model", path, profile.error().message, "record or copy the profile again");
    Check check = loaded_check(path, profile->chain_hash, profile->layers.size(), own);
    if (check.ok) check.problem += "; replayed: this node computes nothing";
    return check;
}

Check model_check(const NodeConfig& config, control::OwnFacts& own) {
    if (!config.replay.empty()) return replay_check(config.replay, own);
    const std::string& path = config.model_path;
    if (path.empty()) return well("model", "[model] path", "none: this node only relays");
    const auto model = engine::load_model(path);
    if (!model)
        return wrong("model", path, model.error().message,
                     "make it again or copy it from a node where it works; `eddy model inspect` shows more");
    return loaded_check(path, (*model)->chain_hash(), (*model)->chain().layers().size(), own);
}

}  // namespace

DoctorDevice examine_device(const NodeConfig& config, transport::Loop& loop) {
    DoctorDevice device;
    device.own.cluster = config.cluster;
    device.own.version = transport::protocol_version;
    device.checks.push_back(data_dir_check(config));
    device.checks.push_back(control_check(config, device.own.status));
    if (device.own.status)
        device.own.id = device.own.status->id;
    else if (const auto id = app::expected_id(config))
        device.own.id = to_string(*id);
    device.checks.push_back(listen_check(config, device.own.status, loop));
    device.checks.push_back(advertise_check(config));
    device.checks.push_back(model_check(config, device.own));
    return device;
}

}  // namespace eddy::cli
