// eddy doctor: what other addresses answer.
#include <memory>

#include "src/app/reach.hpp"
#include "src/cli/doctor.hpp"
#include "src/config/node_config.hpp"
#include "src/transport/probe.hpp"

namespace eddy::cli {
namespace {

/// A name server that does not answer must not keep the others' results back.
constexpr Usec resolve_within = std::chrono::seconds(15);
constexpr int addresses_tried_max = 4;

double to_ms(Usec duration) { return to_seconds(duration) * 1e3; }

control::PeerHello to_hello(const transport::ProbeFacts& facts) {
    control::PeerHello hello;
    hello.name = facts.member.name;
    hello.id = to_string(facts.member.id);
    hello.incarnation = facts.member.incarnation.value;
    hello.cluster = facts.cluster;
    hello.address = config::to_string(facts.member.endpoint);
    if (facts.chain_hash != ContentHash{}) hello.chain_hash = to_string(facts.chain_hash);
    if (facts.clock_ahead) hello.clock_ahead_s = to_seconds(*facts.clock_ahead);
    return hello;
}

/// What is told of an address from which nothing has come by the end.
control::PeerProbe unanswered(const DoctorTarget& target) {
    control::PeerProbe probe;
    probe.kind = target.kind;
    probe.address = config::to_string(target.endpoint);
    probe.reach = control::Reach::unresolved;
    probe.reason = "no answer from the name server in time";
    return probe;
}

control::PeerProbe to_probe(const DoctorTarget& target, const transport::ProbeReport& report) {
    control::PeerProbe probe;
    probe.kind = target.kind;
    probe.address = config::to_string(target.endpoint);
    for (const auto& attempt : report.attempts) probe.addresses.push_back(attempt.address);
    // A number needs no explanation of where it leads.
    if (probe.addresses.size() == 1 && probe.addresses[0] == probe.address) probe.addresses.clear();
    probe.reach = report.failure ? app::reach_of(*report.failure, report.reason) : control::Reach::proved;
    probe.reason = report.reason;
    if (!report.attempts.empty()) probe.took_ms = to_ms(report.attempts.back().took);
    if (report.version) probe.version = *report.version;
    if (report.facts) {
        probe.took_ms = to_ms(report.facts->round_trip);
        probe.hello = to_hello(*report.facts);
    }
    return probe;
}

}  // namespace

std::vector<control::PeerProbe> probe_all(const NodeConfig& config, const std::vector<DoctorTarget>& targets,
                                          Usec timeout, transport::Loop& loop) {
    transport::ProbeConfig asking;
    asking.cluster = config.cluster;
    asking.cluster_key = config.cluster_key;
    asking.name = config.name;
    asking.timeout = timeout;
    std::vector<control::PeerProbe> found;
    std::vector<std::unique_ptr<transport::Probe>> probes;
    found.reserve(targets.size());
    size_t waiting = targets.size();
    for (const auto& target : targets) found.push_back(unanswered(target));
    for (size_t i = 0; i < targets.size(); ++i)
        probes.push_back(std::make_unique<transport::Probe>(loop, asking, targets[i].endpoint,
                                                            [&, i](const transport::ProbeReport& report) {
                                                                found[i] = to_probe(targets[i], report);
                                                                --waiting;
                                                            }));
    loop.run_until([&] { return waiting == 0; }, resolve_within + (addresses_tried_max + 1) * timeout);
    return found;
}

}  // namespace eddy::cli
