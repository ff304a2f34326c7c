// Goal: results are read with bounds and told what is wrong with them, and no name in them becomes more than text of a
// plot. Method: gnuplot's own reading of strings, written again here, for any text; exact scripts and data.
#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "lab/plot_runs.hpp"
#include "lab/plot_script.hpp"
#include "tests/lab/plot_samples.hpp"

using namespace eddy;
using namespace eddy::lab;

namespace {

/// What gnuplot makes of a constant in double quotes: numbers of up to three octal digits, or four after a 0.
std::string as_gnuplot_reads(std::string_view constant) {
    std::string text;
    constant = constant.substr(1, constant.size() - 2);
    for (size_t i = 0; i < constant.size(); ++i) {
        if (constant[i] != '\\') {
            text += constant[i];
            continue;
        }
        const size_t digits_max = constant[i + 1] == '0' ? 4 : 3;
        unsigned value = 0;
        size_t digits = 0;
        while (digits < digits_max && i + 1 < constant.size() && constant[i + 1] >= '0' && constant[i + 1] <= '7') {
            value = value * 8 + static_cast<unsigned>(constant[++i] - '0');
            ++digits;
        }
        text += static_cast<char>(value);
    }
    return text;
}

// clang-format off
const char* const a_script = R"gp(# Makes queues-e-local.svg and queues-e-local.png from queues-e-local.dat: gnuplot queues-e-local.gp, in this folder.
reset
set encoding utf8
set title "e, local: it\0047s"
set xlabel "time (s)"
set ylabel "frames waiting"
set xrange [0:*]
set yrange [0:*]
set key outside right top Left reverse samplen 3 spacing 1.2 maxrows 24
set border 3 lc rgb "#666666"
set tics nomirror out tc rgb "#222222"
set grid ytics lc rgb "#dddddd" lt 1 lw 0.5
set terminal svg size 900,560 noenhanced font "sans-serif,14" background rgb "white"
set output "queues-e-local.svg"
plot "queues-e-local.dat" index 0 with linespoints lc rgb "#555555" dt 1 lw 2 pt 2 ps 0.9 pn 8 title "w1", \
     "queues-e-local.dat" index 1 with lines lc rgb "#000000" dt (16,10) lw 1.5 title "bound"
set terminal pngcairo size 900,560 noenhanced font "DejaVu Sans,11" background rgb "white"
set output "queues-e-local.png"
replot
set output
)gp";
// clang-format on

const char* const one_run = R"([{"experiment": "e", "policy": "local", "seed": 3, "links": "ring", "makespan_s": 2.5,
  "throughput_per_s": 1.5, "bound_per_s": 2, "fraction_of_bound": 0.75, "theta": 1, "compute": "real",
  "sources": [{"name": "cam", "captured": 7, "completed": 6, "completion_ms_quantiles": null}],
  "nodes": [{"name": "w1", "busy_fraction": 1}, {"name": "w2", "busy_fraction": 1}],
  "per_second": [{"at_s": 1, "completed": [4], "in_queues_by_node": [2, 0]}, {"at_s": 2, "completed": [2]}]}])";

std::string changed(const std::string& from, const std::string& to) {
    std::string text = one_run;
    const size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    return text.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("a run is read with what it has, and keys that others may need are passed over") {
    const auto runs = read_plot_runs(one_run);
    REQUIRE(runs.ok());
    const PlotRun& run = runs->at(0);
    CHECK(run.experiment == "e");
    CHECK(run.policy == "local");
    CHECK(run.compute == "real");
    CHECK(run.links == "ring");
    CHECK(run.seed == 3);
    CHECK(run.makespan_s == 2.5);
    CHECK(run.throughput_per_s == 1.5);
    CHECK(run.bound_per_s == 2);
    CHECK(run.fraction_of_bound == 0.75);
    CHECK(run.sources.at(0).name == "cam");
    CHECK(run.sources.at(0).captured == 7);
    CHECK(run.sources.at(0).completed == 6);
    CHECK(run.sources.at(0).completion_ms.empty());
    CHECK(run.nodes == std::vector<std::string>{"w1", "w2"});
    REQUIRE(run.seconds.size() == 2);
    CHECK(run.seconds[1].at_s == 2);
    CHECK(run.seconds[0].completed == std::vector<double>{4});
    CHECK(run.seconds[0].queue_lengths == std::vector<double>{2, 0});
    CHECK(run.seconds[1].queue_lengths.empty());
}

TEST_CASE("what the simulator leaves out may be missing") {
    const auto runs = read_plot_runs(R"([{"experiment": "e", "policy": "local", "links": "ring", "makespan_s": null,
        "throughput_per_s": 1, "bound_per_s": 2, "fraction_of_bound": null, "sources": [], "nodes": []}])");
    REQUIRE(runs.ok());
    CHECK(runs->at(0).compute == "simulated");
    CHECK_FALSE(runs->at(0).seed.has_value());
    CHECK_FALSE(runs->at(0).makespan_s.has_value());
    CHECK(runs->at(0).seconds.empty());
    CHECK(read_plot_runs("[]")->empty());
}

