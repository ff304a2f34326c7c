// eddy status, eddy watch, eddy stop, eddy leave: what the control sockets of nodes on this machine say.
#include <condition_variable>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <mutex>

#include <fmt/format.h>
#include <unistd.h>

#include "eddy/real_clock.hpp"
#include "src/cli/commands.hpp"
#include "src/control/protocol.hpp"
#include "src/control/status.hpp"
#include "src/transport/line_server.hpp"

namespace eddy::cli {

namespace {

constexpr Usec answer_within = std::chrono::seconds(3);

Result<std::string> ask(const std::string& socket, const control::Request& request) {
    std::string line = control::request_line(request);
    line.pop_back();
    const auto answer = transport::ask(socket, line, answer_within);
    if (!answer) return answer.error();
    return control::read_reply(*answer);
}

/// Sockets of nodes that use the default data folder.
std::vector<std::string> known_sockets() {
    std::vector<std::string> sockets;
    const char* home = std::getenv("HOME");
    if (home == nullptr) return sockets;
    std::error_code none;
    for (const auto& entry :
         std::filesystem::directory_iterator(std::filesystem::path(home) / ".local/state/eddy", none))
        if (std::filesystem::is_socket(entry.path() / "control.sock", none))
            sockets.push_back(entry.path() / "control.sock");
    std::sort(sockets.begin(), sockets.end());
    return sockets;
}

struct Options {
    std::vector<std::string> sockets;
    bool json = false;
    bool cameras = false;
    double every_s = 1;
    double wait_s = 0;
};

Result<std::vector<std::string>> chosen_sockets(const Options& options) {
    auto sockets = options.sockets.empty() ? known_sockets() : options.sockets;
    if (sockets.empty())
        return unavailable(
            "no node found in ~/.local/state/eddy; name its socket ([node] control_socket in its configuration)");
    return sockets;
}

int status(const Options& options) {
    const auto sockets = chosen_sockets(options);
    if (!sockets) return complain(sockets.error().message);
    int code = exit_done;
    for (const auto& socket : *sockets) {
        const auto reply = ask(socket, control::Request::status);
        if (!reply) {
            code = complain(socket + ": " + reply.error().message);
            continue;
        }
        const auto node = control::from_json(*reply);
        if (!node)
            code = complain(socket + ": " + node.error().message);
        else
            std::cout << (options.json ? control::to_json(*node) : control::print_tables(*node) + "\n");
    }
    return code;
}

std::string progress(const std::vector<control::NodeStatus>& nodes) {
    std::string line;
    double uptime_s = 0;
    for (const auto& node : nodes) {
        uptime_s = std::max(uptime_s, node.uptime_s);
        for (const auto& source : node.sources)
            line += fmt::format(" | {}: {} of {} done, {:.1f}/s, median {:.0f} ms{}", source.name, source.completed,
                                source.captured, source.throughput_per_s, source.completion_p50_ms,
                                source.failed + source.dropped == 0
                                    ? ""
                                    : fmt::format(", {} dropped, {} failed", source.dropped, source.failed));
    }
    const size_t members = nodes.empty() ? 0 : nodes.front().ring.size();
    return fmt::format("{:4.0f} s, {} nodes{}", uptime_s, members, line);
}

int watch(const Options& options) {
    const auto sockets = chosen_sockets(options);
    if (!sockets) return complain(sockets.error().message);
    const bool terminal = ::isatty(STDOUT_FILENO) == 1;
    std::mutex mutex;
    std::condition_variable tick;
    const Instant patience_ends = real_now() + from_seconds(options.wait_s);
    for (uint64_t round = 0;;) {
        std::vector<control::NodeStatus> nodes;
        for (const auto& socket : *sockets)
            if (const auto reply = ask(socket, control::Request::status))
                if (auto node = control::from_json(*reply)) nodes.push_back(std::move(*node));
        if (nodes.empty() && round > 0) {
            if (terminal) std::cout << "\n";
            return exit_done;
        }
        if (nodes.empty() && real_now() >= patience_ends) return complain("no node answers");
        if (!nodes.empty()) {
            // In a log a line a second is noise.
            if (terminal)
                std::cout << "\r\033[K" << progress(nodes) << std::flush;
            else if (round % 5 == 0)
                std::cout << progress(nodes) << std::endl;
            ++round;
        }
        std::unique_lock lock(mutex);
        tick.wait_for(lock, from_seconds(options.every_s));
    }
}

int stop(const Options& options) {
    int code = exit_done;
    const control::Request request = options.cameras ? control::Request::stop_cameras : control::Request::stop;
    for (const auto& socket : options.sockets)
        if (const auto reply = ask(socket, request); !reply) code = complain(socket + ": " + reply.error().message);
    return code;
}

/// A control socket, or the name of a node that uses the default data folder.
Result<std::string> socket_of(const std::string& node) {
    std::error_code none;
    if (std::filesystem::is_socket(node, none)) return node;
    std::string names;
    for (const auto& socket : known_sockets()) {
        const std::string name = std::filesystem::path(socket).parent_path().filename();
        if (name == node) return socket;
        names += (names.empty() ? "" : ", ") + name;
    }
    return unavailable("no node " + node + " found in ~/.local/state/eddy (there: " + (names.empty() ? "none" : names) +
                       "); name its socket ([node] control_socket in its configuration)");
}

/// A node takes its socket with it.
bool gone_within(const std::string& socket, Usec time) {
    std::mutex mutex;
    std::condition_variable tick;
    for (const Instant end = real_now() + time; real_now() < end;) {
        std::error_code none;
        if (!std::filesystem::is_socket(socket, none)) return true;
        std::unique_lock lock(mutex);
        tick.wait_for(lock, std::chrono::milliseconds(100));
    }
    return false;
}

int leave(const Options& options) {
    int code = exit_done;
    for (const auto& node : options.sockets) {
        const auto socket = socket_of(node);
        if (!socket) {
            code = complain(socket.error().message);
        } else if (const auto reply = ask(*socket, control::Request::stop); !reply) {
            code = complain(node + ": " + reply.error().message);
        } else if (options.wait_s > 0 && !gone_within(*socket, from_seconds(options.wait_s))) {
            code = complain(node + " was asked to leave, and is still there after " +
                            fmt::format("{:g} s", options.wait_s));
        } else {
            std::cout << node << (options.wait_s > 0 ? " has left\n" : " was asked to leave\n");
        }
    }
    return code;
}

}  // namespace

void add_status_commands(CLI::App& program, Chosen& chosen) {
    const auto add = [&](const char* name, const char* what, const char* example, int (*run)(const Options&),
                         bool required) {
        auto* command = program.add_subcommand(name, what);
        auto options = std::make_shared<Options>();
        auto* sockets =
            command->add_option("SOCKET", options->sockets, "Control sockets; default: every node of this user");
        if (required) sockets->required();
        command->footer(std::string("Example:\n  ") + example);
        command->callback([options, run, &chosen] { chosen = [options, run] { return run(*options); }; });
        return std::make_pair(command, options);
    };
    auto [status_command, status_options] = add("status", "The ring, the queues and the sources as a node sees them",
                                                "eddy status ~/.local/state/eddy/a/control.sock", status, false);
    status_command->add_flag("--json", status_options->json, "One eddy.status/1 JSON object a line");
    auto [watch_command, watch_options] =
        add("watch", "One line of progress, again and again, until the nodes are gone", "eddy watch", watch, false);
    watch_command->add_option("--every", watch_options->every_s, "Seconds between two looks")
        ->check(CLI::Range(0.1, 3600.0));
    watch_command->add_option("--wait", watch_options->wait_s, "Seconds to wait for a first node to answer")
        ->check(CLI::Range(0.0, 1e6));
    auto [stop_command, stop_options] = add("stop", "Ask nodes to finish and end, as SIGTERM does",
                                            "eddy stop ~/.local/state/eddy/a/control.sock", stop, true);
    stop_command->add_flag("--cameras", stop_options->cameras,
                           "End their cameras only, as if the inputs ended; the nodes go on for the others");
    auto* leave_command = program.add_subcommand(
        "leave", "Ask nodes to hand their frames to their successors, leave the ring and end; wait until they have");
    auto leave_options = std::make_shared<Options>();
    leave_options->wait_s = 60;
    leave_command->add_option("NODE", leave_options->sockets, "Names of this user's nodes, or control sockets")
        ->required();
    leave_command->add_option("--wait", leave_options->wait_s, "Seconds to wait for each; 0: do not wait")
        ->check(CLI::Range(0.0, 3600.0))
        ->capture_default_str();
    leave_command->footer("Example:\n  eddy leave kitchen");
    leave_command->callback([leave_options, &chosen] { chosen = [leave_options] { return leave(*leave_options); }; });
}

}  // namespace eddy::cli
