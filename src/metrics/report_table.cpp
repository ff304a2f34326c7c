#include <algorithm>

#include <fmt/format.h>

#include "eddy/text_table.hpp"
#include "src/metrics/report.hpp"

namespace eddy::metrics {
namespace {

using Align = TextTable::Align;

std::string count(uint64_t number) { return fmt::format("{}", number); }

/// Three figures are what anyone reads, and what was measured.
std::string ms(double number) { return number < 100 ? fmt::format("{:.1f}", number) : fmt::format("{:.0f}", number); }

std::string mib(uint64_t bytes) { return fmt::format("{:.1f}", static_cast<double>(bytes) / (1 << 20)); }

/// "7 deadline, 2 reservoir full"
std::string reasons(const std::map<std::string, uint64_t>& counts) {
    std::string text;
    for (const auto& [reason, number] : counts)
        text += fmt::format("{}{} {}", text.empty() ? "" : ", ", number, reason.empty() ? "without a reason" : reason);
    return text;
}

std::string frames_table(const Report& report) {
    TextTable table({{"source", Align::left},
                     {"node", Align::left},
                     {"captured"},
                     {"completed"},
                     {"failed"},
                     {"dropped"},
                     {"in flight"},
                     {"frames/s"},
                     {"local"},
                     {"distributed"},
                     {"why lost", Align::left}});
    for (const SourceStats& s : report.sources) {
        std::string why = reasons(s.failed);
        const std::string dropped = reasons(s.dropped);
        if (!why.empty() && !dropped.empty()) why += "; ";
        table.add_row({s.name, s.node, count(s.captured), count(s.completed), count(s.failed_total()),
                       count(s.dropped_total()), count(s.in_flight), fmt::format("{:.2f}", s.throughput_per_s),
                       count(s.path_local), count(s.path_distributed), why + dropped});
    }
    return table.str();
}

bool has_earlier_lives(const SourceStats& s) { return s.earlier_lives && s.earlier_lives->captured > 0; }

std::string lives_table(const Report& report) {
    TextTable table({{"earlier lives of source", Align::left}, {"captured"}, {"completed"}, {"failed"}, {"dropped"}});
    for (const SourceStats& s : report.sources)
        if (has_earlier_lives(s))
            table.add_row({s.name, count(s.earlier_lives->captured), count(s.earlier_lives->completed),
                           count(s.earlier_lives->failed), count(s.earlier_lives->dropped)});
    return table.str();
}

std::string completion_table(const Report& report) {
    TextTable table({{"completion time of source", Align::left},
                     {"mean ms"},
                     {"p50 ms"},
                     {"p90 ms"},
                     {"p99 ms"},
                     {"max ms"},
                     {"waiting ms"},
                     {"computing ms"},
                     {"transferring ms"}});
    for (const SourceStats& s : report.sources) {
        std::vector<std::string> row{s.name};
        if (const auto& t = s.completion_ms)
            for (const double value : {t->mean, t->p50, t->p90, t->p99, t->max}) row.push_back(ms(value));
        else
            row.insert(row.end(), 5, "-");
        if (const auto& p = s.parts_ms)
            for (const double value : {p->waiting, p->computing, p->transferring}) row.push_back(ms(value));
        else
            row.insert(row.end(), 3, "-");
        table.add_row(std::move(row));
    }
    return table.str();
}

std::string node_table(const Report& report) {
    TextTable table({{"node", Align::left},
                     {"id", Align::left},
                     {"γ ns/parameter"},
                     {"busy %"},
                     {"runs"},
                     {"memory MiB"},
                     {"sent MiB"},
                     {"received MiB"},
                     {"waiting frames"}});
    for (const NodeStats& n : report.nodes) {
        uint64_t waiting = 0;
        for (const auto& [queue, frames] : n.queue_lengths) waiting += frames;
        table.add_row({n.name, n.id.substr(0, 8),
                       n.gamma_s_per_parameter > 0 ? fmt::format("{:.3g}", n.gamma_s_per_parameter * 1e9) : "-",
                       fmt::format("{:.1f}", n.busy_fraction * 100), count(n.runs), mib(n.rss_bytes), mib(n.tx_bytes),
                       mib(n.rx_bytes), count(waiting)});
    }
    return table.str();
}

std::string balance_line(const Report& report) {
    std::string wrong;
    for (const SourceStats& s : report.sources)
        if (!s.balanced()) wrong += (wrong.empty() ? "" : ", ") + s.name;
    const std::string sum = "captured = completed + failed + dropped + in flight";
    if (report.sources.empty()) return "no sources\n";
    if (wrong.empty()) return fmt::format("{}: holds for every source\n", sum);
    return fmt::format("{}: DOES NOT HOLD for {}\n", sum, wrong);
}

}  // namespace

std::string print_tables(const Report& report) {
    std::string text;
    if (!report.sources.empty()) text += frames_table(report) + "\n" + completion_table(report) + "\n";
    if (!report.nodes.empty()) text += node_table(report) + "\n";
    if (std::any_of(report.sources.begin(), report.sources.end(), has_earlier_lives))
        text += lives_table(report) + "\n";
    return text + balance_line(report);
}

}  // namespace eddy::metrics
