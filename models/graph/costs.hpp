// Arithmetic of operators, from shapes alone.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "models/graph/graph.hpp"

namespace eddy::graph {

/// Floating-point operations of one execution, multiply and add counted as two. Operators without a rule of their own
/// count one per output element; those that only move or relabel data count none.
uint64_t count_flops(const Operator& op, std::span<const Value> values);

/// Operators that a compiler folds into the one before them: batch norm, activations, element-wise sums. A border
/// between the two would cost speed.
bool fuses_with_producer(const Operator& op);

/// Operators that move or relabel data and compute nothing: reshape, concatenation, slices.
bool moves_data_only(const Operator& op);

}  // namespace eddy::graph
