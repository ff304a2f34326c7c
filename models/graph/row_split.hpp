// Who owns which rows of a value, and who sends which of them to a device that lacks some.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "eddy/result.hpp"
#include "models/graph/row_range.hpp"

namespace eddy::graph {

/// H rows over n >= 1 devices: 0 = x_0 <= x_1 <= … <= x_n = H. Device i owns [x_i, x_{i+1}), which may be empty. Halo
/// rows, which others hold as well, do not make them owners.
class RowSplit {
public:
    /// `bounds`: x_0 … x_n. Invalid if they are not as above.
    static Result<RowSplit> make(std::vector<int64_t> bounds, int64_t rows);

    [[nodiscard]] size_t devices() const { return bounds_.size() - 1; }
    [[nodiscard]] int64_t rows() const { return bounds_.back(); }
    [[nodiscard]] const std::vector<int64_t>& bounds() const { return bounds_; }
    /// Empty for a device that the split does not know.
    [[nodiscard]] RowRange part(size_t device) const;
    friend bool operator==(const RowSplit&, const RowSplit&) = default;

private:
    explicit RowSplit(std::vector<int64_t> bounds) : bounds_(std::move(bounds)) {}

    std::vector<int64_t> bounds_;
};

/// The rows that are needed and not held: at most two ranges, none empty, ascending.
[[nodiscard]] std::vector<RowRange> lacking(RowRange needs, RowRange holds);

struct RowTransfer {
    size_t owner = 0;
    RowRange rows;
    friend bool operator==(const RowTransfer&, const RowTransfer&) = default;
};

/// Where `device` gets the rows it lacks: each from its one owner, ascending, none empty. Invalid: an unknown device,
/// rows that the value does not have, a device that lacks rows it owns itself.
[[nodiscard]] Result<std::vector<RowTransfer>> transfers_to(const RowSplit& split, size_t device, RowRange holds,
                                                            RowRange needs);

}  // namespace eddy::graph
