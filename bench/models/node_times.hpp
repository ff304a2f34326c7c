// Which kinds of nodes a compiled graph spends its time in: the graph is run node by node, the processor's time of the
// calling thread being read around each.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <torch/csrc/jit/ir/ir.h>

namespace eddy::bench {

struct NodeTime {
    double us = 0;
    uint32_t nodes = 0;
};
using NodeTimes = std::map<std::string, NodeTime>;  ///< by kind; convolutions with their kernels' size

/// The medians of so many rounds. In inference mode; `graph` has no blocks within nodes.
NodeTimes node_times(const torch::jit::Graph& graph, const std::vector<c10::IValue>& inputs, int rounds);

void add(NodeTimes& to, const NodeTimes& more);

}  // namespace eddy::bench
