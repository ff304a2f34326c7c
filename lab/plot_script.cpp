#include "lab/plot_script.hpp"

#include <cstdint>
#include <iterator>

#include <fmt/format.h>

namespace eddy::lab {

namespace {

constexpr size_t file_name_part_max = 60;

// Okabe and Ito's colours, which colour-blind people can tell apart, without the yellow that white paper swallows.
constexpr const char* colours[] = {"#555555", "#e69f00", "#009e73", "#cc79a7", "#0072b2", "#d55e00", "#56b4e9"};
constexpr const char* dashes[] = {"1", "(12,4)", "(3,4)", "(12,4,3,4)"};
constexpr const char* bound_dashes[] = {"(16,10)", "(4,8)"};
// Cross, square, disc, triangle up, triangle down, diamond, circle, star, plus: told apart without colour.
constexpr int markers[] = {2, 5, 7, 9, 11, 13, 6, 3, 1};
constexpr int patterns[] = {3, 1, 6, 2, 7, 4, 5};
constexpr int marks_on_a_curve = 8;

template <class List>
auto in_turn(const List& list, size_t i) {
    return list[i % std::size(list)];
}

/// Length of the well-formed character at the front, 0 if there is none. No surrogates, nothing above U+10FFFF.
size_t character_bytes(std::string_view text, uint32_t& code) {
    const auto byte = [&](size_t i) { return i < text.size() ? static_cast<uint8_t>(text[i]) : uint8_t{0}; };
    const uint8_t first = byte(0);
    code = first;
    if (first < 0x80) return 1;
    const size_t bytes = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4) return 0;
    code = first & (0x7fu >> bytes);
    for (size_t i = 1; i < bytes; ++i) {
        if ((byte(i) & 0xc0) != 0x80) return 0;
        code = code << 6 | (byte(i) & 0x3fu);
    }
    constexpr uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const bool surrogate = code >= 0xd800 && code < 0xe000;
    return code < least[bytes] || surrogate || code > 0x10ffff ? 0 : bytes;
}

/// Control characters, line and paragraph separators, and what XML forbids.
bool is_blank(uint32_t code) {
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029 ||
           (code & 0xfffe) == 0xfffe;
}

std::string style_of(const PlotLook& look, PlotKind kind) {
    if (look.is_bound)
        return fmt::format("with lines lc rgb \"#000000\" dt {} lw 1.5", in_turn(bound_dashes, look.dash));
    const char* colour = in_turn(colours, look.colour);
    if (kind == PlotKind::bars)
        return fmt::format("with boxes fs pattern {} lc rgb \"{}\"", in_turn(patterns, look.marker), colour);
    return fmt::format("with linespoints lc rgb \"{}\" dt {} lw 2 pt {} ps 0.9{}", colour, in_turn(dashes, look.dash),
                       in_turn(markers, look.marker),
                       kind == PlotKind::curves ? fmt::format(" pn {}", marks_on_a_curve) : "");
}

std::string up_to(double most) { return most > 0 ? fmt::format("{}", most) : "*"; }

/// Everything but terminal and output.
std::string settings_of(const Plot& plot) {
    std::string text = fmt::format("set title {}\nset xlabel {}\nset ylabel {}\n", gnuplot_text(plot.title),
                                   gnuplot_text(plot.x_label), gnuplot_text(plot.y_label));
    if (plot.log_x) text += "set logscale x\n";
    text += fmt::format("set xrange [{}:{}]\nset yrange [0:{}]\n", plot.x_min, up_to(plot.x_max), up_to(plot.y_max));
    if (!plot.x_tics.empty()) {
        constexpr size_t upright_max = 70;  // characters side by side
        size_t characters = 0;
        for (const PlotTic& tic : plot.x_tics) characters += tic.label.size() + 1;
        const bool slanted = characters > upright_max;
        text += slanted ? "set xtics rotate by -35 (" : "set xtics (";
        for (size_t i = 0; i < plot.x_tics.size(); ++i)
            text += fmt::format("{}{} {}", i == 0 ? "" : ", ", gnuplot_text(plot.x_tics[i].label), plot.x_tics[i].at);
        text += ")\n";
    }
    if (plot.kind == PlotKind::bars) text += fmt::format("set boxwidth {}\n", plot.bar_width);
    text +=
        "set key outside right top Left reverse samplen 3 spacing 1.2 maxrows 24\n"
        "set border 3 lc rgb \"#666666\"\n"
        "set tics nomirror out tc rgb \"#222222\"\n"
        "set grid ytics lc rgb \"#dddddd\" lt 1 lw 0.5\n";
    return text;
}

}  // namespace

