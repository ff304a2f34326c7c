// A model's graph as text: what a node must know of a model to take part in plans over rows without its file. It lies
// as `graph` in the same object as a row profile (`eddy.row_profile/1`).
#pragma once

#include <string>

#include "eddy/result.hpp"
#include "eddy/row_profile.hpp"
#include "models/graph/graph.hpp"

namespace eddy::engine {

/// A row profile with the graph it is about.
struct RowModel {
    ContentHash chain_hash;  ///< by which nodes know that they number the model's layers, and so its steps, alike
    graph::ModelGraph graph;
    RowProfile profile;
};

/// Invalid: the profile's steps or their rows are not those of the graph, so it is of another model, or of another way
/// to make steps.
[[nodiscard]] Status check_steps(const graph::ModelGraph& graph, const RowProfile& profile);

std::string row_model_to_json(const RowModel& model);
/// Hostile text is refused: every list is bounded, the graph is checked as any (graph::ModelGraph::build), the profile
/// as any (row_profile_from_json), and both against each other (check_steps).
Result<RowModel> row_model_from_json(const std::string& text);

}  // namespace eddy::engine
