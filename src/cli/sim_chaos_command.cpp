// eddy sim chaos
#include <algorithm>
#include <array>
#include <iostream>
#include <map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "eddy/real_clock.hpp"
#include "sim/chaos.hpp"
#include "src/cli/commands.hpp"
#include "src/cli/seed_workers.hpp"

namespace eddy::cli {

namespace {

using Json = nlohmann::ordered_json;

constexpr size_t findings_listed = 100;

struct ChaosOptions {
    std::string seeds = "1..100";
    uint32_t jobs = 1;
    bool calm = false;
    bool verbose = false;
    bool json = false;
};

sim::ChaosPlan plan_of(const ChaosOptions& options, uint64_t seed) {
    auto plan = sim::chaos_plan(seed);
    return options.calm ? sim::calm_twin(std::move(plan)) : plan;
}

std::string replay_of(const ChaosOptions& options, uint64_t seed) {
    return fmt::format("eddy sim chaos --seeds {0}..{0} --verbose{1}", seed, options.calm ? " --calm" : "");
}

// A child's answer, as a line.
Json to_json(const sim::ChaosResult& result) {
    Json json;
    json["findings"] = Json::array();
    for (const auto& finding : result.findings)
        json["findings"].push_back({{"rule", finding.rule}, {"at_s", to_seconds(finding.at)}, {"text", finding.text}});
    const auto& frames = result.frames;
    json["frames"] = frames.captured;
    json["faults"] = result.faults;
    json["lost"] = frames.lost;
    json["duplicated"] = frames.duplicated;
    json["abandoned"] = frames.abandoned;
    json["retold"] = frames.retold;
    json["completed"] = frames.completed;
    json["failed"] = frames.failed_reasons;
    json["dropped"] = frames.dropped_reasons;
    json["source_deaths"] = result.source_deaths;
    json["simulated_s"] = to_seconds(result.ended);
    json["events"] = result.events;
    json["digest"] = fmt::format("{:016x}", result.digest);
    return json;
}

/// What all seeds came to.
class Summary {
public:
    void add(const ChaosOptions& options, uint64_t seed, Json run) {
        ++seeds_;
        for (const char* sum : sums) numbers_[sum] += run.at(sum).get<double>();
        for (const char* reasons : {"failed", "dropped"})
            for (const auto& [reason, count] : run.at(reasons).items())
                reasons_[reasons][reason] += count.get<uint64_t>();
        frames_min_ = std::min(frames_min_, run.at("frames").get<uint64_t>());
        faults_min_ = std::min(faults_min_, run.at("faults").get<uint64_t>());
        for (auto& finding : run.at("findings")) add_finding(options, seed, std::move(finding));
    }
    void add_finding(const ChaosOptions& options, uint64_t seed, Json finding) {
        if (seed_found_ != seed || found_ == 0) ++seeds_found_;
        seed_found_ = seed;
        if (++found_ > findings_listed) return;
        Json entry;
        entry["seed"] = seed;
        entry.update(finding);
        entry["replay"] = replay_of(options, seed);
        findings_.push_back(std::move(entry));
    }
    void died() { ++seeds_; }

    [[nodiscard]] uint64_t found() const { return found_; }
    [[nodiscard]] uint64_t seeds() const { return seeds_; }
    [[nodiscard]] uint64_t seeds_found() const { return seeds_found_; }

    void print_json(uint64_t first, uint64_t last, double wall_s) const {
        Json json;
        json["schema"] = "eddy.sim.chaos/1";
        json["first_seed"] = first;
        json["last_seed"] = last;
        json["seeds"] = seeds_;
        json["found"] = found_;
        json["findings"] = findings_;
        for (const char* sum : sums) json[sum] = whole(sum);
        json["simulated_s"] = numbers_.at("simulated_s");
        json["frames_fewest"] = least(frames_min_);
        json["faults_fewest"] = least(faults_min_);
        for (const char* reasons : {"failed", "dropped"}) json[reasons] = of(reasons);
        json["wall_s"] = wall_s;
        json["seeds_per_s"] = static_cast<double>(seeds_) / std::max(wall_s, 1e-6);
        std::cout << json.dump(2) << "\n";
    }

