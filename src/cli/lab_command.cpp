// eddy lab run
#include <csignal>
#include <filesystem>
#include <iostream>

#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "eddy/real_clock.hpp"
#include "eddy/text_table.hpp"
#include "lab/lab.hpp"
#include "lab/plots.hpp"
#include "models/engine/profile_json.hpp"
#include "models/engine/torch_engine.hpp"
#include "sim/experiment_run.hpp"
#include "src/app/recorded_profile.hpp"
#include "src/cli/commands.hpp"
#include "src/cli/experiment_options.hpp"
#include "src/cli/experiment_output.hpp"
#include "src/cli/load_experiment.hpp"
#include "src/cli/logging.hpp"
#include "src/transport/line_server.hpp"

namespace eddy::cli {

namespace {

using Json = nlohmann::ordered_json;

struct LabRunOptions : ExperimentOptions {
    std::string compute;
    std::string model;
    std::string plot_dir;
    std::string partition = "chain";
    std::string row_profile;
    std::string row_planner = "fused-blocks";
    bool loopback = false;
    bool keep = false;
    bool json = false;
};

/// A lab run with what it is measured against.
struct Finding {
    lab::LabRun lab;
    Experiment measured;  ///< the experiment with devices and links as fast as they were found
    MeasuredRun run;
};

volatile std::sig_atomic_t interrupted = 0;
void on_interrupt(int) { interrupted = 1; }

void watch_for_interrupts() {
    struct sigaction action {};
    action.sa_handler = on_interrupt;
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) ::sigaction(number, &action, nullptr);
    std::signal(SIGPIPE, SIG_IGN);  // who reads the output may go; what was made must still be removed
}

/// One line that changes on a terminal; in a log, a line each ten seconds.
class Progress {
public:
    void told(const std::string& what) {
        const Instant now = real_now();
        if (terminal_) {
            std::cerr << "\r\x1b[K" << what << std::flush;
            any_ = true;
        } else if (now - shown_ >= from_seconds(10)) {
            std::cerr << what << "\n";
            shown_ = now;
        }
    }
    void end() {
        if (any_) std::cerr << "\r\x1b[K" << std::flush;
        any_ = false;
    }

private:
    bool terminal_ = ::isatty(STDERR_FILENO) == 1;
    bool any_ = false;
    Instant shown_{};
};

std::string compute_word(const Experiment& experiment) {
    return experiment.compute == ExperimentCompute::real ? "real" : "replayed";
}

std::string machine_text() {
    utsname name{};
    ::uname(&name);
    const auto engine = engine::torch_engine();
    return fmt::format("{}, {} cores, Linux {}", engine ? (*engine)->device_description() : "unknown processor",
                       ::sysconf(_SC_NPROCESSORS_ONLN), name.release);
}

double seconds_of(const ModelProfile& profile) {
    double sum = 0;
    for (const LayerProfile& layer : profile.layers) sum += to_seconds(layer.time);
    return sum;
}

Status prepare(const LabRunOptions& options, LoadedExperiment& loaded) {
    Experiment& experiment = loaded.experiment;
    if (options.compute == "real") experiment.compute = ExperimentCompute::real;
    if (options.compute == "replayed") experiment.compute = ExperimentCompute::replayed;
    if (!options.model.empty()) experiment.model = std::filesystem::absolute(options.model).string();
    if (experiment.compute == ExperimentCompute::real) {
        if (experiment.model.empty())
            return invalid("compute = \"real\" needs a model: --model M.pt, or [experiment] model instead of profile");
        if (!std::filesystem::is_regular_file(experiment.model))
            return invalid("--model: " + experiment.model + " is no file");
    }
    const bool rows = options.partition != "chain" || !options.row_profile.empty();
    if (rows && experiment.compute == ExperimentCompute::replayed)
        if (const auto recorded = app::recorded_row_model(options.row_profile); !recorded)
            return Error{recorded.error().code, "--row-profile: " + recorded.error().message};
    return options.change(experiment, loaded.profile);
}

lab::LabOptions lab_options(const LabRunOptions& options, const LoadedExperiment& loaded, Progress& progress) {
    lab::LabOptions made;
    made.isolated = ::geteuid() == 0 && !options.loopback;
    made.keep = options.keep;
    made.node_program = (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "eddy-node").string();
    made.model = loaded.experiment.model;
    made.profile_json = engine::profile_to_json(loaded.profile);
    made.profile = loaded.profile;
    for (const auto kind : {PartitionKind::edgeflow, PartitionKind::automatic})
        if (options.partition == name_of(kind)) made.partition = kind;
    for (const auto kind : {RowPlannerKind::progressive_lp, RowPlannerKind::proportional, RowPlannerKind::equal})
        if (options.row_planner == name_of(kind)) made.row_planner = kind;
    if (!options.row_profile.empty()) made.row_profile = std::filesystem::absolute(options.row_profile).string();
    made.log = [&progress, log = stderr_log("eddy", "info")](LogLevel level, const std::string& text) {
        progress.end();
        log(level, text);
    };
    made.ask = [](const std::string& socket, const std::string& line, Usec within) {
        return transport::ask(socket, line, within);
    };
    made.interrupted = [] { return interrupted != 0; };
    return made;
}

/// Real devices measured how the model's time is divided among its layers; the first one's word stands for all.
Result<ModelProfile> reference_profile(const LoadedExperiment& loaded, const lab::LabRun& run) {
    for (const std::string& text : run.profiles)
        if (!text.empty()) return engine::profile_from_json(text);
    return loaded.profile;
}

Result<Finding> find(lab::Lab& lab, const LoadedExperiment& loaded, const LabRunOptions& options, PolicyKind policy) {
    auto made = lab.run(policy, options.chosen_shares());
    if (!made) return made.error();
    if (interrupted != 0) return unavailable("interrupted");
    Finding finding{std::move(*made), {}, {}};
    const auto profile = reference_profile(loaded, finding.lab);
    if (!profile) return profile.error();
    finding.measured = lab::as_measured(loaded.experiment, *profile, finding.lab);
    const ExperimentLinks links = sim::links_used(loaded.experiment, policy);
    const auto bounds = sim::experiment_bounds(finding.measured, *profile, links);
    if (!bounds) return bounds.error();
    sim::ExperimentRunOptions run_options;
    run_options.shares = options.chosen_shares();
    auto simulated = sim::run_experiment(finding.measured, *profile, policy, 1, run_options);
    if (!simulated) return simulated.error();
    finding.run = {policy, std::nullopt, finding.lab.run, links, *bounds, std::move(*simulated)};
    return finding;
}

double measured_speed(const LoadedExperiment& loaded, const lab::LabRun& run, size_t d) {
    return run.model_s[d] > 0 ? seconds_of(loaded.profile) / run.model_s[d] : 0;
}

template <class Number>
Json or_null(const std::optional<Number>& value) {
    return value ? Json(*value) : Json(nullptr);
}

Json to_json(const lab::Lab& lab, const LoadedExperiment& loaded, const Finding& finding, bool isolated,
             const LabRunOptions& options) {
    const Experiment& experiment = loaded.experiment;
    Json json = cli::to_json(experiment, finding.run, true);
    json["compute"] = compute_word(experiment);
    json["partition"] = options.partition;
    if (options.partition != "chain") json["row_planner"] = options.row_planner;
    json["isolation"] = isolated ? "namespaces" : "loopback";
    json["quota_factor"] = experiment.compute == ExperimentCompute::real ? Json(lab.quota_factor()) : Json(nullptr);
    json["delay_applied"] = lab.delay_applied();
    json["started_unix_s"] = finding.lab.started_unix_s;
    json["machine"] = machine_text();
    const auto quotas = lab.quotas_cores();
    const auto limits = lab.memory_limits_mb();
    json["devices"] = Json::array();
    for (size_t d = 0; d < experiment.devices.size(); ++d)
        json["devices"].push_back({{"name", experiment.devices[d].name},
                                   {"asked_speed", experiment.devices[d].speed},
                                   {"measured_speed", measured_speed(loaded, finding.lab, d)},
                                   {"quota_cores", or_null(quotas[d])},
                                   {"memory_limit_mb", or_null(limits[d])}});
    json["link_speeds"] = Json::array();
    for (const lab::LinkSpeed& link : finding.lab.links)
        json["link_speeds"].push_back(
            {{"from", experiment.devices[link.from].name},
             {"to", experiment.devices[link.to].name},
             {"asked_mbit_per_s", link.asked_mbit_per_s > 0 ? Json(link.asked_mbit_per_s) : Json(nullptr)},
             {"measured_mbit_per_s", link.measured_mbit_per_s}});
    return json;
}

std::string heading(const lab::Lab& lab, const LoadedExperiment& loaded) {
    const Experiment& experiment = loaded.experiment;
    const bool real = experiment.compute == ExperimentCompute::real;
    const bool delays = lab.delay_applied();
    std::string text = fmt::format("{}{}{}\n", experiment.name, experiment.title.empty() ? "" : ": ", experiment.title);
    text += fmt::format("compute: {}; {}; {}\n", compute_word(experiment), lab.isolation_text(),
                        delays ? "links have their delay" : "delay of links is not applied");
    if (real && lab.quota_factor() < 1)
        text += fmt::format("this machine cannot give what was asked: all speeds are multiplied by {:.3f}\n",
                            lab.quota_factor());
    return text + fmt::format("figures are of {} s from {} s on; the bound is that of devices and links as measured\n",
                              experiment.window_s, window_from_s(experiment));
}

/// Devices and ring links, what was asked and what each run found.
std::string found_table(const LoadedExperiment& loaded, const std::vector<Finding>& findings) {
    const Experiment& experiment = loaded.experiment;
    std::vector<TextTable::Column> columns{{"", TextTable::Align::left}, {"asked"}};
    for (const Finding& finding : findings) columns.push_back({name_of(finding.run.policy)});
    TextTable table(std::move(columns));
    for (size_t d = 0; d < experiment.devices.size(); ++d) {
        std::vector<std::string> row{fmt::format("{} speed", experiment.devices[d].name),
                                     fmt::format("{:.3f}", experiment.devices[d].speed)};
        for (const Finding& finding : findings)
            row.push_back(fmt::format("{:.3f}", measured_speed(loaded, finding.lab, d)));
        table.add_row(std::move(row));
    }
    for (size_t i = 0; i < findings.front().lab.links.size(); ++i) {
        const lab::LinkSpeed& link = findings.front().lab.links[i];
        std::vector<std::string> row{
            fmt::format("{} > {} Mbit/s", experiment.devices[link.from].name, experiment.devices[link.to].name),
            link.asked_mbit_per_s > 0 ? fmt::format("{:.1f}", link.asked_mbit_per_s) : "as it is"};
        for (const Finding& finding : findings)
            row.push_back(fmt::format("{:.1f}", finding.lab.links[i].measured_mbit_per_s));
        table.add_row(std::move(row));
    }
    return table.str();
}

Status write_plots(const std::string& text, const std::string& folder) {
    const auto runs = lab::read_plot_runs(text);
    if (!runs) return runs.error();
    const auto files = lab::make_plots(*runs, folder);
    if (!files) return files.error();
    std::cerr << fmt::format("eddy: {} plots in {}\n", files->size(), folder);
    return success();
}

int print(const lab::Lab& lab, const LoadedExperiment& loaded, const LabRunOptions& options, bool isolated,
          const std::vector<Finding>& findings) {
    Json list = Json::array();
    for (const Finding& finding : findings) list.push_back(to_json(lab, loaded, finding, isolated, options));
    const std::string text = list.dump(2) + "\n";
    if (options.json) {
        std::cout << text << std::flush;
    } else {
        std::vector<MeasuredRun> runs;
        for (const Finding& finding : findings) runs.push_back(finding.run);
        std::cout << heading(lab, loaded) << "\n"
                  << tables_of(loaded.experiment, runs) << "\n"
                  << found_table(loaded, findings) << std::flush;
    }
    if (!options.plot_dir.empty())
        if (const Status made = write_plots(text, options.plot_dir); !made) return complain(made.error().message);
    return exit_done;
}

int run_lab(const LabRunOptions& options) {
    const auto policies = options.chosen_policies();
    if (!policies) return complain_of(policies.error());
    auto loaded = load_experiment_with_profile(options.file);
    if (!loaded) return complain_of(loaded.error());
    if (const Status prepared = prepare(options, *loaded); !prepared) return complain_of(prepared.error());
    for (const PolicyKind policy : *policies)  // what has no bound is refused before anything is started
        if (const auto bounds = sim::experiment_bounds(loaded->experiment, loaded->profile,
                                                       sim::links_used(loaded->experiment, policy));
            !bounds)
            return complain_of(Error{bounds.error().code, options.file + ": " + bounds.error().message});
    watch_for_interrupts();
    Progress progress;
    lab::LabOptions made = lab_options(options, *loaded, progress);
    const bool isolated = made.isolated;
    std::string policy_text;
    made.progress = [&](const std::string& what) { progress.told(policy_text + what); };
    if (!isolated)
        std::cerr << "eddy: " << (options.loopback ? "--loopback" : "not root")
                  << ": no network namespaces, no quotas; all nodes are on loopback, links as they are\n";
    auto lab = lab::Lab::open(loaded->experiment, std::move(made));
    progress.end();
    if (!lab) {
        const bool cannot = isolated && lab.error().code == ErrorCode::unsupported;
        return complain_of({lab.error().code, lab.error().message + (cannot ? " (--loopback runs without)" : "")});
    }
    if (options.keep) std::cerr << "eddy: the nodes' files are in " << (*lab)->folder() << "\n";
    std::vector<Finding> findings;
    bool whole = true;
    std::string problem;
    for (const PolicyKind policy : *policies) {
        policy_text = fmt::format("{}: ", name_of(policy));
        auto finding = find(**lab, *loaded, options, policy);
        progress.end();
        if (!finding) {
            problem = fmt::format("{}: {}: {}", options.file, name_of(policy), finding.error().message);
            break;  // what was found before is told all the same
        }
        whole = whole && finding->lab.run.lost == 0 && finding->lab.run.duplicated == 0;
        findings.push_back(std::move(*finding));
    }
    const int printed = findings.empty() ? exit_done : print(**lab, *loaded, options, isolated, findings);
    if (!problem.empty()) return complain(problem);
    return printed != exit_done ? printed : whole ? exit_done : exit_failed;
}

}  // namespace

