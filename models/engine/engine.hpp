// What runs a model's layers, as the rest of Eddy sees it: load a model file, compile layers of it, run them on frames.
// Pure interface; models/torch implements it with LibTorch, and torch_engine.hpp finds that.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "eddy/log.hpp"
#include "eddy/model_card.hpp"
#include "eddy/profile.hpp"
#include "eddy/result.hpp"
#include "eddy/row_profile.hpp"
#include "eddy/tensor.hpp"
#include "models/graph/block_rows.hpp"
#include "models/graph/chain.hpp"
#include "models/graph/graph.hpp"

namespace eddy::engine {

struct ProfileOptions {
    uint32_t repeats = 15;    ///< per layer; the median counts
    uint32_t warm_up = 3;     ///< runs before these
    double seconds_max = 10;  ///< no further repeats after this long; at least one is made
    std::string cache_dir;    ///< empty: neither read nor written
    uint32_t threads = 1;     ///< per lane; part of the cache's key
    LogFn log;                ///< may be empty
};

/// An execution unit over rows, compiled. Immutable; keeps the model alive.
class RowUnit {
public:
    virtual ~RowUnit() = default;
};

/// Runs layers, and units over rows, on one compute lane. Used by one thread at a time.
class Executor {
public:
    virtual ~Executor() = default;
    /// Compile layers [first, last) as one unit now, so that their first run is fast.
    virtual Status prepare(uint32_t first, uint32_t last) = 0;
    /// Compile every single layer that is kept: with these any run of them can be served.
    virtual Status prepare_layers() = 0;
    /// Layers [first, last). `inputs` is the frontier before `first`, in any order; meta.value says which is which (the
    /// frame, u8 [height, width, 3], is value 0). They are never altered. Gives the frontier after the run.
    virtual Result<std::vector<HostTensor>> run(uint32_t first, uint32_t last, std::span<const HostTensor> inputs) = 0;
    /// `pieces`: rows of its inputs and partial sums of them, in any order, perhaps more than it needs (tensor_rows.hpp).
    /// Gives what was wanted of the unit, one tensor a value, in that order.
    virtual Result<std::vector<HostTensor>> run(const RowUnit& unit, std::span<const HostTensor> pieces) = 0;
};

/// What of a model is compiled, each unit once, within a bound of bytes. Shared by all lanes; thread-safe.
class Units {
public:
    virtual ~Units() = default;
    virtual std::unique_ptr<Executor> executor(uint32_t threads) = 0;
    /// What makes these rows of values out of what operators [first, last) read. Compiled anew, and not counted in the
    /// bound: who asks for it reckons with it. Rows wanted of a pool's sum are those of its input.
    virtual Result<std::shared_ptr<const RowUnit>> row_unit(uint32_t first, uint32_t last,
                                                            std::span<const graph::ValueRows> wanted) = 0;
    /// The profile kept for this model, chain, device and thread count, or a fresh one that is kept from now on. A file
    /// that is corrupt or does not fit is measured anew and replaced; a folder that cannot be written is only logged.
    virtual Result<ModelProfile> load_or_measure_profile(const ProfileOptions& options) = 0;
    /// What making some rows of each of graph::row_steps costs; on the calling thread, for about `seconds_max` and as
    /// long as compiling takes. `cache_dir` is not used. Unsupported after Model::keep_only.
    virtual Result<RowProfile> measure_row_profile(const ProfileOptions& options) = 0;
};

/// A model file, checked and cut into a chain. Immutable and thread-safe but for keep_only.
class Model {
public:
    virtual ~Model() = default;
    [[nodiscard]] virtual const ModelCard& card() const = 0;
    /// As imported; equal on every device. Value 0 is the frame.
    [[nodiscard]] virtual const graph::ModelGraph& graph() const = 0;
    [[nodiscard]] virtual const graph::Chain& chain() const = 0;
    /// SHA-256 of the file.
    [[nodiscard]] virtual ContentHash model_hash() const = 0;
    /// SHA-256 of the chain's description, by which nodes know that they number layers alike.
    [[nodiscard]] virtual ContentHash chain_hash() const = 0;
    /// Without folder, for people.
    [[nodiscard]] virtual const std::string& file_name() const = 0;
    /// A table for people: the card, one line a layer, totals; times and γ if `profile` is given.
    [[nodiscard]] virtual std::string inspect_text(const ModelProfile* profile) const = 0;
    /// The same as one JSON object, schema `eddy.inspect/1`; `profile` adds what `eddy.profile/1` says.
    [[nodiscard]] virtual std::string inspect_json(const ModelProfile* profile) const = 0;
    /// Gives back the weights of all other layers, for good. Not while others use this model.
    virtual void keep_only(LayerRange layers) = 0;
    /// Nothing compiled yet. Keeps the model alive.
    [[nodiscard]] virtual std::shared_ptr<Units> units(uint64_t bytes_max) const = 0;
};

class Engine {
public:
    virtual ~Engine() = default;
    /// Errors name the file: `invalid` for files that are broken, `unsupported` for models Eddy cannot divide.
    [[nodiscard]] virtual Result<std::shared_ptr<Model>> load(const std::string& path) const = 0;
    /// Processor and libraries, for people and as part of a profile's key: "AMD EPYC 7B13, AVX2, LibTorch 1.13.1,
    /// oneDNN".
    [[nodiscard]] virtual std::string device_description() const = 0;
};

}  // namespace eddy::engine
