// eddy: everything a person types.
#include <iostream>

#include "src/cli/commands.hpp"

namespace eddy::cli {

int complain(const std::string& message, int code) {
    std::cerr << "eddy: " << message << "\n";
    return code;
}

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
    add_doctor_command(program, chosen);
    add_plan_commands(program, chosen);
    program.footer(
        "Every command has --help with an example; those that print a table take --json.\n"
        "Exit codes: 0 done, 1 it ran and failed, 2 bad usage or configuration.");
    try {
        program.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        return program.exit(e) == 0 ? exit_done : exit_usage;
    }
    return chosen();
}
