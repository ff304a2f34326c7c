#include <algorithm>

#include <fmt/format.h>

#include "eddy/text_table.hpp"
#include "src/control/status.hpp"

namespace eddy::control {
namespace {

using Align = TextTable::Align;

std::string number(uint64_t value) { return fmt::format("{}", value); }

/// 75 s -> "1 min 15 s": seconds mean little to a person after the first minutes.
std::string duration(double seconds) {
    // Also keeps a peer's absurd number from overflowing the conversion.
    const auto s = static_cast<uint64_t>(std::clamp(seconds, 0.0, 1e12));
    if (s < 60) return fmt::format("{} s", s);
    if (s < 3600) return fmt::format("{} min {} s", s / 60, s % 60);
    if (s < 86400) return fmt::format("{} h {} min", s / 3600, s % 3600 / 60);
    return fmt::format("{} d {} h", s / 86400, s % 86400 / 3600);
}

/// One line of text that others wrote, made safe for a terminal.
std::string clean(std::string text) {
    for (char& c : text)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
    return text;
}

std::string heading(const NodeStatus& status) {
    const std::string model = status.model.empty() ? "no model, relays only" : "model " + status.model;
    return clean(fmt::format("{} ({}) of cluster {}, {}, up {}, incarnation {}, ring epoch {}, {}{}", status.name,
                             status.id.substr(0, 8), status.cluster, status.address, duration(status.uptime_s),
                             status.incarnation, status.ring_epoch, model, status.stopping ? ", stopping" : "")) +
           "\n";
}

std::string marks(const RingMember& member) {
    std::string text;
    for (const auto& [set, mark] :
         {std::pair{member.self, "this node"}, {member.successor, "successor"}, {member.predecessor, "predecessor"}})
        if (set) text += (text.empty() ? "" : ", ") + std::string(mark);
    return text;
}

/// "-": not known.
std::string measured(const std::optional<double>& value, const char* format, double factor = 1) {
    return value ? fmt::format(fmt::runtime(format), *value * factor) : "-";
}

std::string waiting(const RingMember& member) {
    if (!member.backlog) return "-";
    uint64_t frames = 0;
    for (const MemberBacklog& backlog : *member.backlog) frames += backlog.frames;
    return number(frames);
}

std::string ring_table(const NodeStatus& status) {
    TextTable table({{"ring", Align::left},
                     {"id", Align::left},
                     {"address", Align::left},
                     {"for"},
                     {"heard ms ago"},
                     {"round trip ms"},
                     {"Mbit/s"},
                     {"waiting frames"},
                     {"γ ns/parameter"},
                     {"", Align::left}});
    for (const RingMember& member : status.ring)
        table.add_row(
            {member.name, member.id.substr(0, 8), member.address, duration(member.age_s),
             measured(member.heard_ms_ago, "{:.0f}"), measured(member.round_trip_ms, "{:.1f}"),
             measured(member.bandwidth_bytes_per_s, "{:.3g}", 8e-6), waiting(member),
             member.gamma_s_per_parameter > 0 ? fmt::format("{:.3g}", member.gamma_s_per_parameter * 1e9) : "-",
             marks(member)});
    return table.str();
}

std::string unreached_table(const NodeStatus& status) {
    TextTable table({{"not reached", Align::left}, {"tried"}, {"why", Align::left}});
    for (const Unreached& unreached : status.unreached)
        table.add_row({unreached.address, duration(unreached.ago_s) + " ago", unreached.reason});
    return table.str();
}

std::string source_table(const NodeStatus& status) {
    TextTable table({{"source", Align::left},
                     {"state", Align::left},
                     {"captured"},
                     {"admitted"},
                     {"completed"},
                     {"failed"},
                     {"dropped"},
                     {"in flight"},
                     {"frames/s"},
                     {"p50 ms"}});
    for (const SourceCounts& source : status.sources)
        table.add_row({source.name, source.state, number(source.captured), number(source.admitted),
                       number(source.completed), number(source.failed), number(source.dropped),
                       number(source.in_flight), fmt::format("{:.2f}", source.throughput_per_s),
                       source.completed > 0 ? fmt::format("{:.1f}", source.completion_p50_ms) : "-"});
    return table.str();
}

std::string queue_table(const NodeStatus& status) {
    TextTable table({{"queue of source", Align::left}, {"queue", Align::left}, {"waiting frames"}, {"at most"}});
    for (const QueueLength& queue : status.queues)
        table.add_row(
            {queue.source, queue.queue, number(queue.frames), queue.frames_max > 0 ? number(queue.frames_max) : "-"});
    return table.str();
}

std::string custody_line(const CustodyCounts& custody) {
    if (custody.bytes_max == 0) return "custody: nothing is kept of what was handed over\n";
    return fmt::format("custody: {} frames kept, {:.1f} of {:.0f} MB; {} came back, {} let go early\n", custody.frames,
                       static_cast<double>(custody.bytes) / 1e6, static_cast<double>(custody.bytes_max) / 1e6,
                       custody.returned, custody.evicted);
}

}  // namespace

std::string print_tables(const NodeStatus& status) {
    std::string text = heading(status) + "\n" + ring_table(status);
    if (!status.journal_problem.empty())
        text += "\njournal: not written, so a kill would lose count of frames: " + clean(status.journal_problem) + "\n";
    if (!status.unreached.empty()) text += "\n" + unreached_table(status);
    if (!status.sources.empty()) text += "\n" + source_table(status);
    if (!status.queues.empty()) text += "\n" + queue_table(status);
    if (status.custody) text += "\n" + custody_line(*status.custody);
    return text;
}

}  // namespace eddy::control