TEST_CASE("what is wrong with a result is told with its place") {
    const auto problem = [](const std::string& text) {
        const auto runs = read_plot_runs(text);
        CHECK_FALSE(runs.ok());
        CHECK((runs.ok() || runs.error().code == ErrorCode::invalid));
        return runs.ok() ? std::string() : runs.error().message;
    };
    CHECK(problem("") == "byte 1: not JSON");
    CHECK(problem("[{]") == "byte 3: not JSON");
    CHECK(problem("[1e999]") == "a number is out of range");
    CHECK(problem("{}") == "allowed: a list of at most 5000 runs, as eddy lab run --json prints");
    CHECK(problem("[7]") == "[0]: allowed: an object");
    CHECK(problem(changed("\"local\"", "5")) == "[0].policy: allowed: a text");
    CHECK(problem(changed("1.5", "-1.5")) == "[0].throughput_per_s: allowed: a number of at least 0");
    CHECK(problem(changed("\"captured\": 7", "\"captured\": -7")) ==
          "[0].sources[0].captured: allowed: a whole number of at least 0");
    CHECK(problem(changed("quantiles\": null", "quantiles\": [1, 2]")) ==
          "[0].sources[0].completion_ms_quantiles: allowed: a list of 101 numbers");
    CHECK(problem(changed("[4]", "[4, 4]")) == "[0].per_second[0].completed: allowed: a list of at most 1");
    CHECK(problem(changed("[4]", "[]")) == "[0].per_second[0].completed: allowed: a list of 1 numbers");
    CHECK(problem(changed("[4]", "[\"4\"]")) == "[0].per_second[0].completed[0]: allowed: a number of at least 0");
    CHECK(problem(changed("[2, 0]", "[2, -1]")) ==
          "[0].per_second[0].in_queues_by_node[1]: allowed: a number of at least 0");
    CHECK(problem(changed("\"at_s\": 2", "\"at_s\": 1")) ==
          "[0].per_second[1].at_s: allowed: later than the one before");
    CHECK(problem(changed("\"name\": \"w2\"", "\"no\": 1")) == "[0].nodes[1].name: allowed: a text");
    std::string falling = "[9";
    for (size_t i = 1; i < quantile_count; ++i) falling += ",8";
    CHECK(problem(changed("quantiles\": null", "quantiles\": " + falling + "]")) ==
          "[0].sources[0].completion_ms_quantiles: allowed: rising numbers");
    CHECK(problem(std::string(plot_json_bytes_max + 1, ' ')) == "more than 67108864 bytes");
}

TEST_CASE("no text reads as a run by accident, and none stops the reader") {
    CHECK(rc::check("pieces cut out of a run", [] {
        std::string text = one_run;
        const auto from = *rc::gen::inRange<size_t>(0, text.size());
        const auto count = *rc::gen::inRange<size_t>(1, 40);
        text.replace(from, count, *hostile_text());
        (void)read_plot_runs(text).ok();
    }));
}

TEST_CASE("any text becomes one string constant that gnuplot reads as that text") {
    CHECK(rc::check("constant", [] {
        const auto text = *hostile_text();
        const std::string constant = gnuplot_text(text);
        RC_ASSERT(constant.size() >= 2 && constant.front() == '"' && constant.back() == '"');
        for (const char c : constant.substr(1, constant.size() - 2)) {
            RC_ASSERT(std::string("\"'`@#{}$\n").find(c) == std::string::npos);
            RC_ASSERT(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
        }
        RC_ASSERT(as_gnuplot_reads(constant) == printable(text));
        RC_ASSERT(printable(printable(text)) == printable(text));
    }));
    CHECK(gnuplot_text("fig3-three: 5 \xc3\xa9") == "\"fig3-three: 5 \xc3\xa9\"");
    CHECK(gnuplot_text("a\"b`7\\") == "\"a\\0042b\\1407\\134\"");
}

TEST_CASE("what cannot be shown is replaced, and what is long is cut between characters") {
    CHECK(printable("a\nb\tc\x7f\xc2\x85\xe2\x80\xa8") == "a b c   ");
    CHECK(printable("\xc3\xa9 \xff \xc3 \xed\xa0\x80 \xc0\xaf \xf4\x90\x80\x80") == "\xc3\xa9 ? ? ??? ?? ????");
    CHECK(printable("\xe0\x80\xaf\xf0\x80\x80\xaf") == "???????");
    CHECK(printable("\xef\xbf\xbf\xf0\x9f\x98\x80") == " \xf0\x9f\x98\x80");
    CHECK(printable("\xc3\xa9\xc3\xa9\xc3\xa9", 2) == "\xc3\xa9\xc3\xa9...");
    CHECK(printable("\xc3\xa9\xc3\xa9", 2) == "\xc3\xa9\xc3\xa9");
    CHECK(printable("&#x41; ]]> &lt;") == "& #x41; ]] > &lt;");  // would mean something in an SVG
}

TEST_CASE("a plot's script and data are these") {
    Plot plot;
    plot.name = "queues-e-local";
    plot.title = "e, local: it's";
    plot.x_label = "time (s)";
    plot.y_label = "frames waiting";
    plot.lines = {{"w1", {0, 0, 0}, {{1, 0.5}, {2, 1e21}}}, {"bound", {.is_bound = true}, {{1, 3}}}};
    CHECK(data_of(plot) ==
          "# e, local: it's: x is time (s), y is frames waiting\n# w1\n1 0.5\n2 1e+21\n\n\n# bound\n1 3\n");
    CHECK(script_of(plot) == a_script);
    plot.kind = PlotKind::bars;
    plot.bar_width = 0.4;
    plot.x_min = -0.5;
    plot.x_max = 1.5;
    plot.y_max = 1;
    plot.log_x = true;
    plot.x_tics = {{0, "a{b"}, {1, "c"}};
    const std::string bars = script_of(plot);
    CHECK(bars.find("set logscale x\nset xrange [-0.5:1.5]\nset yrange [0:1]\nset xtics (\"a\\173b\" 0, \"c\" 1)\n"
                    "set boxwidth 0.4\n") != std::string::npos);
    CHECK(bars.find("index 0 with boxes fs pattern 3 lc rgb \"#555555\" title \"w1\"") != std::string::npos);
    plot.x_tics[0].label = std::string(80, 'a');
    CHECK(script_of(plot).find("set xtics rotate by -35 (") != std::string::npos);
}