    void print_text(uint64_t first, uint64_t last, double wall_s) const {
        std::cout << fmt::format(
            "seeds {}..{}: {} findings in {} seeds\nframes {} (fewest {}): {} completed, {} lost, {} duplicated; by "
            "power "
            "cuts at their source {} abandoned, {} told again\nfaults {} (fewest {}), source_deaths {}\n",
            first, last, found_, seeds_found_, whole("frames"), least(frames_min_), whole("completed"), whole("lost"),
            whole("duplicated"), whole("abandoned"), whole("retold"), whole("faults"), least(faults_min_),
            whole("source_deaths"));
        for (const char* reasons : {"failed", "dropped"}) {
            std::string text;
            for (const auto& [reason, count] : of(reasons)) text += fmt::format(" {} {}", reason, count);
            std::cout << reasons << ":" << (text.empty() ? " none" : text) << "\n";
        }
        std::cout << fmt::format("simulated_s {:.0f}, events {}, wall_s {:.1f}, seeds_per_s {:.1f}\n",
                                 numbers_.at("simulated_s"), whole("events"), wall_s,
                                 static_cast<double>(seeds_) / std::max(wall_s, 1e-6));
    }

private:
    static constexpr std::array sums{"frames", "faults",    "lost",          "duplicated", "abandoned",
                                     "retold", "completed", "source_deaths", "events",     "simulated_s"};
    static uint64_t least(uint64_t value) { return value == UINT64_MAX ? 0 : value; }
    [[nodiscard]] uint64_t whole(const std::string& sum) const { return static_cast<uint64_t>(numbers_.at(sum)); }
    [[nodiscard]] std::map<std::string, uint64_t> of(const std::string& reasons) const {
        const auto it = reasons_.find(reasons);
        return it == reasons_.end() ? std::map<std::string, uint64_t>{} : it->second;
    }

