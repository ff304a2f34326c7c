#include "lab/plots.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <map>
#include <set>
#include <tuple>

#include <fmt/format.h>

namespace eddy::lab {

namespace {

using Runs = std::vector<const PlotRun*>;

constexpr size_t points_max = 600;          // of a line: the picture has not many more pixels
constexpr size_t name_characters_max = 32;  // longer ones would leave no room for the plot
constexpr size_t policies_known = 5;
constexpr double log_x_from_ratio = 100;  // of the slowest to the quickest frame

// -- what runs are called

/// Place of a policy among those that are known, so that each has its colour in all plots; others come after.
size_t rank_of(const std::string& policy) {
    constexpr std::array<std::string_view, policies_known> known = {"local", "ddi", "ar-mdi", "ms-mdi", "layered"};
    return static_cast<size_t>(std::find(known.begin(), known.end(), policy) - known.begin());
}

auto order_of(const PlotRun& run) {
    return std::tuple(rank_of(run.policy), run.policy, run.compute, run.seed.value_or(0));
}

std::string shown(const std::string& name) { return printable(name, name_characters_max); }

/// "layered", or if there are several of that policy: "layered real", "layered seed 2", "layered #2".
std::vector<std::string> labels_of(const Runs& runs) {
    std::map<std::string, std::set<std::string>> computes;
    std::map<std::pair<std::string, std::string>, std::multiset<uint64_t>> seeds;
    for (const PlotRun* run : runs) {
        computes[run->policy].insert(run->compute);
        seeds[{run->policy, run->compute}].insert(run->seed.value_or(0));
    }
    std::vector<std::string> labels;
    std::map<std::string, size_t> seen;
    for (const PlotRun* run : runs) {
        std::string label = shown(run->policy);
        if (computes[run->policy].size() > 1) label += " " + shown(run->compute);
        const auto& all = seeds[{run->policy, run->compute}];
        if (run->seed && all.count(*run->seed) < all.size()) label += fmt::format(" seed {}", *run->seed);
        const size_t nth = ++seen[label];
        labels.push_back(nth == 1 ? label : fmt::format("{} #{}", label, nth));
    }
    return labels;
}

/// A policy's lines share its colour; markers differ from line to line, dashes within a policy.
class Looks {
public:
    PlotLook next(const std::string& policy) {
        size_t colour = rank_of(policy);
        if (colour == policies_known) colour += others_.try_emplace(policy, others_.size()).first->second;
        return {colour, lines_[policy]++, marker_++};
    }

private:
    std::map<std::string, size_t> others_;  ///< policies nobody knows, in the order they came
    std::map<std::string, size_t> lines_;
    size_t marker_ = 0;
};

/// Devices and sources: no policy's meaning, so they begin with other colours.
PlotLook look_of(size_t i) { return {i + policies_known - 1, i / 7, i}; }

// -- lines

/// At most points_max and the first: of those that follow each other the highest stays.
std::vector<PlotPoint> thinned(std::vector<PlotPoint> points) {
    if (points.size() <= points_max) return points;
    std::vector<PlotPoint> kept{points.front()};
    for (size_t i = 0; i < points_max; ++i) {
        const auto at = [&](size_t part) {
            return points.begin() + static_cast<ptrdiff_t>(1 + part * (points.size() - 1) / points_max);
        };
        kept.push_back(
            *std::max_element(at(i), at(i + 1), [](const PlotPoint& a, const PlotPoint& b) { return a.y < b.y; }));
    }
    return kept;
}

std::vector<PlotPoint> processing_time(const PlotRun& run) {
    std::vector<PlotPoint> points{{0, 0}};
    double images = 0;
    for (const PlotSecond& second : run.seconds) {
        for (const double completed : second.completed) images += completed;
        points.push_back({images, second.at_s});
    }
    // Samples end with the last whole second, the run a little later.
    double completed = 0;
    for (const PlotSource& source : run.sources) completed += static_cast<double>(source.completed);
    if (run.makespan_s && *run.makespan_s > points.back().y && completed >= images)
        points.push_back({completed, *run.makespan_s});
    return thinned(std::move(points));
}

Plot processing_time_plot(const std::string& experiment, const Runs& runs) {
    Plot plot;
    plot.name = "processing-time-" + file_name_part(experiment);
    plot.title = shown(experiment) + ": processing time";
    plot.x_label = "images completed";
    plot.y_label = "processing time (s)";
    const auto labels = labels_of(runs);
    Looks looks;
    for (size_t i = 0; i < runs.size(); ++i)
        if (!runs[i]->seconds.empty())
            plot.lines.push_back({labels[i], looks.next(runs[i]->policy), processing_time(*runs[i])});
    return plot;
}

Plot queues_plot(const PlotRun& run, const std::string& label) {
    Plot plot;
    plot.name = fmt::format("queues-{}-{}", file_name_part(run.experiment), file_name_part(label));
    plot.title = fmt::format("{}, {}: frames waiting at each device", shown(run.experiment), label);
    plot.x_label = "time (s)";
    plot.y_label = "frames waiting";
    for (size_t n = 0; n < run.nodes.size(); ++n) {
        std::vector<PlotPoint> points;
        for (const PlotSecond& second : run.seconds)
            if (n < second.queue_lengths.size()) points.push_back({second.at_s, second.queue_lengths[n]});
        if (!points.empty()) plot.lines.push_back({shown(run.nodes[n]), look_of(n), thinned(std::move(points))});
    }
    return plot;
}

Plot completion_plot(const PlotRun& run, const std::string& label) {
    Plot plot;
    plot.name = fmt::format("completion-{}-{}", file_name_part(run.experiment), file_name_part(label));
    plot.title = fmt::format("{}, {}: completion times", shown(run.experiment), label);
    plot.x_label = "completion time (ms)";
    plot.y_label = "fraction of completed frames";
    plot.y_max = 1;
    double least = 0, most = 0;
    for (size_t j = 0; j < run.sources.size(); ++j) {
        const auto& quantiles = run.sources[j].completion_ms;
        if (quantiles.empty()) continue;
        least = plot.lines.empty() ? quantiles.front() : std::min(least, quantiles.front());
        most = std::max(most, quantiles.back());
        std::vector<PlotPoint> points;
        for (size_t i = 0; i < quantiles.size(); ++i)
            points.push_back({quantiles[i], static_cast<double>(i) / static_cast<double>(quantile_count - 1)});
        plot.lines.push_back({shown(run.sources[j].name), look_of(j), std::move(points)});
    }
    plot.log_x = least > 0 && most > log_x_from_ratio * least;
    if (plot.log_x) plot.x_min = least;
    return plot;
}

// -- families

/// Experiments of one family, with their runs.
struct Family {
    std::string name;
    std::vector<std::pair<std::string, Runs>> experiments;  ///< by number of devices, then by name

