// A plot as a value, and the two files gnuplot makes it from: a script and its data. What names hold is never taken for
// commands: it comes from files of others. Pure; the same plot gives the same bytes. Any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace eddy::lab {

struct PlotPoint {
    double x = 0, y = 0;
    friend bool operator==(const PlotPoint&, const PlotPoint&) = default;
};

/// How a line looks: indices into lists that are gone through again from the start when they end.
struct PlotLook {
    size_t colour = 0;
    size_t dash = 0;
    size_t marker = 0;
    bool is_bound = false;  ///< black and dashed, no markers
};

struct PlotLine {
    std::string title;
    PlotLook look;
    std::vector<PlotPoint> points;  ///< at least one
};

/// A label on the x axis, where not numbers stand there.
struct PlotTic {
    double at = 0;
    std::string label;
};

enum class PlotKind {
    curves,  ///< many points a line, a few of them marked
    points,  ///< every point is marked
    bars,
};

struct Plot {
    std::string name;  ///< of the files, without ending; only characters of file_name_part
    std::string title;
    std::string x_label, y_label;
    PlotKind kind = PlotKind::curves;
    double x_min = 0;
    double x_max = 0;             ///< 0: as far as points go
    double y_max = 0;             ///< 0: as far as points go
    bool log_x = false;           ///< x_min and points are above 0 then
    double bar_width = 0;         ///< of bars, in units of x
    std::vector<PlotTic> x_tics;  ///< empty: numbers, where gnuplot thinks best
    std::vector<PlotLine> lines;
};

/// The text as one readable line of UTF-8: no control characters, nothing malformed; what is longer ends in "...".
[[nodiscard]] std::string printable(std::string_view text, size_t characters_max = 120);

/// printable(text) as a string constant of gnuplot, quotes included; for terminals with `noenhanced`.
[[nodiscard]] std::string gnuplot_text(std::string_view text);

/// The text with everything but A-Z a-z 0-9 . _ - made "_", at most 60 characters. Not empty.
[[nodiscard]] std::string file_name_part(std::string_view text);

/// NAME.gp: writes NAME.svg and NAME.png from NAME.dat, all in the folder gnuplot is started in.
[[nodiscard]] std::string script_of(const Plot& plot);

/// NAME.dat: x and y of each line; lines are two empty lines apart.
[[nodiscard]] std::string data_of(const Plot& plot);

}  // namespace eddy::lab
