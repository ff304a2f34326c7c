// The commands of `eddy`. Each adds its flags to the program; what it returns from `run` is the exit code.
#pragma once

#include <functional>
#include <string>

#include <CLI/CLI.hpp>

#include "src/cli/exit_codes.hpp"

namespace eddy::cli {

/// Set by the command that was given; called once parsing is through.
using Chosen = std::function<int()>;

void add_model_commands(CLI::App& program, Chosen& chosen);
void add_status_commands(CLI::App& program, Chosen& chosen);
void add_report_commands(CLI::App& program, Chosen& chosen);
void add_results_commands(CLI::App& program, Chosen& chosen);
void add_sim_commands(CLI::App& program, Chosen& chosen);
void add_sim_chaos_command(CLI::App& program, Chosen& chosen);      ///< after add_sim_commands
void add_sim_run_command(CLI::App& program, Chosen& chosen);        ///< after add_sim_commands
void add_sim_scenario_commands(CLI::App& program, Chosen& chosen);  ///< after add_sim_commands
void add_doctor_command(CLI::App& program, Chosen& chosen);
void add_plan_commands(CLI::App& program, Chosen& chosen);
void add_plan_edgeflow_command(CLI::App& program, Chosen& chosen);  ///< after add_plan_commands
void add_lab_commands(CLI::App& program, Chosen& chosen);
void add_lab_plot_command(CLI::App& program, Chosen& chosen);  ///< after what adds "lab"

/// Prints "eddy: message" on standard error and gives `code` back.
int complain(const std::string& message, int code = exit_failed);

}  // namespace eddy::cli
