// eddy: everything a person types.
#include <iostream>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "src/cli/commands.hpp"

namespace eddy::cli {

int complain(const std::string& message, int code) {
    std::cerr << "eddy: " << message << "\n";
    return code;
}

namespace {

/// The deepest command that was named.
const CLI::App& named(const CLI::App& program) {
    const auto below = program.get_subcommands();
    return below.empty() ? program : named(*below.front());
}

/// What is wrong where a command should be; empty if that is not the mistake.
std::string no_command(const CLI::App& program) {
    const CLI::App& command = named(program);
    std::vector<std::string> allowed;
    for (const CLI::App* each : command.get_subcommands({})) allowed.push_back(each->get_name());
    if (allowed.empty()) return "";
    const auto words = command.remaining();
    return fmt::format("{}found {}, allowed: {}; try --help", &command == &program ? "" : command.get_name() + ": ",
                       words.empty() ? "no command" : fmt::format("\"{}\"", words.front()), fmt::join(allowed, ", "));
}

}  // namespace

}  // namespace eddy::cli

int main(int argc, char** argv) {
    using namespace eddy::cli;
    CLI::App program{"Eddy: a cluster of small devices shares the inference of deep networks.", "eddy"};
    program.require_subcommand(1);
    Chosen chosen;
    add_model_commands(program, chosen);
    add_status_commands(program, chosen);
    add_report_commands(program, chosen);
    add_results_commands(program, chosen);
    add_sim_commands(program, chosen);
    add_sim_run_command(program, chosen);
    add_sim_scenario_commands(program, chosen);
    add_sim_chaos_command(program, chosen);
    add_doctor_command(program, chosen);
    add_plan_commands(program, chosen);
    add_plan_edgeflow_command(program, chosen);
    add_lab_commands(program, chosen);
    add_lab_plot_command(program, chosen);
    program.footer(
        "Every command has --help with an example; those that print a table take --json.\n"
        "To begin with:\n"
        "  eddy plan capacity configs/experiments/links-20.toml    what five devices can carry, and what stops them\n"
        "  eddy sim run configs/experiments/links-20.toml          how much of it each policy gets through\n"
        "  eddy status                                             the running node, its ring and queues\n"
        "Exit codes: 0 done, 1 it ran and failed, 2 bad usage or configuration.");
    try {
        program.parse(argc, argv);
    } catch (const CLI::RequiredError& e) {
        if (const std::string wrong = no_command(program); !wrong.empty()) return complain(wrong, exit_usage);
        return program.exit(e) == 0 ? exit_done : exit_usage;
    } catch (const CLI::ParseError& e) {
        return program.exit(e) == 0 ? exit_done : exit_usage;
    }
    return chosen();
}