void add_lab_commands(CLI::App& program, Chosen& chosen) {
    auto* lab = program.add_subcommand("lab", "Experiments with real nodes on this machine, and their plots");
    lab->require_subcommand(1);
    auto* command = lab->add_subcommand(
        "run", "An experiment with real nodes behind shaped links, next to its bound and to the simulator");
    auto options = std::make_shared<LabRunOptions>();
    options->add_to(*command);
    command->add_option("--compute", options->compute, "Instead of what the file says")
        ->check(CLI::IsMember({"replayed", "real"}));
    command->add_option("--model", options->model, "TorchScript file, for real compute");
    command->add_option("--partition", options->partition, "How models are divided: [scheduler] partition of all nodes")
        ->check(CLI::IsMember({"chain", "edgeflow", "auto"}));
    command->add_option("--row-profile", options->row_profile,
                        "Recorded eddy.row_profile/1, for partitions other than chain (`eddy plan edgeflow --record`)");
    command
        ->add_option("--row-planner", options->row_planner,
                     "Who divides rows, for partitions other than chain: [scheduler] row_planner of all nodes")
        ->check(CLI::IsMember({"fused-blocks", "progressive-lp", "proportional", "equal"}));
    command->add_flag("--loopback", options->loopback,
                      "No namespaces and quotas even as root: all nodes on loopback, links as they are");
    command->add_option("--plot", options->plot_dir, "Folder for plots, as `eddy lab plot` makes them (gnuplot)");
    command->add_flag("--keep", options->keep, "Leave the nodes' configurations, logs, reports and results");
    command->add_flag("--json", options->json, "JSON on standard output: a list, one object per policy");
    command->footer(
        "As root every device is a network namespace with one card on a bridge of its own, shaped links, a processor\n"
        "quota (real compute only) and a memory limit; nothing leads to the host's network. Otherwise all nodes are "
        "on\n"
        "loopback. Links and devices are measured before each run, and the bound is that of what was measured.\n"
        "  replayed   a node waits as long as the recorded profile says and sends tensors of the true size: many\n"
        "             devices on few cores\n"
        "  real       a node runs the model under its quota; if the machine cannot give all quotas, all are scaled\n"
        "             by one factor, which is told\n"
        "`to simulated` is the throughput as a part of what the simulator says of the same file, as measured.\n"
        "Exits with 1 if a node failed, or a frame was lost or had two outcomes. Ctrl-C cleans up; what a killed lab\n"
        "leaves is removed by the next one.\n"
        "Examples:\n"
        "  sudo eddy lab run configs/experiments/links-100.toml --policy local,layered --window-s 20\n"
        "  sudo eddy lab run configs/experiments/fig3-three.toml --frames-part 0.1 --warm-up-s 3 --window-s 8 --plot "
        "plots\n"
        "  sudo eddy lab run configs/experiments/links-100.toml --compute real --model build/models/mobilenet_v2.pt");
    command->callback([options, &chosen] { chosen = [options] { return run_lab(*options); }; });
}

}  // namespace eddy::cli
