// The entry of libeddy-torch.so: this room behind the interface of models/engine.
#include "models/engine/engine.hpp"

#include "models/engine/torch_engine.hpp"
#include "models/torch/executor.hpp"
#include "models/torch/inspect.hpp"
#include "models/torch/model_state.hpp"
#include "models/torch/profiler.hpp"
#include "models/torch/row_profiler.hpp"

namespace eddy::torch_exec {

namespace {

class CompiledRows final : public engine::RowUnit {
public:
    explicit CompiledRows(std::shared_ptr<const Unit> unit) : unit_(std::move(unit)) {}
    [[nodiscard]] const Unit& unit() const { return *unit_; }

private:
    std::shared_ptr<const Unit> unit_;
};

class LaneExecutor final : public engine::Executor {
public:
    LaneExecutor(std::shared_ptr<UnitCache> cache, uint32_t threads)
        : executor_(std::move(cache), {.threads = threads}), threads_(threads) {}

    Status prepare(uint32_t first, uint32_t last) override { return executor_.prepare(first, last); }
    Status prepare_layers() override { return executor_.prepare_layers(); }
    Result<std::vector<HostTensor>> run(uint32_t first, uint32_t last, std::span<const HostTensor> inputs) override {
        auto result = executor_.run(first, last, inputs);
        if (!result) return result.error();
        return std::move(result->outputs);
    }
    Result<std::vector<HostTensor>> run(const engine::RowUnit& unit, std::span<const HostTensor> pieces) override {
        bind_lane_thread(threads_);
        return static_cast<const CompiledRows&>(unit).unit().run(pieces);
    }

private:
    torch_exec::Executor executor_;
    uint32_t threads_;
};

class CachedUnits final : public engine::Units {
public:
    CachedUnits(std::shared_ptr<const Model> model, uint64_t bytes_max)
        : cache_(std::make_shared<UnitCache>(std::move(model), bytes_max)) {}

    std::unique_ptr<engine::Executor> executor(uint32_t threads) override {
        return std::make_unique<LaneExecutor>(cache_, threads);
    }
    Result<std::shared_ptr<const engine::RowUnit>> row_unit(uint32_t first, uint32_t last,
                                                            std::span<const graph::ValueRows> wanted) override {
        const auto& model = cache_->model();
        auto spec = torch_exec::row_unit(model->graph(), model->state().row_rules, first, last, wanted);
        if (!spec) return spec.error();
        auto unit = Unit::compile(model, *std::move(spec));
        if (!unit) return unit.error();
        return std::shared_ptr<const engine::RowUnit>(std::make_shared<CompiledRows>(*std::move(unit)));
    }
    Result<ModelProfile> load_or_measure_profile(const engine::ProfileOptions& options) override {
        return torch_exec::load_or_measure_profile(cache_, options);
    }
    Result<RowProfile> measure_row_profile(const engine::ProfileOptions& options) override {
        return torch_exec::measure_row_profile(cache_->model(), options);
    }

private:
    std::shared_ptr<UnitCache> cache_;
};

class LoadedModel final : public engine::Model {
public:
    explicit LoadedModel(std::shared_ptr<torch_exec::Model> model) : model_(std::move(model)) {}

    const ModelCard& card() const override { return model_->card(); }
    const graph::ModelGraph& graph() const override { return model_->graph(); }
    const graph::Chain& chain() const override { return model_->chain(); }
    ContentHash model_hash() const override { return model_->model_hash(); }
    ContentHash chain_hash() const override { return model_->chain_hash(); }
    const std::string& file_name() const override { return model_->file_name(); }
    std::string inspect_text(const ModelProfile* profile) const override {
        return torch_exec::inspect_text(*model_, profile);
    }
    std::string inspect_json(const ModelProfile* profile) const override {
        return torch_exec::inspect_json(*model_, profile);
    }
    void keep_only(LayerRange layers) override { model_->keep_only(layers); }
    std::shared_ptr<engine::Units> units(uint64_t bytes_max) const override {
        return std::make_shared<CachedUnits>(model_, bytes_max);
    }

private:
    std::shared_ptr<torch_exec::Model> model_;
};

class TorchEngine final : public engine::Engine {
public:
    Result<std::shared_ptr<engine::Model>> load(const std::string& path) const override {
        auto model = torch_exec::Model::load(path);
        if (!model) return model.error();
        return std::shared_ptr<engine::Model>(std::make_shared<LoadedModel>(std::move(*model)));
    }
    std::string device_description() const override { return torch_exec::device_description(); }
};

}  // namespace

}  // namespace eddy::torch_exec

extern "C" __attribute__((visibility("default"))) const eddy::engine::EngineEntry* eddy_engine() {
    static const eddy::torch_exec::TorchEngine engine;
    static const std::string version = eddy::engine::engine_version();
    static const eddy::engine::EngineEntry entry{version.c_str(), &engine};
    return &entry;
}