    [[nodiscard]] Runs runs() const {
        Runs all;
        for (const auto& [experiment, its] : experiments) all.insert(all.end(), its.begin(), its.end());
        std::stable_sort(all.begin(), all.end(),
                         [](const PlotRun* a, const PlotRun* b) { return order_of(*a) < order_of(*b); });
        return all;
    }
};

std::vector<Family> families_of(const std::map<std::string, Runs>& experiments) {
    // The second is empty, or the name of an experiment that is too much like another to be of its family.
    std::map<std::pair<std::string, std::string>, Family> families;
    std::set<std::pair<std::string, size_t>> taken;
    for (const auto& [experiment, runs] : experiments) {
        const size_t devices = runs.front()->nodes.size();
        std::string name = family_of(experiment, devices);
        const bool alone = !taken.emplace(name, devices).second;
        auto& family = families[{name, alone ? experiment : std::string()}];
        family.name = alone || family.experiments.empty() ? experiment : name;
        family.experiments.emplace_back(experiment, runs);
    }
    std::vector<Family> list;
    for (auto& [key, family] : families) {
        std::stable_sort(family.experiments.begin(), family.experiments.end(), [](const auto& a, const auto& b) {
            return a.second.front()->nodes.size() < b.second.front()->nodes.size();
        });
        list.push_back(std::move(family));
    }
    return list;
}

/// Figures by line and place on the x axis; several of one place become their mean.
class Means {
public:
    void add(const std::string& line, double x, double figure) {
        auto& [sum, count] = lines_[line][x];
        sum += figure;
        ++count;
    }
    [[nodiscard]] std::vector<PlotPoint> points(const std::string& line) const {
        std::vector<PlotPoint> points;
        for (const auto& [x, figures] : lines_.at(line)) points.push_back({x, figures.first / figures.second});
        return points;
    }
    [[nodiscard]] std::vector<std::string> names() const {
        std::vector<std::string> names;
        for (const auto& [name, figures] : lines_) names.push_back(name);
        return names;
    }

private:
    std::map<std::string, std::map<double, std::pair<double, double>>> lines_;
};

double device_count(const PlotRun& run) { return static_cast<double>(run.nodes.size()); }

/// A line for each policy, and each way of computing if there are several. `figure(run)` may have none.
template <class X, class Figure>
std::vector<PlotLine> policy_lines(const Runs& runs, X x, Figure figure) {
    std::map<std::string, std::set<std::string>> computes;
    for (const PlotRun* run : runs)
        if (figure(*run)) computes[run->policy].insert(run->compute);
    Means means;
    std::vector<std::tuple<std::string, std::string>> order;  // label and policy
    for (const PlotRun* run : runs) {
        const std::optional<double> value = figure(*run);
        if (!value) continue;
        const std::string label =
            shown(run->policy) + (computes[run->policy].size() > 1 ? " " + shown(run->compute) : "");
        means.add(label, x(*run), *value);
        if (order.empty() || std::get<0>(order.back()) != label) order.emplace_back(label, run->policy);
    }
    std::vector<PlotLine> lines;
    Looks looks;
    for (const auto& [label, policy] : order) lines.push_back({label, looks.next(policy), means.points(label)});
    return lines;
}

/// The numbers of devices that there are, as labels; and whether there is more than one.
bool put_device_tics(Plot& plot) {
    std::set<double> counts;
    for (const PlotLine& line : plot.lines)
        for (const PlotPoint& point : line.points) counts.insert(point.x);
    if (counts.size() < 2) return false;
    const double margin = (*counts.rbegin() - *counts.begin()) * 0.04;
    plot.x_min = *counts.begin() - margin;
    plot.x_max = *counts.rbegin() + margin;
    for (const double count : counts) plot.x_tics.push_back({count, fmt::format("{}", count)});
    return true;
}

std::optional<double> per_image_ms(const PlotRun& run) {
    double frames = 0;
    for (const PlotSource& source : run.sources) frames += static_cast<double>(source.captured);
    if (!run.makespan_s || frames == 0) return std::nullopt;
    return *run.makespan_s * 1e3 / frames;
}

Plot per_image_plot(const Family& family) {
    Plot plot;
    plot.name = "per-image-time-" + file_name_part(family.name);
    plot.title = shown(family.name) + ": makespan over number of images";
    plot.x_label = "number of devices";
    plot.y_label = "time per image (ms)";
    plot.kind = PlotKind::points;
    plot.lines = policy_lines(family.runs(), device_count, per_image_ms);
    if (!put_device_tics(plot)) plot.lines.clear();
    return plot;
}

bool look_alike(const std::vector<PlotPoint>& a, const std::vector<PlotPoint>& b) {
    constexpr double tolerance = 1e-3;
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const PlotPoint& p, const PlotPoint& q) {
        return p.x == q.x && std::abs(p.y - q.y) <= tolerance * std::max(p.y, q.y);
    });
}

