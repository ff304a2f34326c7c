// Aligned tables for people: reports, status, inspections. Text is what it is given; a cell is bounded and cleaned of
// control characters, since names may come from other machines.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace eddy {

class TextTable {
public:
    enum class Align { left, right };
    struct Column {
        std::string heading;  ///< with its unit
        Align align = Align::right;
    };

    explicit TextTable(std::vector<Column> columns) : columns_(std::move(columns)) {}

    /// Missing cells are shown empty, surplus ones are left out.
    void add_row(std::vector<std::string> cells) {
        cells.resize(columns_.size());
        for (auto& cell : cells) cell = clean(cell);
        rows_.push_back(std::move(cells));
    }

    /// Heading, rows; two spaces between columns, no spaces at a line's end, a newline after each line.
    [[nodiscard]] std::string str() const {
        std::vector<size_t> widths;
        widths.reserve(columns_.size());
        for (size_t c = 0; c < columns_.size(); ++c) {
            size_t width = display_width(columns_[c].heading);
            for (const auto& row : rows_) width = std::max(width, display_width(row[c]));
            widths.push_back(width);
        }
        std::vector<std::string> headings;
        headings.reserve(columns_.size());
        for (const auto& column : columns_) headings.push_back(column.heading);
        std::string text = line(headings, widths);
        for (const auto& row : rows_) text += line(row, widths);
        return text;
    }

private:
    static constexpr size_t cell_bytes_max = 200;

    static std::string clean(const std::string& text) {
        std::string out = text.substr(0, cell_bytes_max);
        for (char& c : out)
            if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
        return out;
    }
    /// Code points of UTF-8: every byte that does not continue one.
    static size_t display_width(const std::string& text) {
        return static_cast<size_t>(std::count_if(
            text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
    }
    [[nodiscard]] std::string line(const std::vector<std::string>& cells, const std::vector<size_t>& widths) const {
        std::string text;
        for (size_t c = 0; c < cells.size(); ++c) {
            const std::string gap(widths[c] - display_width(cells[c]), ' ');
            if (c > 0) text += "  ";
            text += columns_[c].align == Align::left ? cells[c] + gap : gap + cells[c];
        }
        text.erase(text.find_last_not_of(' ') + 1);
        return text + '\n';
    }

    std::vector<Column> columns_;
    std::vector<std::vector<std::string>> rows_;
};

}  // namespace eddy
