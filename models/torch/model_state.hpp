// What Model keeps, with LibTorch's types. Internal to models/torch.
#pragma once

#include <string>
#include <unordered_set>
#include <vector>

#include <c10/core/StorageImpl.h>

#include "models/graph/rows.hpp"
#include "models/torch/flatten.hpp"
#include "models/torch/model.hpp"

namespace eddy::torch_exec {

struct ModelState {
    std::string path;
    std::string file_name;
    ModelCard card;
    ContentHash model_hash;
    ContentHash chain_hash;
    FlatModel flat;
    graph::ModelGraph graph;
    graph::Chain chain;
    std::vector<graph::RowRule> row_rules;   ///< by operator
    std::vector<torch::jit::Value*> values;  ///< by ValueId
    std::unordered_set<const c10::StorageImpl*> weights;
    uint64_t weight_bytes = 0;
    LayerRange kept;  ///< layers whose weights are here
};

/// Element types that ModelGraph knows; nothing for the rest.
std::optional<DType> dtype_of(at::ScalarType type);
at::ScalarType scalar_type_of(DType type);

/// Describe flat code as a ModelGraph, filling `state.graph`, `values` and the weights' bytes.
Status describe_graph(ModelState& state);

}  // namespace eddy::torch_exec