Plot throughput_plot(const Family& family) {
    Plot plot;
    plot.name = "throughput-" + file_name_part(family.name);
    plot.title = shown(family.name) + ": throughput";
    plot.x_label = "number of devices";
    plot.y_label = "throughput (frames/s)";
    plot.kind = PlotKind::points;
    const Runs runs = family.runs();
    plot.lines =
        policy_lines(runs, device_count, [](const PlotRun& run) { return std::optional(run.throughput_per_s); });
    // Of rates in the offered mix: who favours cheap sources may complete more in all.
    Means bounds;
    for (const PlotRun* run : runs) bounds.add(run->links, device_count(*run), run->bound_per_s);
    std::vector<PlotLine> lines;
    for (const std::string& links : bounds.names()) {
        auto points = bounds.points(links);
        if (!lines.empty() && look_alike(lines.front().points, points)) continue;
        lines.push_back(
            {"bound, offered mix, " + shown(links), {.dash = lines.size(), .is_bound = true}, std::move(points)});
    }
    if (lines.size() == 1) lines.front().title = "bound, offered mix";
    std::move(lines.begin(), lines.end(), std::back_inserter(plot.lines));
    if (!put_device_tics(plot)) plot.lines.clear();
    return plot;
}

Plot worst_source_plot(const Family& family) {
    Plot plot;
    plot.name = "worst-source-" + file_name_part(family.name);
    plot.title = shown(family.name) + ": throughput of the worst source";
    plot.x_label = "experiment";
    plot.y_label = "fraction of the bound";
    plot.kind = PlotKind::bars;
    std::map<std::string, double> place;
    for (const auto& [experiment, runs] : family.experiments) {
        const auto at = static_cast<double>(place.size());
        plot.x_tics.push_back({at, shown(experiment)});
        place[experiment] = at;
    }
    plot.lines = policy_lines(
        family.runs(), [&](const PlotRun& run) { return place.at(run.experiment); },
        [](const PlotRun& run) { return std::optional(run.fraction_of_bound); });
    if (place.size() * plot.lines.size() < 2) return plot.lines.clear(), plot;
    const auto bars = static_cast<double>(plot.lines.size());
    const double step = 0.8 / bars;
    for (size_t i = 0; i < plot.lines.size(); ++i)
        for (PlotPoint& point : plot.lines[i].points) point.x += (static_cast<double>(i) - (bars - 1) / 2) * step;
    plot.bar_width = step * 0.9;
    plot.x_min = -0.6;
    plot.x_max = static_cast<double>(place.size()) - 0.4;
    plot.lines.push_back({"bound", {.is_bound = true}, {{plot.x_min, 1}, {plot.x_max, 1}}});
    return plot;
}