std::string printable(std::string_view text, size_t characters_max) {
    std::string line;
    for (size_t count = 0; !text.empty(); ++count) {
        if (count == characters_max) return line + "...";
        uint32_t code = 0;
        const size_t bytes = character_bytes(text, code);
        if (bytes == 0)
            line += '?';
        else if (is_blank(code))
            line += ' ';
        else
            line += text.substr(0, bytes);
        // What gnuplot hands on to the SVG as it is: "&#x…" would mean a character there, "]]>" makes it malformed.
        if ((code == '&' && text.substr(1, 1) == "#") || (code == ']' && text.substr(1, 1) == ">")) line += ' ';
        text.remove_prefix(bytes == 0 ? 1 : bytes);
    }
    return line;
}

std::string gnuplot_text(std::string_view text) {
    constexpr std::string_view plain = " ._-,:;()+/=<>!?*%|~";
    std::string constant = "\"";
    for (const char c : printable(text)) {
        const auto byte = static_cast<uint8_t>(c);
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        // All that quotes, macros, shell commands or blocks are made of goes by its octal number: gnuplot looks for
        // backquotes and braces before it looks for strings. Of a number that begins with 0 it reads four digits.
        if (letter || byte >= 0x80 || plain.find(c) != std::string_view::npos)
            constant += c;
        else
            constant += fmt::format("\\{:0{}o}", byte, byte < 0100 ? 4 : 3);
    }
    return constant + "\"";
}

std::string file_name_part(std::string_view text) {
    constexpr std::string_view allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    std::string part(text.substr(0, file_name_part_max));
    for (char& c : part)
        if (allowed.find(c) == std::string_view::npos) c = '_';
    return part.empty() ? "_" : part;
}

std::string script_of(const Plot& plot) {
    std::string text = fmt::format(
        "# Makes {0}.svg and {0}.png from {0}.dat: gnuplot {0}.gp, in this folder.\nreset\nset encoding utf8\n",
        plot.name);
    text += settings_of(plot);
    text += fmt::format(
        "set terminal svg size 900,560 noenhanced font \"sans-serif,14\" background rgb \"white\"\n"
        "set output \"{}.svg\"\nplot ",
        plot.name);
    for (size_t i = 0; i < plot.lines.size(); ++i)
        text += fmt::format("{}\"{}.dat\" index {} {} title {}", i == 0 ? "" : ", \\\n     ", plot.name, i,
                            style_of(plot.lines[i].look, plot.kind), gnuplot_text(plot.lines[i].title));
    text += fmt::format(
        "\nset terminal pngcairo size 900,560 noenhanced font \"DejaVu Sans,11\" background rgb \"white\"\n"
        "set output \"{}.png\"\nreplot\nset output\n",
        plot.name);
    return text;
}

std::string data_of(const Plot& plot) {
    std::string text = fmt::format("# {}: x is {}, y is {}\n", printable(plot.title), printable(plot.x_label),
                                   printable(plot.y_label));
    bool first = true;
    for (const PlotLine& line : plot.lines) {
        text += fmt::format("{}# {}\n", first ? "" : "\n\n", printable(line.title));
        for (const PlotPoint& point : line.points) text += fmt::format("{} {}\n", point.x, point.y);
        first = false;
    }
    return text;
}

}  // namespace eddy::lab
