// Goal: plots show what the runs say, their files are the same for the same runs, and gnuplot makes pictures of them.
// Method: lines of small runs by hand; impostors of gnuplot; gnuplot itself where it is installed.
#include "lab/plots.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "tests/lab/plot_samples.hpp"

using namespace eddy;
using namespace eddy::lab;
namespace fs = std::filesystem;

namespace {

class Folder {
public:
    Folder() {
        std::string pattern = (fs::temp_directory_path() / "eddy-plots-XXXXXX").string();
        path_ = ::mkdtemp(pattern.data());
    }
    ~Folder() { fs::remove_all(path_); }
    [[nodiscard]] fs::path path() const { return path_; }

private:
    fs::path path_;
};

std::string text_of(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

/// An executable shell script that stands in for gnuplot.
std::string impostor(const Folder& folder, const std::string& body) {
    const fs::path path = folder.path() / "impostor";
    std::ofstream(path) << "#!/bin/sh\n" << body << "\n";
    fs::permissions(path, fs::perms::owner_all);
    return path.string();
}

}  // namespace

TEST_CASE("names of files hold only letters, digits, points, dashes and underscores") {
    CHECK(file_name_part("fig3-three_v1.2") == "fig3-three_v1.2");
    CHECK(file_name_part("../a b/\xc3\xa9\n") == ".._a_b____");
    CHECK(file_name_part("") == "_");
    CHECK(rc::check("plots of runs with any names", [] {
        std::vector<PlotRun> runs;
        for (size_t i = 0; i < 3; ++i) runs.push_back(traced(a_run(*hostile_text(), *hostile_text(), 1 + i)));
        std::set<std::string> seen;
        for (const Plot& plot : plots_of(runs)) {
            RC_ASSERT(seen.insert(plot.name).second);
            RC_ASSERT(file_name_part(plot.name.substr(0, 60)) == plot.name.substr(0, 60));
            RC_ASSERT(plot.name.find_first_not_of("-.") == 0u);
            for (const PlotLine& line : plot.lines) RC_ASSERT(!line.points.empty());
            // Nothing of a comment or a title gets onto a line of its own.
            for (std::istringstream data(data_of(plot)); data;) {
                std::string row;
                std::getline(data, row);
                RC_ASSERT(row.empty() || row[0] == '#' ||
                          row.find_first_not_of("0123456789.e+- ") == std::string::npos);
            }
        }
    }));
}

TEST_CASE("a family's name is the experiment's without its number of devices") {
    CHECK(family_of("fig3-two", 2) == "fig3");
    CHECK(family_of("fig3-three-half", 3) == "fig3-half");
    CHECK(family_of("links-20-three", 3) == "links-20");
    CHECK(family_of("links-20", 5) == "links-20");
    CHECK(family_of("cluster-20", 20) == "cluster");
    CHECK(family_of("two_devices-x", 2) == "devices-x");
    CHECK(family_of("a_2-b", 2) == "a-b");
    CHECK(family_of("fig3-two-one", 2) == "fig3-one");
    CHECK(family_of("twofold-2b", 2) == "twofold-2b");
    CHECK(family_of("five", 5) == "five");
    CHECK(family_of("-", 5) == "-");
    CHECK(family_of("a--b-5", 5) == "a--b");
    CHECK(family_of("", 5).empty());
}

TEST_CASE("plots are made only of what the runs have") {
    CHECK(plots_of({}).empty());
    CHECK(plots_of({a_run("e", "local", 2)}).empty());
    CHECK(names_of(plots_of({traced(a_run("e", "local", 2))})) ==
          std::vector<std::string>{"processing-time-e", "queues-e-local", "completion-e-local"});
    CHECK(names_of(plots_of({a_run("e-two", "local", 2), a_run("e-three", "local", 3)})) ==
          std::vector<std::string>{"throughput-e", "worst-source-e"});
    PlotRun ended = a_run("e-two", "local", 2);
    ended.makespan_s = 3;
    CHECK(names_of(plots_of({ended, a_run("e-three", "local", 3)})).front() == "throughput-e");  // one makespan
    PlotRun later = a_run("e-three", "local", 3);
    later.makespan_s = 2;
    CHECK(names_of(plots_of({ended, later})).front() == "per-image-time-e");
    CHECK(names_of(plots_of({a_run("e-two", "local", 2), a_run("e-two", "layered", 2)})) ==
          std::vector<std::string>{"worst-source-e-two"});  // a family of one keeps its name
}

TEST_CASE("processing time rises over all images, to the last one when all was done") {
    const auto plots = plots_of({traced(a_run("e", "local", 2)), traced(a_run("e", "layered", 2))});
    const Plot& plot = named(plots, "processing-time-e");
    CHECK(plot.title == "e: processing time");
    REQUIRE(plot.lines.size() == 2);
    CHECK(plot.lines[0].title == "local");
    CHECK(plot.lines[1].title == "layered");
    CHECK(plot.lines[0].points == std::vector<PlotPoint>{{0, 0}, {30, 1}, {93, 2}, {98, 2.5}});
    CHECK(plot.lines[0].look.colour != plot.lines[1].look.colour);
    CHECK(plot.lines[0].look.marker != plot.lines[1].look.marker);
    PlotRun endless = traced(a_run("e", "local", 2));
    endless.makespan_s.reset();
    CHECK(named(plots_of({endless}), "processing-time-e").lines[0].points.back() == PlotPoint{93, 2});
}

TEST_CASE("queues and completion times have a line for each that has samples") {
    PlotRun run = traced(a_run("e", "local", 2));
    run.seconds[0].queue_lengths.clear();
    run.sources[0].completion_ms.clear();
    const auto plots = plots_of({run});
    const Plot& queues = named(plots, "queues-e-local");
    REQUIRE(queues.lines.size() == 2);
    CHECK(queues.lines[1].title == "w2");
    CHECK(queues.lines[1].points == std::vector<PlotPoint>{{2, 8}});
    const Plot& completion = named(plots, "completion-e-local");
    REQUIRE(completion.lines.size() == 1);
    CHECK(completion.lines[0].title == "large");
    CHECK(completion.lines[0].points.front() == PlotPoint{5, 0});
    CHECK(completion.lines[0].points[50] == PlotPoint{55, 0.5});
    CHECK(completion.lines[0].points.back() == PlotPoint{105, 1});
    CHECK_FALSE(completion.log_x);
    run.sources[1].completion_ms.back() = 600;
    CHECK(named(plots_of({run}), "completion-e-local").log_x);
    CHECK(named(plots_of({run}), "completion-e-local").x_min == 5);
    run.sources[1].completion_ms.front() = 0;
    CHECK_FALSE(named(plots_of({run}), "completion-e-local").log_x);
}

TEST_CASE("long traces are thinned, keeping the first sample and all peaks") {
    PlotRun run = a_run("e", "local", 1);
    for (int i = 1; i <= 5000; ++i) run.seconds.push_back({double(i), {1, 1}, {i % 97 == 0 ? 99.0 : i % 7}});
    const auto plots = plots_of({run});
    const auto& queue = named(plots, "queues-e-local").lines[0].points;
    CHECK(queue.size() == 601);
    CHECK(queue.front() == PlotPoint{1, 1});
    CHECK(std::count_if(queue.begin(), queue.end(), [](auto& point) { return point.y == 99; }) == 5000 / 97);
    CHECK(std::is_sorted(queue.begin(), queue.end(), [](auto& a, auto& b) { return a.x < b.x; }));
    const auto& images = named(plots, "processing-time-e").lines[0].points;
    CHECK(images.front() == PlotPoint{0, 0});
    CHECK(images.back() == PlotPoint{10000, 5000});
}

TEST_CASE("runs of one policy are told apart by how they computed, by seed, or by a number") {
    PlotRun real = traced(a_run("e", "layered", 1)), second_seed = real, again = real;
    const PlotRun replayed = traced(a_run("e", "layered", 1));
    real.compute = second_seed.compute = again.compute = "real";
    real.seed = again.seed = 1;
    second_seed.seed = 2;
    const auto plots = plots_of({replayed, second_seed, real, again});
    const Plot& plot = named(plots, "processing-time-e");
    std::vector<std::string> titles;
    for (const PlotLine& line : plot.lines) titles.push_back(line.title);
    CHECK(titles == std::vector<std::string>{"layered real seed 1", "layered real seed 1 #2", "layered real seed 2",
                                             "layered replayed"});
    CHECK(plot.lines[0].look.colour == plot.lines[3].look.colour);
    CHECK(plot.lines[0].look.dash != plot.lines[3].look.dash);
    CHECK(named(plots, "queues-e-layered_real_seed_1__2").lines.size() == 1);
    CHECK(named(plots_of({real, again}), "processing-time-e").lines[1].title == "layered #2");
    CHECK(named(plots_of({real}), "processing-time-e").lines[0].title == "layered");
}

TEST_CASE("figures of a family stand by number of devices; seeds are averaged") {
    std::vector<PlotRun> runs;
    for (const auto& [name, devices, makespan_s] :
         {std::tuple("f-three", size_t{3}, 4.0), std::tuple("f-two", size_t{2}, 5.0),
          std::tuple("f-two", size_t{2}, 7.0)}) {
        runs.push_back(a_run(name, "layered", devices));
        runs.back().makespan_s = makespan_s;
        runs.back().seed = static_cast<uint64_t>(makespan_s);
        runs.back().throughput_per_s = makespan_s;
    }
    runs[0].bound_per_s = 30;
    const auto plots = plots_of(runs);
    const Plot& time = named(plots, "per-image-time-f");
    CHECK(time.title == "f: makespan over number of images");
    REQUIRE(time.lines.size() == 1);
    CHECK(time.lines[0].points == std::vector<PlotPoint>{{2, 60}, {3, 40}});
    REQUIRE(time.x_tics.size() == 2);
    CHECK(time.x_tics[1].label == "3");
    const Plot& throughput = named(plots, "throughput-f");
    REQUIRE(throughput.lines.size() == 2);
    CHECK(throughput.lines[0].points == std::vector<PlotPoint>{{2, 6}, {3, 4}});
    CHECK(throughput.lines[1].title == "bound, offered mix");
    CHECK(throughput.lines[1].look.is_bound);
    CHECK(throughput.lines[1].points == std::vector<PlotPoint>{{2, 20}, {3, 30}});
    CHECK(names_of(plots) == std::vector<std::string>{"per-image-time-f", "throughput-f", "worst-source-f"});
    std::reverse(runs.begin(), runs.end());
    const auto reversed = plots_of(runs);
    for (size_t i = 0; i < plots.size(); ++i) {
        CHECK(script_of(reversed[i]) == script_of(plots[i]));
        CHECK(data_of(reversed[i]) == data_of(plots[i]));
    }
}

TEST_CASE("bounds of ring and direct links are one line while they are alike") {
    std::vector<PlotRun> runs{a_run("f-two", "ddi", 2), a_run("f-three", "ddi", 3), a_run("f-two", "layered", 2),
                              a_run("f-three", "layered", 3)};
    runs[0].links = runs[1].links = "direct";
    runs[0].bound_per_s = 20.01;
    CHECK(named(plots_of(runs), "throughput-f").lines.size() == 3);
    runs[0].bound_per_s = 21;
    const auto plots = plots_of(runs);
    const auto& lines = named(plots, "throughput-f").lines;
    REQUIRE(lines.size() == 4);
    CHECK(lines[2].title == "bound, offered mix, direct");
    CHECK(lines[3].title == "bound, offered mix, ring");
    CHECK(lines[2].look.dash != lines[3].look.dash);
}

TEST_CASE("experiments that are too much alike are no family") {
    const auto plots = plots_of(
        {a_run("f-two", "local", 2), a_run("f-2", "local", 2), a_run("f-2", "layered", 2), a_run("f-3", "local", 3)});
    CHECK(names_of(plots) == std::vector<std::string>{"throughput-f", "worst-source-f"});
    const Plot& bars = named(plots, "worst-source-f");
    REQUIRE(bars.x_tics.size() == 2);
    CHECK(bars.x_tics[0].label == "f-2");
    CHECK(bars.x_tics[1].label == "f-3");
    REQUIRE(bars.lines.size() == 3);
    CHECK(bars.lines[0].title == "local");
    CHECK(bars.lines[0].points == std::vector<PlotPoint>{{-0.2, 0.5}, {0.8, 0.5}});
    CHECK(bars.lines[1].points == std::vector<PlotPoint>{{0.2, 0.5}});
    CHECK(bars.lines[2].title == "bound");
}

TEST_CASE("without gnuplot scripts and data are written, and the error names the package") {
    const Folder folder;
    const fs::path out = folder.path() / "a b" / "plots";
    const std::vector<PlotRun> runs{traced(a_run("e", "local", 2))};
    const auto made = make_plots(runs, out, {.program = "/nowhere/gnuplot"});
    REQUIRE_FALSE(made.ok());
    CHECK(made.error().code == ErrorCode::unavailable);
    CHECK(made.error().message ==
          "/nowhere/gnuplot is not installed: apt-get install gnuplot-nox; scripts and data are in " + out.string());
    const auto plots = plots_of(runs);
    for (const Plot& plot : plots) {
        CHECK(text_of(out / (plot.name + ".gp")) == script_of(plot));
        CHECK(text_of(out / (plot.name + ".dat")) == data_of(plot));
    }
    CHECK(make_plots({}, out, {.program = "/nowhere/gnuplot"})->empty());
    CHECK(make_plots(runs, "/proc/none").error().message.rfind("/proc/none: ", 0) == 0);
}

TEST_CASE("a gnuplot that fails is quoted, and one that hangs is ended") {
    const Folder folder;
    const auto fails =
        run_gnuplot(folder.path(), "x.gp", {.program = impostor(folder, "echo \"line 3: no $2 in $PWD\" >&2; exit 1")});
    REQUIRE_FALSE(fails.ok());
    CHECK(fails.error().code == ErrorCode::internal);
    CHECK(fails.error().message == "x.gp: gnuplot failed: line 3: no x.gp in " + folder.path().string());
    const auto noisy =
        run_gnuplot(folder.path(), "x.gp", {.program = impostor(folder, "yes | head -c 999999; exit 1")});
    CHECK(noisy.error().message.size() < 5000);
    const auto hangs = run_gnuplot(folder.path(), "x.gp",
                                   {.program = impostor(folder, "exec sleep 60"), .within = from_seconds(0.05)});
    CHECK(hangs.error().message == "x.gp: gnuplot took too long and was ended");
    CHECK(run_gnuplot(folder.path(), "x.gp", {.program = impostor(folder, "exit 0")}).ok());
}

TEST_CASE("gnuplot makes pictures with the lines' titles, the same each time, and runs nothing that a name says") {
    if (std::system("gnuplot --version > /dev/null 2>&1") != 0) {
        MESSAGE("skipped: gnuplot is not installed");
        return;
    }
    const Folder folder;
    const fs::path trap = folder.path() / "trap";
    std::vector<PlotRun> runs;
    for (size_t devices = 1; devices <= 2; ++devices) {
        PlotRun run = traced(a_run(fmt::format("e-{}", devices), "layered", devices));
        run.nodes[0] = fmt::format("`touch {0}`\"; system(\"touch {0}\") #", trap.string()).substr(0, 200);
        run.sources[0].name = "a_b^{c} \\n 'q' & <d>";
        run.sources[1].name = "#7&#x00;]]>\n@x";
        runs.push_back(run);
    }
    const auto made = make_plots(runs, folder.path());
    REQUIRE(made.ok());
    CHECK(made->size() == 4 * plots_of(runs).size());
    CHECK_FALSE(fs::exists(trap));
    for (const fs::path& file : *made) {
        INFO(file.string());
        const std::string text = text_of(file);
        if (file.extension() == ".svg") CHECK(text.rfind("<?xml", 0) == 0);
        if (file.extension() == ".svg") CHECK(text.find("</svg>") != std::string::npos);
        if (file.extension() == ".png") CHECK(text.rfind("\x89PNG\r\n\x1a\n", 0) == 0);
        CHECK(text.size() > 50);
    }
    const std::string completion = text_of(folder.path() / "completion-e-1-layered.svg");
    CHECK(completion.find("<text>a_b^{c} \\n 'q' &amp; &lt;d></text>") != std::string::npos);
    CHECK(completion.find("<text>#7&amp; #x00;]] > @x</text>") != std::string::npos);
    CHECK(text_of(folder.path() / "throughput-e.svg").find("<text>bound, offered mix</text>") != std::string::npos);
    CHECK(text_of(folder.path() / "worst-source-e.svg").find("<text>e-2</text>") != std::string::npos);
    const Folder again;
    REQUIRE(make_plots(runs, again.path()).ok());
    for (const fs::path& file : *made) CHECK(text_of(file) == text_of(again.path() / file.filename()));
}