Status write(const std::filesystem::path& path, const std::string& text) {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file << text;
    file.close();
    if (!file) return unavailable(fmt::format("{}: cannot be written", path.string()));
    return success();
}

}  // namespace

std::string family_of(const std::string& experiment, size_t devices) {
    constexpr std::string_view words[] = {"zero",     "one",      "two",      "three",   "four",    "five",
                                          "six",      "seven",    "eight",    "nine",    "ten",     "eleven",
                                          "twelve",   "thirteen", "fourteen", "fifteen", "sixteen", "seventeen",
                                          "eighteen", "nineteen", "twenty"};
    constexpr std::string_view between = "-_";
    std::string family, word;
    std::string before;  // the character in front of the word
    const auto end_word = [&] {
        const bool is_count = word == std::to_string(devices) || (devices < std::size(words) && word == words[devices]);
        if (!is_count) family += (family.empty() ? "" : before) + word;
        word.clear();
    };
    for (const char c : experiment) {
        if (between.find(c) == std::string_view::npos) {
            word += c;
            continue;
        }
        end_word();
        before = c;
    }
    end_word();
    return family.empty() ? experiment : family;
}

std::vector<Plot> plots_of(const std::vector<PlotRun>& runs) {
    std::map<std::string, Runs> experiments;
    for (const PlotRun& run : runs) experiments[run.experiment].push_back(&run);
    std::vector<Plot> plots;
    std::set<std::string> names;
    const auto add = [&](Plot plot) {
        if (plot.lines.empty()) return;
        // Different names may become the same file's.
        const std::string name = plot.name;
        for (size_t i = 2; !names.insert(plot.name).second; ++i) plot.name = fmt::format("{}-{}", name, i);
        plots.push_back(std::move(plot));
    };
    for (auto& [experiment, its] : experiments) {
        std::stable_sort(its.begin(), its.end(),
                         [](const PlotRun* a, const PlotRun* b) { return order_of(*a) < order_of(*b); });
        add(processing_time_plot(experiment, its));
        const auto labels = labels_of(its);
        for (size_t i = 0; i < its.size(); ++i) {
            add(queues_plot(*its[i], labels[i]));
            add(completion_plot(*its[i], labels[i]));
        }
    }
    for (const Family& family : families_of(experiments)) {
        add(per_image_plot(family));
        add(throughput_plot(family));
        add(worst_source_plot(family));
    }
    return plots;
}

Result<std::vector<std::filesystem::path>> make_plots(const std::vector<PlotRun>& runs,
                                                      const std::filesystem::path& folder,
                                                      const GnuplotOptions& options) {
    const auto plots = plots_of(runs);
    std::error_code wrong;
    std::filesystem::create_directories(folder, wrong);
    if (wrong) return unavailable(fmt::format("{}: {}", folder.string(), wrong.message()));
    for (const Plot& plot : plots) {
        if (auto written = write(folder / (plot.name + ".dat"), data_of(plot)); !written) return written.error();
        if (auto written = write(folder / (plot.name + ".gp"), script_of(plot)); !written) return written.error();
    }
    std::vector<std::filesystem::path> files;
    for (const Plot& plot : plots) {
        if (auto made = run_gnuplot(folder, plot.name + ".gp", options); !made)
            return Error{made.error().code,
                         fmt::format("{}; scripts and data are in {}", made.error().message, folder.string())};
        for (const char* ending : {".svg", ".png", ".gp", ".dat"}) files.push_back(folder / (plot.name + ending));
    }
    return files;
}

}  // namespace eddy::lab
