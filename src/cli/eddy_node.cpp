// eddy-node: the daemon. Everything it does is in src/app; here are only its flags.
#include <iostream>

#include <CLI/CLI.hpp>

#include "src/app/node_app.hpp"
#include "src/cli/exit_codes.hpp"
#include "src/cli/logging.hpp"
#include "src/config/node_config.hpp"

int main(int argc, char** argv) {
    using namespace eddy;
    CLI::App program{"One node of an Eddy cluster: joins the ring, serves its cameras and helps the others.",
                     "eddy-node"};
    std::string config_path;
    bool check = false;
    bool help_config = false;
    app::RunOptions options;
    double seconds = 0;
    std::string level = "info";
    program.add_option("--config", config_path, "The node's TOML file");
    program.add_flag("--check", check, "Read the configuration, say what is wrong with it, and end");
    program.add_flag("--help-config", help_config, "Print every key a configuration may have, and end");
    program.add_option("--report", options.report_path, "Write an eddy.report/1 JSON file at the end");
    program.add_option("--results", options.results_path, "Write a JSON line for every frame's outcome");
    auto* duration =
        program.add_option("--for", seconds, "Stop after so many seconds of capture")->check(CLI::Range(0.1, 1e9));
    program.add_option("--log-level", level, "debug, info, warning or error")
        ->check(CLI::IsMember({"debug", "info", "warning", "error"}));
    program.footer(
        "Example:\n"
        "  eddy-node --config configs/one-device.toml --report report.json --results results.jsonl --for 60\n"
        "Ends cleanly on SIGINT and SIGTERM; a second one ends it at once.\n"
        "Exit codes: 0 done, 1 it ran and failed, 2 bad usage or configuration.");
    try {
        program.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        return program.exit(e) == 0 ? cli::exit_done : cli::exit_usage;
    }
    if (help_config) {
        std::cout << config::reference();
        return cli::exit_done;
    }
    if (config_path.empty()) {
        std::cerr << "eddy-node: --config is missing; try --help\n";
        return cli::exit_usage;
    }
    const auto config = config::load_node_config(config_path);
    if (!config) {
        std::cerr << config.error().message << "\n";
        return cli::exit_usage;
    }
    if (check) {
        std::cout << config_path << ": in order\n";
        return cli::exit_done;
    }
    if (duration->count() > 0) options.seconds = seconds;
    const auto log = cli::stderr_log(config->name, level);
    const auto report = app::run_node(*config, options, log);
    if (!report) {
        log(LogLevel::error, report.error().message);
        return report.error().code == ErrorCode::invalid ? cli::exit_usage : cli::exit_failed;
    }
    std::cerr << metrics::print_tables(*report);
    return report->balanced() ? cli::exit_done : cli::exit_failed;
}