    uint64_t seeds_ = 0, found_ = 0, seeds_found_ = 0, seed_found_ = 0;
    uint64_t frames_min_ = UINT64_MAX, faults_min_ = UINT64_MAX;
    std::map<std::string, double> numbers_ = [] {
        std::map<std::string, double> zero;
        for (const char* sum : sums) zero[sum] = 0;
        return zero;
    }();
    std::map<std::string, std::map<std::string, uint64_t>> reasons_;
    Json findings_ = Json::array();
};

/// On standard error: one line that grows old on a terminal, a line now and then elsewhere.
class Progress {
public:
    explicit Progress(uint64_t seeds) : seeds_(seeds) {}
    void told(const Summary& summary) {
        const Instant now = real_now();
        if (now - shown_ < from_seconds(terminal_ ? 1 : 30)) return;
        shown_ = now;
        const double each_s = to_seconds(now - begun_) / static_cast<double>(summary.seeds());
        std::cerr << fmt::format("{}{} of {} seeds, {} with findings, {:.0f} s left{}", terminal_ ? "\r" : "",
                                 summary.seeds(), seeds_, summary.seeds_found(),
                                 each_s * static_cast<double>(seeds_ - summary.seeds()), terminal_ ? "\x1b[K" : "\n")
                  << std::flush;
        any_ = terminal_;
    }
    void clear() {
        if (any_) std::cerr << "\r\x1b[K" << std::flush;
        any_ = false;
    }
    [[nodiscard]] double wall_s() const { return to_seconds(real_now() - begun_); }

private:
    uint64_t seeds_;
    Instant begun_ = real_now(), shown_ = begun_;
    bool terminal_ = ::isatty(STDERR_FILENO) == 1;
    bool any_ = false;
};

/// One seed with all that happens in it, on standard error.
int tell(const ChaosOptions& options, uint64_t seed) {
    const auto plan = plan_of(options, seed);
    std::cerr << "seed " << seed << "\n" << to_text(plan) << "\n";
    const Instant begun = real_now();
    const auto result = sim::run_chaos(plan, [](Usec at, const std::string& text) {
        std::cerr << fmt::format("{:10.4f} {}\n", to_seconds(at), text);
    });
    for (const auto& finding : result.findings) std::cerr << "seed " << seed << ": " << to_text(finding) << "\n";
    Summary summary;
    summary.add(options, seed, to_json(result));
    const double wall_s = to_seconds(real_now() - begun);
    options.json ? summary.print_json(seed, seed, wall_s) : summary.print_text(seed, seed, wall_s);
    return result.findings.empty() ? exit_done : exit_failed;
}

int run_chaos_seeds(const ChaosOptions& options) {
    const auto range = seed_range(options.seeds);
    if (!range) return complain("--seeds " + options.seeds + ": allowed: one seed, or A..B with A <= B", exit_usage);
    if (options.verbose && range->first != range->second)
        return complain("--verbose: allowed: of one seed at a time", exit_usage);
    if (options.verbose) return tell(options, range->first);
    Summary summary;
    Progress progress(range->second - range->first + 1);
    SeedWork work;
    work.first = range->first;
    work.last = range->second;
    work.jobs = options.jobs;
    work.run = [&](uint64_t seed) { return to_json(sim::run_chaos(plan_of(options, seed))).dump(); };
    const auto print_finding = [&](uint64_t seed, const std::string& text) {
        progress.clear();
        std::cerr << "seed " << seed << ": " << text << "\n";
    };
    const auto print_replay = [&](uint64_t seed) { std::cerr << "  replay: " << replay_of(options, seed) << "\n"; };
    work.answer = [&](uint64_t seed, const std::string& line) {
        Json run = Json::parse(line, nullptr, false);
        if (run.is_discarded()) return work.died(seed, "answered what cannot be read");
        for (const auto& finding : run.at("findings"))
            print_finding(seed, fmt::format("{} at {:.3f} s: {}", finding.at("rule").get<std::string>(),
                                            finding.at("at_s").get<double>(), finding.at("text").get<std::string>()));
        if (!run.at("findings").empty()) print_replay(seed);
        summary.add(options, seed, std::move(run));
        progress.told(summary);
    };
    work.died = [&](uint64_t seed, const std::string& words) {
        print_finding(seed, words);
        print_replay(seed);
        summary.died();
        summary.add_finding(options, seed, {{"rule", "Dies"}, {"at_s", nullptr}, {"text", words}});
    };
    const Status tried = try_seeds(work);
    progress.clear();
    if (!tried) return complain(tried.error().message);
    options.json ? summary.print_json(range->first, range->second, progress.wall_s())
                 : summary.print_text(range->first, range->second, progress.wall_s());
    return summary.found() == 0 ? exit_done : exit_failed;
}

}  // namespace

void add_sim_chaos_command(CLI::App& program, Chosen& chosen) {
    auto* command = program.get_subcommand("sim")->add_subcommand(
        "chaos", "Whole clusters under load and faults, a run a seed, with checkers beside them");
    auto options = std::make_shared<ChaosOptions>();
    command->add_option("--seeds,--seed", options->seeds, "A..B, or one seed (default 1..100)");
    command->add_option("--jobs", options->jobs, "So many seeds at a time, each on a core (default 1)")
        ->check(CLI::Range(1, 256));
    command->add_flag("--calm", options->calm, "The same clusters without their faults: nothing may fail");
    command->add_flag("--verbose", options->verbose,
                      "Of one seed: the cluster, its faults in order, and what happens, on standard error");
    command->add_flag("--json", options->json, "JSON on standard output");
    command->footer(
        "A seed makes 5 to 16 nodes with one to four cameras, at least 500 frames and 10 faults: processes crash,\n"
        "restart, vanish, leave, join, pause and slow down, the network splits, is cut one way, loses and delays. "
        "Then\n"
        "all is mended, cameras end, and everything must come to rest. Checked throughout: no frame lost, none\n"
        "delivered twice, sums balance over all lives of a source and its journal, one loss takes no frame with it,\n"
        "work is taken once, bounds hold, nothing is left behind (sim/chaos.hpp has the list).\n"
        "A seed that fails is told with the command that replays it exactly. Exits with 1 on a finding.\n"
        "Examples:\n  eddy sim chaos --seeds 1..5000 --jobs 2 --json\n"
        "  eddy sim chaos --seeds 17..17 --verbose");
    command->callback([options, &chosen] { chosen = [options] { return run_chaos_seeds(*options); }; });
}

}  // namespace eddy::cli
