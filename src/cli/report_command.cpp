// eddy report: the tables of one or several reports.
#include <fstream>
#include <iostream>

#include "src/cli/commands.hpp"
#include "src/metrics/report.hpp"

namespace eddy::cli {

namespace {

struct ReportOptions {
    std::vector<std::string> files;
    std::string out;
    bool json = false;
};

Result<metrics::Report> read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) return unavailable(path + ": cannot be read");
    std::string text(metrics::report_bytes_max + 1, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<size_t>(file.gcount()));
    auto report = metrics::from_json(text);
    if (!report) return invalid(path + ": " + report.error().message);
    return report;
}

int show(const ReportOptions& options) {
    std::vector<metrics::Report> reports;
    for (const auto& path : options.files) {
        auto report = read(path);
        if (!report) return complain(report.error().message);
        reports.push_back(std::move(*report));
    }
    const auto merged = metrics::merge(reports);
    if (!options.out.empty()) {
        std::ofstream file(options.out, std::ios::trunc);
        file << metrics::to_json(merged);
        file.close();
        if (!file) return complain("cannot write " + options.out);
    }
    std::cout << (options.json ? metrics::to_json(merged) : metrics::print_tables(merged));
    return merged.balanced() ? exit_done
                             : complain("captured is not the sum of completed, failed, dropped and in flight");
}

}  // namespace

void add_report_commands(CLI::App& program, Chosen& chosen) {
    auto* command = program.add_subcommand("report", "Show reports as tables; several become one");
    auto options = std::make_shared<ReportOptions>();
    command->add_option("REPORT", options->files, "eddy.report/1 files")->required();
    command->add_option("--out", options->out, "Write the merged report here as well");
    command->add_flag("--json", options->json, "JSON on standard output");
    command->footer("Example:\n  eddy report a.json b.json c.json --out report.json");
    command->callback([options, &chosen] { chosen = [options] { return show(*options); }; });
}

}  // namespace eddy::cli
