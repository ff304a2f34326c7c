// A TorchScript file, imported: checked, frozen, made functional, flattened to a ModelGraph, and cut into a chain.
// Immutable and thread-safe once loaded and cut down; lanes share one by shared_ptr. No LibTorch header is needed to
// use it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "eddy/model_card.hpp"
#include "eddy/profile.hpp"
#include "eddy/result.hpp"
#include "models/graph/chain.hpp"
#include "models/graph/graph.hpp"
#include "models/graph/rows.hpp"

namespace eddy::torch_exec {

struct LoadOptions {
    /// Files larger than this are refused before they are read; so are archives that would unpack to more.
    uint64_t file_bytes_max = uint64_t{2} << 30;
    /// For files without an `eddy.json` of their own; ignored if they have one.
    std::optional<ModelCard> card;
};

struct ModelState;  // LibTorch's side; models/torch/model_state.hpp

class Model {
public:
    /// The model takes one float tensor [1, 3, height, width], normalised as the card says. Runs it twice at this
    /// size to learn every shape. Errors name the file; what cannot be imported is named with its operator and place:
    /// `invalid` for files that are broken or do not fit their input, `unsupported` for models Eddy cannot divide.
    static Result<std::shared_ptr<Model>> load(const std::string& path, const LoadOptions& options = {});
    /// Gives back the weights of all other layers, for good; runs with such layers cannot be compiled from then on.
    /// Units that were keep theirs. Not while others use this model.
    void keep_only(LayerRange layers);
    [[nodiscard]] LayerRange kept() const;
    ~Model();
    Model(const Model&) = delete;
    Model& operator=(const Model&) = delete;

    /// Value 0 is the frame, u8 [height, width, 3]; operator 0 normalises it.
    [[nodiscard]] const graph::ModelGraph& graph() const;
    /// Of its operators: graph::row_rules.
    [[nodiscard]] const std::vector<graph::RowRule>& row_rules() const;
    [[nodiscard]] const graph::Chain& chain() const;
    [[nodiscard]] const ModelCard& card() const;
    /// SHA-256 of the file.
    [[nodiscard]] ContentHash model_hash() const;
    /// SHA-256 of graph::describe_chain.
    [[nodiscard]] ContentHash chain_hash() const;
    /// File name without folder, for people.
    [[nodiscard]] const std::string& file_name() const;
    /// Weights as loaded and kept, held once whatever is compiled.
    [[nodiscard]] uint64_t weight_bytes() const;
    /// Costs without times: all that planning needs of a model that was not measured here.
    [[nodiscard]] ModelProfile costs() const;

    [[nodiscard]] const ModelState& state() const { return *state_; }

private:
    explicit Model(std::unique_ptr<ModelState> state);
    std::unique_ptr<ModelState> state_;
};

}  // namespace eddy::torch_exec
