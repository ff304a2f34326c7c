// eddy lab plot
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>

#include <nlohmann/json.hpp>

#include "lab/plots.hpp"
#include "src/cli/commands.hpp"
#include "src/cli/load_experiment.hpp"

namespace eddy::cli {

namespace {

struct PlotCommand {
    std::vector<std::string> files;
    std::string folder;
    bool json = false;
};

Result<std::vector<lab::PlotRun>> read(const std::string& path) {
    std::ifstream file(path, std::ios::binary | std::ios::ate);
    const std::streamoff bytes = file ? static_cast<std::streamoff>(file.tellg()) : -1;
    if (bytes < 0) return invalid(path + ": cannot be read");
    std::string text(std::min(static_cast<size_t>(bytes), lab::plot_json_bytes_max + 1), '\0');
    file.seekg(0);
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (!file) return invalid(path + ": cannot be read");
    auto runs = lab::read_plot_runs(text);
    if (!runs) return Error{runs.error().code, path + ": " + runs.error().message};
    return runs;
}

int plot(const PlotCommand& options) {
    std::vector<lab::PlotRun> runs;
    for (const std::string& path : options.files) {
        auto more = read(path);
        if (!more) return complain_of(more.error());
        if (runs.size() + more->size() > lab::plot_runs_max)
            return complain_of(
                invalid(path + ": more than " + std::to_string(lab::plot_runs_max) + " runs altogether"));
        std::move(more->begin(), more->end(), std::back_inserter(runs));
    }
    const auto files = lab::make_plots(runs, options.folder);
    if (!files) return complain_of(files.error());
    if (files->empty()) std::cerr << "eddy: nothing in these results to plot\n";
    if (options.json) {
        nlohmann::json list = nlohmann::json::array();
        for (const auto& file : *files) list.push_back(file.string());
        std::cout << list.dump(2) << "\n";
    } else {
        for (const auto& file : *files) std::cout << file.string() << "\n";
    }
    return exit_done;
}

}  // namespace

void add_lab_plot_command(CLI::App& program, Chosen& chosen) {
    auto* command =
        program.get_subcommand("lab")->add_subcommand("plot", "Plots of lab runs, by gnuplot, as SVG and PNG");
    auto options = std::make_shared<PlotCommand>();
    command->add_option("RESULTS", options->files, "JSON of eddy lab run --json, or of eddy sim run --json --trace")
        ->required();
    command->add_option("--dir", options->folder, "Where the plots go; made if it is not there")->required();
    command->add_flag("--json", options->json, "The files as a JSON list");
    command->footer(
        "Made where the results have what it takes:\n"
        "  processing-time-EXPERIMENT    processing time against images completed, a line a policy\n"
        "  queues-EXPERIMENT-POLICY      frames waiting over time, a line a device\n"
        "  completion-EXPERIMENT-POLICY  distribution of completion times, a line a source\n"
        "  per-image-time-FAMILY         makespan over images against devices, a line a policy\n"
        "  throughput-FAMILY             throughput against devices, a line a policy, and the bound\n"
        "  worst-source-FAMILY           the worst source's part of its bound, bars\n"
        "A family is experiments that differ in their number of devices and in that number in their names. Runs that\n"
        "differ only in their seed are averaged in plots of families.\n"
        "Each plot is four files: NAME.svg, NAME.png, and what made them, NAME.gp and NAME.dat. To change a plot, "
        "edit\n"
        "these and run `gnuplot NAME.gp` in the folder. What is printed are the files.\n"
        "Examples:\n"
        "  eddy lab run configs/experiments/fig3-three.toml --json > fig3-three.json\n"
        "  eddy lab plot fig3-*.json --dir plots");
    command->callback([options, &chosen] { chosen = [options] { return plot(*options); }; });
}

}  // namespace eddy::cli
