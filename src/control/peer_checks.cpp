#include "src/control/peer_checks.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include <fmt/format.h>

namespace eddy::control {
namespace {

constexpr std::array<std::pair<Reach, const char*>, 15> words = {{{Reach::proved, "proved"},
                                                                  {Reach::unresolved, "unresolved"},
                                                                  {Reach::refused, "refused"},
                                                                  {Reach::no_route, "no_route"},
                                                                  {Reach::filtered, "filtered"},
                                                                  {Reach::silent, "silent"},
                                                                  {Reach::not_eddy, "not_eddy"},
                                                                  {Reach::other_version, "other_version"},
                                                                  {Reach::other_cluster, "other_cluster"},
                                                                  {Reach::wrong_key, "wrong_key"},
                                                                  {Reach::key_needed, "key_needed"},
                                                                  {Reach::claimed, "claimed"},
                                                                  {Reach::self, "self"},
                                                                  {Reach::full, "full"},
                                                                  {Reach::closed, "closed"}}};

std::string host_of(const std::string& address) { return address.substr(0, address.rfind(':')); }
std::string port_of(const std::string& address) { return address.substr(address.rfind(':') + 1); }

bool is_loopback(const std::string& address) {
    const std::string host = host_of(address);
    return host == "localhost" || host == "[::1]" || host == "::1" || host.rfind("127.", 0) == 0;
}

std::string with_reason(const std::string& text, const std::string& reason) {
    return reason.empty() ? text : text + " (" + reason + ")";
}

/// The name and where it leads, since a name server's mistake looks like a dead device.
std::string place(const PeerProbe& probe) {
    if (probe.addresses.empty()) return probe.address;
    std::string list;
    for (const std::string& address : probe.addresses) list += (list.empty() ? "" : ", ") + address;
    return host_of(probe.address) + " is " + list;
}

struct Words {
    std::string problem;
    std::string advice;
};

/// The connection itself.
Words no_connection(const PeerProbe& probe) {
    const std::string host = host_of(probe.address);
    const std::string port = port_of(probe.address);
    switch (probe.reach) {
        case Reach::unresolved:
            return {with_reason("the name \"" + host + "\" does not resolve", probe.reason),
                    "check the spelling in [cluster] seeds and `getent hosts " + host +
                        "`, or write the device's address instead of its name"};
        case Reach::refused:
            return {"refused: the device answers, but nobody listens on port " + port,
                    "start eddy-node there; if it runs, compare its [node] listen with this address (a node that "
                    "listens on 127.0.0.1 is reached from its own device only)"};
        case Reach::no_route:
            return {with_reason("there is no way to it from here", probe.reason),
                    "is the device on, and in this network? see `ip route get " + host + "` and its cable or Wi-Fi"};
        case Reach::filtered:
            return {"filtered: no answer at all; a firewall drops the packets, or nobody has this address",
                    "let TCP port " + port + " in on the device's firewall and on routers between; is " + host +
                        " still its address?"};
        case Reach::silent:
            return {"something accepts the connection and then says nothing",
                    "a node that hangs, is stopped or starved, or another program: look at it on that device (`ss "
                    "-ltnp`), restart eddy-node there"};
        default:
            if (!probe.version)
                return {with_reason("the connection ended before a word was said", probe.reason),
                        "another program may listen there: compare the port with [node] listen of the node there; `ss "
                        "-ltnp` on that device names the program"};
            return {with_reason("the connection ended half-way", probe.reason),
                    "look into the log of the node there for this device's address; try again"};
    }
}

/// The handshake.
Words no_agreement(const PeerProbe& probe, const OwnFacts& own) {
    switch (probe.reach) {
        case Reach::not_eddy:
            return {"something else than Eddy listens there",
                    "compare the port with [node] listen of the node there; `ss -ltnp` on that device names the "
                    "program"};
        case Reach::other_version:
            return {probe.version ? fmt::format("it speaks version {} of the protocol, this node version {}",
                                                *probe.version, own.version)
                                  : with_reason("it speaks another version of the protocol", probe.reason),
                    "install the same release of Eddy on both devices"};
        case Reach::other_cluster:
            return {probe.hello
                        ? fmt::format("it is of cluster \"{}\", this node of \"{}\"", probe.hello->cluster, own.cluster)
                        : with_reason("it is of another cluster", probe.reason),
                    "give both the same [cluster] name, or take this seed out"};
        case Reach::wrong_key:
            return {with_reason("the [cluster] keys differ", probe.reason),
                    "copy the key file of a node that is in the ring to this device, byte for byte, and name it in "
                    "[cluster] key_file"};
        case Reach::key_needed:
            return {"without a [cluster] key only nodes on this device can be reached",
                    "give all nodes the same [cluster] key_file"};
        case Reach::claimed:
            return {with_reason("another node has this node's id", probe.reason),
                    "every node needs a [node] name (or id) and a data_dir of its own; on a copied SD card change the "
                    "name and remove data_dir/identity"};
        case Reach::full:
            return {with_reason("it has as many connections as it may", probe.reason),
                    "name another node of the ring in [cluster] seeds"};
        default: return no_connection(probe);
    }
}

std::string described(const PeerProbe& probe) {
    if (!probe.hello) return "answers";
    return fmt::format("{} ({}), incarnation {}, answered in {:.1f} ms", probe.hello->name,
                       probe.hello->id.substr(0, 8), probe.hello->incarnation, probe.took_ms);
}

/// A probe is no member, so it is not refused for what only members may not: the running node has met that.
std::optional<Check> seen_by_node(const PeerProbe& probe, const OwnFacts& own) {
    if (!own.status || !probe.hello) return std::nullopt;
    const auto& ring = own.status->ring;
    if (std::any_of(ring.begin(), ring.end(), [&](const RingMember& each) { return each.id == probe.hello->id; }))
        return std::nullopt;
    const auto& tried = own.status->unreached;
    const auto last = std::find_if(tried.begin(), tried.end(), [&](const Unreached& each) {
        return each.address == probe.address || each.address == probe.hello->address;
    });
    const std::string seen = "it answers the doctor, but the running node does not have it in its ring";
    if (last == tried.end())
        return wrong("ring", probe.address, seen,
                     "ask again in some seconds; if it stays so, look into the logs of both nodes");
    PeerProbe met = probe;
    met.reach = reach_of(last->problem).value_or(Reach::closed);
    met.reason = last->reason;
    const Words words_of_node = no_agreement(met, own);
    return wrong("ring", probe.address, seen + ": " + words_of_node.problem, words_of_node.advice);
}

/// This node, or another by its id.
Check same_id(const PeerProbe& probe, const OwnFacts& own) {
    const PeerHello& hello = *probe.hello;
    if (own.status && own.status->incarnation == hello.incarnation && own.status->name == hello.name)
        return well(probe.kind, probe.address, "is this node itself");
    PeerProbe taken = probe;
    taken.reach = Reach::claimed;
    taken.reason = fmt::format("\"{}\", incarnation {}, at {}", hello.name, hello.incarnation, hello.address);
    auto [problem, advice] = no_agreement(taken, own);
    return wrong(probe.kind, probe.address, std::move(problem), std::move(advice));
}

std::optional<Check> clock_check(const PeerProbe& probe) {
    const std::optional<double> ahead = probe.hello ? probe.hello->clock_ahead_s : std::nullopt;
    if (!ahead || std::abs(*ahead) <= clock_apart_s_max) return std::nullopt;
    return wrong(
        "clock", probe.address,
        fmt::format("its clock is {:.1f} s {} this device's", std::abs(*ahead), *ahead > 0 ? "ahead of" : "behind"),
        "let both devices keep time by NTP (`timedatectl set-ntp true`): Eddy does without, but logs of the "
        "two cannot be compared");
}

std::optional<Check> model_check(const PeerProbe& probe, const OwnFacts& own) {
    if (!probe.hello || own.chain_hash.empty() || probe.hello->chain_hash.empty()) return std::nullopt;
    if (own.chain_hash == probe.hello->chain_hash) return std::nullopt;
    return wrong("model", probe.address,
                 fmt::format("its model differs from this node's (layers {} there, {} here): each only relays for the "
                             "other",
                             probe.hello->chain_hash.substr(0, 8), own.chain_hash.substr(0, 8)),
                 "copy the same [model] file to both devices");
}

std::optional<Check> address_check(const PeerProbe& probe) {
    if (!probe.hello || is_loopback(probe.address) || !is_loopback(probe.hello->address)) return std::nullopt;
    return wrong("advertise", probe.address,
                 "it tells others to dial " + probe.hello->address + ", which leads every device to itself",
                 "set [node] advertise there to an address that others reach");
}

}  // namespace

const char* word(Reach reach) {
    for (const auto& [known, name] : words)
        if (known == reach) return name;
    return "closed";
}

std::optional<Reach> reach_of(std::string_view word) {
    for (const auto& [known, name] : words)
        if (word == name) return known;
    return std::nullopt;
}

Checks explain(const PeerProbe& probe, const OwnFacts& own) {
    if (probe.reach == Reach::self) return {well(probe.kind, probe.address, "is this node itself")};
    if (probe.reach != Reach::proved) {
        auto [problem, advice] = no_agreement(probe, own);
        if (!probe.addresses.empty() && probe.reach != Reach::unresolved) problem += "; " + place(probe);
        Checks checks{wrong(probe.kind, probe.address, std::move(problem), std::move(advice))};
        // A clock far off may be the reason for more than this.
        if (const auto clock = clock_check(probe)) checks.push_back(*clock);
        return checks;
    }
    if (probe.hello && probe.hello->id == own.id) return {same_id(probe, own)};
    Checks checks{well(probe.kind, probe.address, described(probe))};
    for (auto& more : {seen_by_node(probe, own), clock_check(probe), model_check(probe, own), address_check(probe)})
        if (more) checks.push_back(*more);
    return checks;
}

}  // namespace eddy::control
