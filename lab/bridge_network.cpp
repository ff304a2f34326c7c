#include "lab/bridge_network.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

#include "eddy/real_clock.hpp"
#include "lab/leftovers.hpp"
#include "lab/posix.hpp"
#include "lab/program.hpp"

namespace eddy::lab {
namespace {

constexpr const char* card = "eth0";
constexpr Usec up_within = std::chrono::seconds(10);

std::string space_name(const std::string& run, const std::string& part) { return lab_prefix + run + "-" + part; }
std::string space_name(const std::string& run, size_t device) { return space_name(run, std::to_string(device)); }
std::string switch_name(const std::string& run) { return space_name(run, std::string("switch")); }
std::string port(size_t device) { return "d" + std::to_string(device); }

Status check(size_t devices, const std::vector<Link>& links) {
    if (devices == 0 || devices > network_devices_max)
        return invalid(fmt::format("{} devices; a network has 1 to {}", devices, network_devices_max));
    std::set<std::pair<size_t, size_t>> seen;
    for (const Link& link : links) {
        if (link.from >= devices || link.to >= devices || link.from == link.to ||
            !seen.emplace(link.from, link.to).second)
            return invalid(fmt::format("a link from device {} to device {}", link.from, link.to));
        if (!std::isfinite(link.mbit_per_s) || link.mbit_per_s <= 0 || !std::isfinite(link.delay_ms) ||
            link.delay_ms < 0)
            return invalid(fmt::format("a link of {} Mbit/s and {} ms", link.mbit_per_s, link.delay_ms));
    }
    return success();
}

/// `lines` by `tool` (ip or tc) in a namespace; empty: in the own.
Status batch(const std::string& tool, const std::string& space, const std::string& lines) {
    if (lines.empty()) return success();
    std::vector<std::string> argv{tool};
    if (!space.empty()) argv.insert(argv.end(), {"-n", space});
    argv.insert(argv.end(), {"-batch", "-"});
    auto done = run_program(argv, lines);
    return done ? success() : Status(done.error());
}

bool kernel_can_delay(const std::string& space) {
    return run_program({"tc", "-n", space, "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"}).ok() &&
           run_program({"tc", "-n", space, "qdisc", "del", "dev", "lo", "root"}).ok();
}

}  // namespace

BridgeNetwork::BridgeNetwork(std::string run, size_t devices, LogFn log)
    : run_(std::move(run)), devices_(devices), log_(std::move(log)) {}

Result<BridgeNetwork> BridgeNetwork::make(const std::string& run, size_t devices, const std::vector<Link>& links,
                                          LogFn log) {
    if (::geteuid() != 0) return unsupported("network namespaces are for root only");
    for (const char* tool : {"ip", "tc"})
        if (find_program(tool).empty())
            return unsupported(fmt::format("there is no program {}; the package iproute2 has it", tool));
    if (auto fine = check(devices, links); !fine) return fine.error();
    BridgeNetwork made(run, devices, std::move(log));
    if (auto built = made.build(links); !built) return built.error();
    return made;
}

Status BridgeNetwork::build(const std::vector<Link>& links) {
    const std::string hub = switch_name(run_);
    std::string spaces = fmt::format("netns add {}\n", hub);
    std::string cables;
    for (size_t i = 0; i < devices_; ++i) {
        spaces += fmt::format("netns add {}\n", space_name(run_, i));
        cables += fmt::format("link add {} netns {} type veth peer name {} netns {}\n", port(i), hub, card,
                              space_name(run_, i));
    }
    if (auto done = batch("ip", "", spaces); !done)
        return unsupported("no network namespaces here: " + done.error().message);
    if (auto done = batch("ip", "", cables); !done) return done;

    const bool wanted = std::any_of(links.begin(), links.end(), [](const Link& link) { return link.delay_ms > 0; });
    const bool with_delay = wanted && kernel_can_delay(hub);
    delay_applied_ = !wanted || with_delay;
    if (!delay_applied_ && log_) log_(LogLevel::warning, "this kernel has no netem: links have no delay of their own");

    // Addresses of IPv6 would only chatter on shaped links; a port forwards at once because nobody looks for loops.
    std::string ports =
        "link set lo up\n"
        "link add bridge type bridge stp_state 0 forward_delay 0 mcast_snooping 0\n"
        "link set bridge addrgenmode none\n"
        "link set bridge up\n";
    std::string arriving;
    for (size_t i = 0; i < devices_; ++i) {
        ports += fmt::format("link set {0} addrgenmode none\nlink set {0} master bridge\nlink set {0} up\n", port(i));
        arriving += arriving_lines(links, i, port(i));
        const std::string inside = fmt::format(
            "link set lo up\nlink set {0} addrgenmode none\nlink set {0} gso_max_size {1}\n"
            "addr add {2}/{3} broadcast + dev {0}\nlink set {0} up\n",
            card, packet_bytes_max(links, i), device_address(i), address_prefix_bits);
        if (auto done = batch("ip", space_name(run_, i), inside); !done) return done;
        if (auto done = batch("tc", space_name(run_, i), leaving_lines(links, i, card, with_delay)); !done) return done;
    }
    if (auto done = batch("ip", hub, ports); !done) return done;
    if (auto done = batch("tc", hub, arriving); !done) return done;
    return wait_until_up();
}

/// The kernel looks after cables that were plugged in once a second; until then packets are lost without a word, and
/// the first connections would be a second or three late.
Status BridgeNetwork::wait_until_up() const {
    const Instant deadline = real_now() + up_within;
    const auto wait_for = [&](const std::vector<std::string>& look, std::string_view state, size_t times) -> Status {
        for (;;) {
            const auto shown = run_program(look);
            if (!shown) return shown.error();
            size_t count = 0;
            for (size_t at = shown->find(state); at != shown->npos; at = shown->find(state, at + 1)) ++count;
            if (count >= times) return success();
            if (real_now() >= deadline) return unavailable("the network of the run does not come up");
            pause_for(std::chrono::milliseconds(10));
        }
    };
    const std::vector<std::string> ports{"ip", "-n", switch_name(run_), "-d", "-o", "link", "show", "master", "bridge"};
    if (auto up = wait_for(ports, " state forwarding ", devices_); !up) return up;
    for (size_t i = 0; i < devices_; ++i)
        if (auto up = wait_for({"ip", "-n", space_name(run_, i), "-o", "link", "show", card}, " state UP ", 1); !up)
            return up;
    return success();
}

std::string BridgeNetwork::netns_path(size_t device) const { return "/run/netns/" + space_name(run_, device); }

BridgeNetwork::BridgeNetwork(BridgeNetwork&& other) noexcept
    : run_(std::exchange(other.run_, {})),
      devices_(other.devices_),
      log_(std::move(other.log_)),
      delay_applied_(other.delay_applied_) {}

BridgeNetwork& BridgeNetwork::operator=(BridgeNetwork&& other) noexcept {
    if (this != &other) {
        remove();
        run_ = std::exchange(other.run_, {});
        devices_ = other.devices_;
        log_ = std::move(other.log_);
        delay_applied_ = other.delay_applied_;
    }
    return *this;
}

BridgeNetwork::~BridgeNetwork() { remove(); }

void BridgeNetwork::remove() {
    if (run_.empty()) return;
    std::vector<std::string> names{switch_name(run_)};
    for (size_t i = 0; i < devices_; ++i) names.push_back(space_name(run_, i));
    if (auto removed = remove_namespaces(names); !removed && log_) log_(LogLevel::warning, removed.error().message);
    run_.clear();
}

}  // namespace eddy::lab
