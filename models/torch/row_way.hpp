// How an operator is run so that some rows of its output come out: on which rows of its inputs, with which arguments,
// and which of the rows it then makes count. Integer arithmetic on rules, attributes and shapes; no LibTorch. Pure.
//
// A *slab* is a tensor in a unit that holds consecutive rows of a value. Those that are needed are right; the others
// may hold anything, as they only reach such rows as nobody needs either. So an operator on windows need not be told
// that the tensor's border is on one side of its slab only: it pads on both sides as ever, and where there is no border
// a few *spare* rows come out that mean nothing. Nothing is copied then. Only if the slab begins where no window may,
// or if the spare rows cost more than a copy, are the rows that are needed cut out of it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "eddy/result.hpp"
#include "models/graph/graph.hpp"
#include "models/graph/row_range.hpp"
#include "models/graph/rows.hpp"

namespace eddy::torch_exec {

/// Rows of a value; both empty: there is no such tensor.
struct Slab {
    graph::RowRange held;
    graph::RowRange right;  ///< of these
    friend bool operator==(const Slab&, const Slab&) = default;
};

/// What becomes of spare rows: they are carried on, cut off if the operator at hand would take longer for them than the
/// copy does, or avoided: then a copy is taken to cost little. None are made where rows are cut out for nothing, and a
/// convolution takes rows of zeros as its padding (lay_out.hpp).
enum class Spare : uint8_t { carried, weighed, avoided, none };

struct RowJob {
    const graph::ModelGraph& graph;
    uint32_t op = 0;
    const graph::RowRule& rule;
    std::span<const Slab> inputs;  ///< of the operator
    graph::RowRange wanted;        ///< of every output, not empty; of a reduction: rows to be summed
    Spare spare = Spare::weighed;
};

/// A copy of some rows of a slab, none perhaps, between rows of zeros.
struct RowCut {
    graph::RowRange rows;
    int64_t above = 0;
    int64_t below = 0;
    friend bool operator==(const RowCut&, const RowCut&) = default;
};

struct RowWay {
    enum class Run : uint8_t {
        itself,
        bins,  ///< this and the following: operators of our own (row_operators.hpp), told where their slab lies
        nearest,
        bilinear,
        bilinear_corners,
    };
    Run run = Run::itself;
    std::vector<std::optional<RowCut>> cuts;               ///< by input: what it is run on instead of the slab
    std::map<std::string, std::vector<int64_t>> replaced;  ///< arguments by name, for the operator's own
    graph::RowRange made;                                  ///< rows of every output that come out
    graph::RowRange kept;                                  ///< of these; any others are cut off
    double factor = 1;                                     ///< by which a partial sum is multiplied
};

/// Invalid: rows that are needed are not right, or missing. Unsupported: a way that is not known; row_rules() asks for
/// none.
Result<RowWay> row_way(const RowJob& job);

/// A byte that is copied costs as much time as so many floating-point operations of a convolution: it is read and
/// written three times, as layouts change before and after.
inline constexpr double flops_per_copied_byte = 16;

}  // namespace eddy::torch_exec
